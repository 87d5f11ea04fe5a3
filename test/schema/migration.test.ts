import { describe, expect, test } from 'vitest';
import {
  describeStored,
  type MigrationStep,
  planMigration,
  type StoredSchema,
} from '../../src/schema/migration/diff.ts';
import { planOf } from './mistakes.ts';

const KEY = 'id: ID! @primaryKey';

function storedOf(sdl: string, previous?: StoredSchema): StoredSchema {
  return JSON.parse(JSON.stringify(describeStored(planOf(sdl), previous)));
}

function stepsOf(before: string, after: string): readonly MigrationStep[] {
  return planMigration(storedOf(before), planOf(after));
}

/** Returns the steps from a table with one set of fields to one with another: the type, with `!` when destructive. */
function typesOf(before: string, after: string): string[] {
  const schema = (fields: string) =>
    `enum Two { a b }\nenum Three { a b c }\ntype N { x: Int! y: String }\ntype M { x: Long! y: String z: Int }
    type Short { x: Int! }\ntype Strict { x: Int! y: String z: Int! }\ntype A @table { ${KEY} ${fields} }`;
  return stepsOf(schema(before), schema(after)).map(({ type, destructive }) => `${type}${destructive ? '!' : ''}`);
}

describe('what is stored', () => {
  test('is plain JSON that describes tables, columns, key and expiration', () => {
    const stored = storedOf(`enum E { a b }\ntype N { x: Int! }
      type Item @table(database: "shop", table: "items", expiration: 60) {
        ${KEY}
        state: E! @indexed
        parts: [N!]
        until: Date @expiresAt
        sku: String @unique @default(value: "none")
      }`);
    const plain = { required: false, indexed: false, unique: false, hasDefault: false };
    expect(stored).toEqual({
      version: 1,
      tables: [
        {
          name: 'Item',
          database: 'shop',
          table: 'items',
          primaryKey: 'id',
          expiration: 60_000,
          expiresAt: 'until',
          columns: [
            { ...plain, name: 'id', type: { kind: 'scalar', name: 'ID' }, required: true },
            { ...plain, name: 'state', type: { kind: 'enum', values: ['a', 'b'] }, required: true, indexed: true },
            {
              ...plain,
              name: 'parts',
              type: {
                kind: 'list',
                itemsRequired: true,
                of: { kind: 'object', fields: [{ name: 'x', type: { kind: 'scalar', name: 'Int' }, required: true }] },
              },
            },
            { ...plain, name: 'until', type: { kind: 'scalar', name: 'Date' } },
            { ...plain, name: 'sku', type: { kind: 'scalar', name: 'String' }, unique: true, hasDefault: true },
          ],
        },
      ],
    });
  });

  test('needs no step for the plan that it describes', () => {
    const sdl = `enum E { a b }\ntype N { x: Int! }
      type A @table(expiration: 5) { ${KEY} e: E @indexed n: [N] u: Int @unique d: Date! @createdTime x: Date @expiresAt }`;
    expect(stepsOf(sdl, sdl)).toEqual([]);
  });

  test('keeps tables that have left the schema, and gives them back when they return', () => {
    const both = `type A @table { ${KEY} }\ntype B @table { ${KEY} b: Int }`;
    const left = storedOf(`type A @table { ${KEY} }`, storedOf(both));
    expect(left.tables.map(({ name }) => name)).toEqual(['A', 'B']);
    expect(planMigration(left, planOf(both))).toEqual([]);
  });
});

describe('tables', () => {
  test('are created in an empty store', () => {
    const plan = planOf(`type A @table { ${KEY} }\ntype B @table { ${KEY} }`);
    expect(planMigration(undefined, plan)).toEqual(
      plan.tables.map((table) => ({
        type: 'create-table',
        table,
        destructive: false,
        sentence: `create table data.${table.name}`,
      })),
    );
  });

  test('that have left the schema are kept and reported', () => {
    const [step, ...more] = stepsOf(`type A @table { ${KEY} }\ntype B @table { ${KEY} }`, `type A @table { ${KEY} }`);
    expect(more).toEqual([]);
    expect(step).toMatchObject({ type: 'keep-table', destructive: false, stored: { name: 'B' } });
    expect(step?.sentence).toBe('keep the records of data.B, which is not in the schema');
  });

  test('that have left the schema are dropped only on request', () => {
    const stored = storedOf(`type A @table { ${KEY} }\ntype B @table { ${KEY} }`);
    const steps = planMigration(stored, planOf(`type A @table { ${KEY} }`), { dropTables: ['B'] });
    expect(steps).toMatchObject([{ type: 'drop-table', destructive: true, stored: { name: 'B' } }]);
  });

  test('of a renamed type are the same table when the stored name stays', () => {
    expect(stepsOf(`type A @table { ${KEY} }`, `type B @table(table: "A") { ${KEY} }`)).toEqual([]);
    expect(stepsOf(`type Note @table { ${KEY} }`, `type note @table { ${KEY} }`)).toEqual([]);
  });

  test.each([
    ['another field', `type A @table { ${KEY} }`, 'type A @table { id: ID! key: ID! @primaryKey }'],
    ['another type', 'type A @table { id: Long! @primaryKey }', 'type A @table { id: Int! @primaryKey }'],
  ])('refuse another primary key: %s', (_, before, after) => {
    expect(stepsOf(before, after)).toMatchObject([{ type: 'change-primary-key', destructive: true }]);
  });

  test('let the type of a key widen', () => {
    expect(stepsOf('type A @table { id: Int! @primaryKey }', 'type A @table { id: Long! @primaryKey }')).toMatchObject([
      { type: 'change-type', destructive: false },
    ]);
  });

  test('can change their expiration', () => {
    const steps = stepsOf(
      `type A @table { ${KEY} d: Date }`,
      `type A @table(expiration: 60) { ${KEY} d: Date @expiresAt }`,
    );
    expect(steps).toMatchObject([{ type: 'change-expiration', destructive: false }]);
    expect(steps[0]?.sentence).toBe('remove records of data.A 60 s after their last change, or when "d" has passed');
    const back = stepsOf(`type A @table(expiration: 60) { ${KEY} }`, `type A @table { ${KEY} }`);
    expect(back.map(({ sentence }) => sentence)).toEqual(['remove records of data.A no more']);
  });
});

describe('columns', () => {
  test.each([
    ['nullable', 'f: Int', 'null'],
    ['with a default', 'f: Int! @default(value: 3)', 'default'],
    ['that the server sets', 'f: Date! @createdTime', 'stamp'],
  ])('are added when they are %s', (_, written, fill) => {
    const steps = stepsOf(`type A @table { ${KEY} }`, `type A @table { ${KEY} ${written} }`);
    expect(steps).toMatchObject([{ type: 'add-column', fill, destructive: false, field: { name: 'f' } }]);
  });

  test.each([
    ['added, required and without a default', '', 'f: Int!', ['add-required-column']],
    ['added with an index', '', 'f: Int @indexed', ['add-column', 'create-index']],
    ['added and unique', '', 'f: Int @unique', ['add-column', 'create-unique-index']],
    ['dropped', 'f: Int', '', ['drop-column!']],
    ['renamed', 'f: Int', 'g: Int', ['drop-column!', 'add-column']],
    ['written in another case', 'f: Int', 'F: Int', []],
    ['moved', 'f: Int g: Int', 'g: Int f: Int', []],
    ['made required', 'f: Int', 'f: Int!', ['make-required']],
    ['made nullable', 'f: Int!', 'f: Int', ['make-nullable']],
    ['given a default', 'f: Int', 'f: Int @default(value: 1)', []],
    ['indexed', 'f: Int', 'f: Int @indexed', ['create-index']],
    ['indexed no more', 'f: Int @indexed', 'f: Int', ['drop-index']],
    ['made unique', 'f: Int', 'f: Int @unique', ['create-unique-index']],
    ['unique no more', 'f: Int @unique', 'f: Int', ['drop-index']],
    ['unique instead of indexed', 'f: Int @indexed', 'f: Int @unique', ['drop-index', 'create-unique-index']],
    ['indexed instead of unique', 'f: Int @unique', 'f: Int @indexed', ['drop-index', 'create-index']],
    ['both unique and indexed instead of unique', 'f: Int @unique', 'f: Int @unique @indexed', []],
    ['of a wider type and required', 'f: Int', 'f: Long!', ['change-type', 'make-required']],
  ])('can be %s', (_, before, after, steps) => {
    expect(typesOf(before, after)).toEqual(steps);
  });

  test.each([
    ['Int', 'Long'],
    ['Int', 'Float'],
    ['Int', 'String'],
    ['Long', 'ID'],
    ['Float', 'String'],
    ['Boolean', 'String'],
    ['Date', 'String'],
    ['String', 'JSON'],
    ['Boolean', 'JSON'],
    ['Two', 'ID'],
    ['Int', '[Long!]'],
    ['N', '[N]'],
    ['[Int]', '[String]'],
    ['ID', 'String'],
    ['String', 'ID'],
    ['Two', 'Three'],
    ['Two', 'String'],
    ['[Int!]', '[Int]'],
    ['[Int]', '[Long]'],
    ['N', 'M'],
    ['N', 'JSON'],
    ['[Int]', 'JSON'],
  ])('widen from %s to %s without loss', (before, after) => {
    expect(typesOf(`f: ${before}`, `f: ${after}`)).toEqual(['change-type']);
  });

  test.each([
    ['Long', 'Int'],
    ['Float', 'Int'],
    ['String', 'Int'],
    ['String', 'Date'],
    ['JSON', 'String'],
    ['JSON', '[Int]'],
    ['[Int]', 'Int'],
    ['Three', 'Two'],
    ['String', 'Two'],
    ['Two', 'Int'],
    ['[Int]', '[Int!]'],
    ['[Long]', '[Int]'],
    ['M', 'N'],
    ['N', 'Short'],
    ['N', 'Strict'],
    ['N', 'String'],
    ['JSON', 'N'],
  ])('narrow from %s to %s only with an allowance', (before, after) => {
    expect(typesOf(`f: ${before}`, `f: ${after}`)).toEqual(['change-type!']);
  });

  test('renaming an enum or a nested type changes no data', () => {
    const before = `enum E { a b }\ntype N { x: Int }\ntype A @table { ${KEY} e: E n: N }`;
    const after = `enum F { b a }\ntype O { x: Int }\ntype A @table { ${KEY} e: F n: O }`;
    expect(stepsOf(before, after)).toEqual([]);
  });

  test('describe their effect in one sentence', () => {
    const before = `enum E { a b }\ntype N { x: Int! }\ntype A @table { ${KEY} e: E n: [N!] f: Int }`;
    const after = `type A @table { ${KEY} e: Int n: Int f: Float! g: Int! }`;
    expect(stepsOf(before, after).map(({ sentence }) => sentence)).toEqual([
      'change the type of data.A.e from enum (a, b) to Int',
      'change the type of data.A.n from [{x: Int!}!] to Int',
      'change the type of data.A.f from Int to Float: every stored value fits',
      'make data.A.f required: possible only while no record has null there',
      'add required column data.A.g, which has no default: possible only while the table has no records',
    ]);
  });
});
