import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AppError } from '../../src/errors.ts';
import type { OnDelete, Plan, TablePlan } from '../../src/schema/plan.ts';
import type { Write } from '../../src/store/rows/write.ts';
import { openSqliteStore, type SqliteStore } from '../../src/store/sqlite/store.ts';
import { planOf } from '../schema/mistakes.ts';
import { storeOptions } from '../support/engine.ts';

const TABLES = ['A', 'B', 'C'] as const;
const IDS = ['1', '2', '3', '4'] as const;
/** Small limit of a cascade, which groups reach. */
const FEW = 1;
type Name = (typeof TABLES)[number];
type Id = (typeof IDS)[number];

/** Reference `f0`, `f1` … of a table; undefined for a key that nothing checks. */
interface Link {
  readonly target: Name;
  readonly onDelete: OnDelete | undefined;
  readonly required: boolean;
}
type Links = Readonly<Record<Name, readonly Link[]>>;

const link: fc.Arbitrary<Link> = fc
  .record({
    target: fc.constantFrom(...TABLES),
    onDelete: fc.constantFrom('CASCADE' as const, 'SET_NULL' as const, 'RESTRICT' as const, undefined),
    required: fc.boolean(),
  })
  .map((it) => ({ ...it, required: it.required && it.onDelete !== 'SET_NULL' }));
const links: fc.Arbitrary<Links> = fc.record({
  A: fc.array(link, { maxLength: 2 }),
  B: fc.array(link, { maxLength: 2 }),
  C: fc.array(link, { maxLength: 2 }),
});

function sdlOf(all: Links): string {
  const types = TABLES.map((name) => {
    const fields = all[name].map(({ target, onDelete, required }, index) => {
      const action = onDelete === undefined ? '' : `, onDelete: ${onDelete}`;
      return `f${index}: ID${required ? '!' : ''} r${index}: ${target} @relationship(from: "f${index}"${action})`;
    });
    return `type ${name} @table { id: ID! @primaryKey n: Int ${fields.join(' ')} }`;
  });
  return types.join('\n');
}

type Op =
  | {
      readonly kind: 'put';
      readonly table: Name;
      readonly id: Id;
      readonly keys: readonly (Id | null)[];
      readonly n: number;
    }
  | { readonly kind: 'patch'; readonly table: Name; readonly id: Id; readonly keys: readonly (Id | null | undefined)[] }
  | { readonly kind: 'delete'; readonly table: Name; readonly id: Id }
  | { readonly kind: 'clear'; readonly table: Name };

const table = fc.constantFrom(...TABLES);
const id = fc.constantFrom(...IDS);
const keyOrNull = fc.option(id, { freq: 4 });
const op: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('put' as const),
      table,
      id,
      keys: fc.tuple(keyOrNull, keyOrNull),
      n: fc.nat(3),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('patch' as const),
      table,
      id,
      keys: fc.tuple(fc.option(keyOrNull, { nil: undefined }), fc.option(keyOrNull, { nil: undefined })),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('delete' as const), table, id }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('clear' as const), table }) },
);
const group = fc.oneof(
  { weight: 3, arbitrary: fc.array(op, { minLength: 1, maxLength: 1 }) },
  { weight: 2, arbitrary: fc.array(op, { minLength: 2, maxLength: 6 }) },
);

type Row = { readonly n: number | null; readonly keys: readonly (Id | null)[] };
type State = Readonly<Record<Name, ReadonlyMap<Id, Row>>>;

/** Simple model: applies a group to a copy; undefined where it is refused. */
function applyModel(state: State, ops: readonly Op[], all: Links): State | undefined {
  const next = { A: new Map(state.A), B: new Map(state.B), C: new Map(state.C) };
  const isWrong = (name: Name, keys: Row['keys']) =>
    all[name].some(({ required }, index) => required && keys[index] === null);
  for (const one of ops) {
    const own = next[one.table];
    if (one.kind === 'put') {
      const keys = one.keys.slice(0, all[one.table].length);
      if (isWrong(one.table, keys)) return undefined;
      own.set(one.id, { n: one.n, keys });
    } else if (one.kind === 'patch') {
      const before = own.get(one.id);
      if (before === undefined) return undefined;
      const keys = before.keys.map((key, index) =>
        one.keys[index] === undefined ? key : (one.keys[index] as Id | null),
      );
      if (isWrong(one.table, keys)) return undefined;
      own.set(one.id, { ...before, keys });
    } else {
      const gone = one.kind === 'delete' ? [one.id] : [...own.keys()];
      if (one.kind === 'delete' && !own.has(one.id)) return undefined;
      const queue = gone.map((key): [Name, Id] => [one.table, key]);
      for (const [, key] of queue) own.delete(key);
      for (let found = queue.shift(); found !== undefined; found = queue.shift()) {
        const [target, key] = found;
        for (const action of ['CASCADE', 'SET_NULL'] as const) {
          for (const name of TABLES) {
            all[name].forEach((to, index) => {
              if (to.target !== target || to.onDelete !== action) return;
              for (const [other, row] of next[name]) {
                if (row.keys[index] !== key) continue;
                if (action === 'CASCADE') {
                  next[name].delete(other);
                  queue.push([name, other]);
                } else next[name].set(other, { ...row, keys: row.keys.with(index, null) });
              }
            });
          }
        }
      }
    }
  }
  return danglingOf(next, all).length === 0 ? next : undefined;
}

/** Keys that are checked and are those of no record. */
function danglingOf(state: State, all: Links): string[] {
  return TABLES.flatMap((name) =>
    all[name].flatMap(({ target, onDelete }, index) => {
      if (onDelete === undefined) return [];
      return [...state[name]].flatMap(([key, { keys }]) => {
        const to = keys[index];
        return to === null || to === undefined || state[target].has(to)
          ? []
          : [`${name} ${key}.f${index} -> ${target} ${to}`];
      });
    }),
  );
}

function tableOf(plan: Plan, name: Name): TablePlan {
  return plan.tables.find((one) => one.name === name) as TablePlan;
}

function writeOf(plan: Plan, one: Op): Write {
  const target = tableOf(plan, one.table);
  const size = target.fields.length - 2;
  if (one.kind === 'delete') return { type: 'delete', table: target, id: one.id };
  if (one.kind === 'clear') return { type: 'delete-where', table: target, filter: undefined, limit: 100 };
  if (one.kind === 'patch') {
    return { type: 'patch', table: target, id: one.id, cells: [undefined, undefined, ...one.keys.slice(0, size)] };
  }
  return { type: 'put', table: target, id: one.id, cells: [one.id, one.n, ...one.keys.slice(0, size)] };
}

function stateOf(store: SqliteStore, plan: Plan): State {
  const read = (name: Name) => {
    const target = tableOf(plan, name);
    const records = store.page(target, undefined, 100).map(({ json }) => JSON.parse(json) as Record<string, unknown>);
    return new Map(
      records.map((record): [Id, Row] => {
        const keys = target.fields.slice(2).map((field) => record[field.name] as Id | null);
        return [record.id as Id, { n: record.n as number, keys }];
      }),
    );
  };
  return { A: read('A'), B: read('B'), C: read('C') };
}

/** State that the entries of the log make from nothing. */
function replayOf(store: SqliteStore, plan: Plan): State {
  const replay = (name: Name) => {
    const target = tableOf(plan, name);
    const rows = new Map<Id, Row>();
    for (const { op: kind, id: key, data } of store.readLog(target, 0, 100_000)) {
      if (kind === 'delete') rows.delete(key as Id);
      else {
        const record = JSON.parse(data) as Record<string, unknown>;
        rows.set(key as Id, {
          n: record.n as number,
          keys: target.fields.slice(2).map((field) => record[field.name] as Id),
        });
      }
    }
    return new Map([...rows].sort(([a], [b]) => (a < b ? -1 : 1)));
  };
  return { A: replay('A'), B: replay('B'), C: replay('C') };
}

const sorted = (state: State): State => {
  const order = (rows: ReadonlyMap<Id, Row>) => new Map([...rows].sort(([a], [b]) => (a < b ? -1 : 1)));
  return { A: order(state.A), B: order(state.B), C: order(state.C) };
};

test('references are whole after any writes, which happen as in a simple model, all or none, and in the log as in the tables', {
  retry: 0,
  timeout: 300_000,
}, () => {
  const run = (all: Links, groups: readonly (readonly Op[])[], limit: number) => {
    const dir = mkdtempSync(join(tmpdir(), 'tablecast-references-'));
    const plan = planOf(sdlOf(all));
    const store = openSqliteStore(plan, storeOptions(dir, { largestCascade: limit }));
    try {
      let model: State = { A: new Map(), B: new Map(), C: new Map() };
      for (const ops of groups) {
        const expected = applyModel(model, ops, all);
        const { results, changes } = store.commit([ops.map((one) => writeOf(plan, one))]);
        const isRefused = results[0] instanceof AppError;
        if (isRefused) expect(changes).toEqual([]);
        // Consecutive, and marked as one where there are several.
        const mark = changes.length > 1 ? changes.at(-1)?.seq : undefined;
        for (const [index, change] of changes.entries()) {
          expect(change.transaction).toBe(mark);
          expect(change.seq).toBe((changes[0]?.seq ?? 0) + index);
        }
        const found = stateOf(store, plan);
        expect(danglingOf(found, all)).toEqual([]);
        const isLimited = isRefused && String(results[0]).includes('limits.cascade');
        expect(isLimited && limit > FEW).toBe(false);
        if (!isLimited) expect(isRefused, `${JSON.stringify(ops)}: ${results[0]}`).toBe(expected === undefined);
        if (!isRefused) model = expected as State;
        expect(found).toEqual(sorted(model));
      }
      expect(replayOf(store, plan)).toEqual(sorted(model));
    } finally {
      store.close();
      rmSync(dir, { recursive: true, force: true });
    }
  };
  const groups = fc.array(group, { minLength: 5, maxLength: 40 });
  fc.assert(fc.property(links, groups, fc.constantFrom(FEW, 1000), run), { numRuns: 60 });
});
