import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MigrationRefusedError } from '../../src/store/open-errors.ts';
import { previewSqliteMigration } from '../../src/store/sqlite/migrate/preview.ts';
import type { Cell } from '../../src/store/store.ts';
import { planOf } from '../schema/mistakes.ts';
import { type OpenStore, StoreFolder } from '../store/stores.ts';

type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

interface Kind {
  readonly type: string;
  readonly values: fc.Arbitrary<Exclude<Json, null>>;
  /** Types that keep every value, with the value in them. */
  readonly wider: Readonly<Record<string, (value: never) => Json>>;
  /** The value as it is read after the names in it have changed. */
  readonly renamed?: (value: never) => Json;
}

const text = fc.string({ maxLength: 8 }).map((it) => it.replaceAll('\0', ''));
const same = (value: never): Json => value;
const asText = (value: Json): Json => String(value);
const part: fc.Arbitrary<Json> = fc.record({
  x: fc.option(fc.integer()) as fc.Arbitrary<Json>,
  s: fc.constantFrom('OPEN', 'DONE') as fc.Arbitrary<Json>,
});
const KINDS: readonly Kind[] = [
  {
    type: 'Int',
    values: fc.integer(),
    wider: { Int: same, Long: same, Float: same, String: asText, ID: asText, JSON: same, '[Int]': (value) => [value] },
  },
  {
    type: 'Long',
    values: fc.constantFrom('9007199254740993', '-9223372036854775808', 5),
    wider: { Long: same, String: asText },
  },
  {
    type: 'Float',
    values: fc.double({ noNaN: true, noDefaultInfinity: true }).map((it) => it + 0),
    wider: { Float: same },
  },
  { type: 'String', values: text, wider: { String: same, ID: same, JSON: same, '[String!]': (value) => [value] } },
  { type: 'ID', values: text, wider: { ID: same, String: same } },
  { type: 'Boolean', values: fc.boolean(), wider: { Boolean: same, String: asText } },
  {
    type: 'JSON',
    values: fc.jsonValue({ maxDepth: 2 }).filter((it) => it !== null) as fc.Arbitrary<string>,
    wider: { JSON: same },
  },
  {
    type: 'State',
    values: fc.constantFrom('OPEN', 'DONE'),
    wider: { State: same, String: same },
    renamed: (value) => (value === 'OPEN' ? 'open' : value),
  },
  {
    type: '[Part]',
    values: fc.array(fc.option(part), { maxLength: 3 }),
    wider: { '[Part]': same },
    renamed: (value: readonly ({ x: Json; s: string } | null)[]) =>
      value.map((it) => it && { y: it.x, s: it.s === 'OPEN' ? 'open' : it.s }),
  },
];
const BEFORE = 'enum State { OPEN DONE } type Part { x: Int s: State! }';
const AFTER = `enum State { open @renamedFrom(name: "OPEN") DONE LATER }
  type Part { y: Int @renamedFrom(name: "x") s: State! }`;
/** Shapes of stored values that another type must be converted from, without names that changed. */
const PLAIN_STATE: ReadonlySet<string> = new Set(['String']);

interface Column {
  readonly kind: Kind;
  readonly index: '' | '@indexed' | '@indexed(type: "fulltext")';
  readonly fate: 'kept' | 'renamed' | 'dropped';
  readonly to: string;
  readonly later: boolean;
}

const column: fc.Arbitrary<Column> = fc.constantFrom(...KINDS).chain((kind) =>
  fc.record({
    kind: fc.constant(kind),
    index: fc.constantFrom<Column['index']>('', ...indexesOf(kind)),
    fate: fc.constantFrom<Column['fate']>('kept', 'renamed', 'renamed', 'dropped'),
    to: fc.constantFrom(...Object.keys(kind.wider)),
    later: fc.boolean(),
  }),
);

function indexesOf({ type }: Kind): Column['index'][] {
  if (type === 'String') return ['@indexed', '@indexed(type: "fulltext")'];
  return type === 'JSON' || type.startsWith('[') ? [] : ['@indexed'];
}

const scenario = fc
  .record({
    columns: fc.array(column, { minLength: 1, maxLength: 5 }),
    renamesType: fc.boolean(),
    renamesKey: fc.boolean(),
    adds: fc.boolean(),
    expires: fc.boolean(),
  })
  .chain((shape) =>
    fc.record({
      shape: fc.constant(shape),
      rows: fc.array(fc.tuple(...shape.columns.map(({ kind }) => fc.option(kind.values, { freq: 3 }))), {
        maxLength: 4,
      }),
    }),
  );

type Shape = Parameters<Parameters<typeof scenario.chain>[0]>[0]['shape'];

function schemaBefore({ columns, expires }: Shape): string {
  const fields = columns.map(({ kind, index }, at) => `f${at}: ${kind.type} ${index}`);
  return `${BEFORE} type T @table${expires ? '(expiration: "900d")' : ''} { id: ID! @primaryKey ${fields.join(' ')} }`;
}

function schemaAfter({ columns, expires, renamesType, renamesKey, adds }: Shape, directives: boolean): string {
  const from = (name: string) =>
    directives ? `@renamedFrom(name: "never_${name}") @renamedFrom(name: "${name}")` : '';
  const fields = columns.flatMap(({ kind, index, fate, to, later }, at) => {
    if (fate === 'dropped') return [];
    const own = to === kind.type || index === '@indexed(type: "fulltext")' ? kind.type : to;
    const kept = own.startsWith('[') || own === 'JSON' ? '' : index;
    const newIndex = later && kept === '' && !own.startsWith('[') && own !== 'JSON' ? '@indexed' : kept;
    return fate === 'renamed' ? [`g${at}: ${own} ${newIndex} ${from(`f${at}`)}`] : [`f${at}: ${own} ${newIndex}`];
  });
  const type = `${renamesType ? 'U' : 'T'} @table${expires ? '(expiration: "900d")' : ''} ${renamesType ? from('T') : ''}`;
  const key = renamesKey ? `key: ID! @primaryKey ${from('id')}` : 'id: ID! @primaryKey';
  return `${AFTER} type ${type} { ${key} ${fields.join(' ')} ${adds ? 'added: Int' : ''} }`;
}

function expectedRecord({ columns, renamesKey, adds }: Shape, row: readonly (Json | null)[], id: string) {
  const values = columns.flatMap(({ kind, index, fate, to }, at) => {
    if (fate === 'dropped') return [];
    const name = fate === 'renamed' ? `g${at}` : `f${at}`;
    const own = index === '@indexed(type: "fulltext")' ? kind.type : to;
    const value = row[at] ?? null;
    if (value === null) return [[name, null]];
    const named = kind.renamed === undefined || PLAIN_STATE.has(own) ? value : kind.renamed(value as never);
    return [[name, (kind.wider[own] ?? same)(named as never)]];
  });
  return Object.fromEntries([[renamesKey ? 'key' : 'id', id], ...values, ...(adds ? [['added', null]] : [])]);
}

function cellOf(kind: Kind, value: Json): Cell {
  if (value === null) return null;
  if (kind.type === 'JSON' || kind.type.startsWith('[')) return JSON.stringify(value);
  if (kind.type === 'Boolean') return value === true ? 1 : 0;
  if (kind.type === 'Long') return BigInt(value as string);
  return value as Cell;
}

function read({ store, plan }: OpenStore): unknown[] {
  const [table] = plan.tables;
  if (table === undefined) throw new Error('no table');
  return store.page(table, undefined, 100).map(({ json }) => JSON.parse(json));
}

test('a schema with new names keeps every value that its plan keeps, exactly', { timeout: 240_000 }, () => {
  fc.assert(
    fc.property(scenario, ({ shape, rows }) => {
      const folder = new StoreFolder();
      const before = schemaBefore(shape);
      const after = schemaAfter(shape, true);
      const open = folder.open(before);
      const [old] = open.plan.tables;
      if (old === undefined) throw new Error('no table');
      rows.forEach((row, at) => {
        const cells = [
          `r${at}`,
          ...row.map((value, index) => cellOf(shape.columns[index]?.kind as Kind, value as Json)),
        ];
        open.store.commit([[{ type: 'create', table: old, id: `r${at}`, cells }]]);
      });
      const seqs = open.store.page(old, undefined, 100).map(({ seq }) => seq);
      folder.close();
      // The plan names exactly the fields that lose values, and nothing is done without its consent.
      const dropped = shape.columns.flatMap(({ fate }, at) =>
        fate === 'dropped' && rows.some((row) => row[at] !== null) ? [`${shape.renamesType ? 'U' : 'T'}.f${at}`] : [],
      );
      const preview = previewSqliteMigration(planOf(after), { dir: folder.dir, allowed: false });
      expect([preview?.impossible, preview?.losing]).toEqual([false, dropped]);
      if (dropped.length > 0) {
        const contents = folder.contents();
        expect(() => folder.open(after)).toThrow(MigrationRefusedError);
        expect(folder.contents()).toEqual(contents);
      }
      const now = folder.open(after, { allowDestructive: dropped });
      const expected = rows.map((row, at) => expectedRecord(shape, row as Json[], `r${at}`));
      expect(read(now)).toEqual(expected);
      const [table] = now.plan.tables;
      if (table === undefined) throw new Error('no table');
      expect(now.store.page(table, undefined, 100).map(({ seq }) => seq)).toEqual(seqs);
      expect(now.store.readLog(table, 0, 100).map(({ seq }) => seq)).toEqual(seqs);
      const contents = folder.contents();
      for (const sdl of [after, schemaAfter(shape, false)]) {
        expect(folder.open(sdl).notices).toEqual([]);
        expect(folder.contents()).toEqual(contents);
      }
      // Indexes have the names of a store that was made so, and the records can be written.
      const made = new StoreFolder();
      made.open(schemaAfter(shape, false));
      expect(namesOf(folder)).toEqual(namesOf(made));
      const again = folder.open(after);
      const target = again.plan.tables[0];
      if (target === undefined) throw new Error('no table');
      for (let at = 0; at < rows.length; at++) again.store.commit([[{ type: 'delete', table: target, id: `r${at}` }]]);
      expect(read(again)).toEqual([]);
      folder.close();
    }),
    { numRuns: 50 },
  );
});

function namesOf(folder: StoreFolder): unknown[] {
  const { objects } = folder.contents() as { objects: readonly { name: string }[] };
  return objects.map(({ name }) => name);
}
