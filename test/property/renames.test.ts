import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { sqliteEngine } from '../../src/store/sqlite/engine.ts';
import type { Cell } from '../../src/store/store.ts';
import { planOf } from '../schema/mistakes.ts';
import { fileContents } from '../store/stores.ts';
import { type MigratedEngine, namesOf, refusalOf } from '../suites/migration/harness.ts';
import { StoreHarness } from '../suites/store/harness.ts';
import { schemaContents } from '../support/postgres/contents.ts';
import { reason, TestSchemas, unreachable } from '../support/postgres/server.ts';

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
    // As JSON text has it, which writes -0 as 0.
    values: fc
      .jsonValue({ maxDepth: 2 })
      .filter((it) => it !== null)
      .map((it) => JSON.parse(JSON.stringify(it))) as fc.Arbitrary<string>,
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

async function migrated(subject: MigratedEngine, shape: Shape, rows: readonly (readonly (Json | null)[])[]) {
  const harness = await StoreHarness.open(subject, schemaBefore(shape));
  const after = schemaAfter(shape, true);
  const { dir } = harness.options;
  const contents = async () => {
    await harness.close();
    return subject.contents(dir);
  };
  const seqs = async () => (await harness.store.page(harness.table, undefined, 100)).map(({ seq }) => seq);
  for (const [at, row] of rows.entries()) {
    await harness.create(`r${at}`, ...row.map((value, index) => cellOf(shape.columns[index]?.kind as Kind, value)));
  }
  const before = await seqs();
  await harness.close();
  // The plan names exactly the fields that lose values, and nothing is done without its consent.
  const dropped = shape.columns.flatMap(({ fate }, at) =>
    fate === 'dropped' && rows.some((row) => row[at] !== null) ? [`${shape.renamesType ? 'U' : 'T'}.f${at}`] : [],
  );
  const preview = await subject.engine.previewMigration(planOf(after), { dir, allowed: false });
  expect([preview?.impossible, preview?.losing]).toEqual([false, dropped]);
  if (dropped.length > 0) await refusalOf(subject, harness, after);
  await harness.open(after, { allowDestructive: dropped });
  expect(await harness.records()).toEqual(rows.map((row, at) => expectedRecord(shape, row, `r${at}`)));
  expect(await seqs()).toEqual(before);
  expect((await harness.log()).map(({ seq }) => seq)).toEqual(before);
  const stored = await contents();
  for (const sdl of [after, schemaAfter(shape, false)]) {
    await harness.open(sdl);
    expect(harness.notices).toEqual([]);
    expect(await contents()).toEqual(stored);
  }
  // Indexes have the names of a store that was made so, and the records can be written.
  const made = await StoreHarness.open(subject, schemaAfter(shape, false));
  await made.close();
  expect(namesOf(stored)).toEqual(namesOf(await subject.contents(made.options.dir)));
  await harness.open(after);
  for (let at = 0; at < rows.length; at++) await harness.delete(`r${at}`);
  expect(await harness.records()).toEqual([]);
  await harness.close();
}

const RUNS = Number(process.env.PROPERTY_RUNS ?? 50);

const title = 'a schema with new names keeps every value that its plan keeps, exactly';

async function check(subject: MigratedEngine, numRuns: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(scenario, ({ shape, rows }) => migrated(subject, shape, rows as (Json | null)[][])),
    { numRuns },
  );
}

test(`${title}, in the embedded engine`, { retry: 0, timeout: 240_000 }, async () => {
  await check({ engine: sqliteEngine, contents: async (dir) => fileContents(join(dir, 'data.db')) }, RUNS);
});

const schemas = new TestSchemas();
afterAll(() => schemas.drop());

test.skipIf(unreachable !== undefined)(
  `${title}, in the PostgreSQL engine${reason}`,
  { retry: 0, timeout: 480_000 },
  async () => {
    const contents = (dir: string) => schemaContents(schemas.of(dir));
    await check({ engine: schemas.engine(), isShared: true, contents }, 15);
  },
);
