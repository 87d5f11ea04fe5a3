import { describe, expect, test } from 'vitest';
import { ACTIONS, TRANSPORTS } from '../../src/schema/plan.ts';
import { makePlan } from '../../src/schema/sdl/build.ts';
import { cpuTimeOf } from '../support/cpu-time.ts';
import { APP, mistakesOf, planOf, startErrorOf, tableOf } from './mistakes.ts';

const SPEC = `type Message @table(database: "realtime-demo") @export(rest: true ws: true) {
  id: ID! @primaryKey
  title: String!
  content: String!
}
`;

const KEY = 'id: ID! @primaryKey';

function field(sdl: string, name: string) {
  const found = tableOf(sdl).fields.find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(`no field ${name}`);
  return found;
}

describe('a table', () => {
  test('the example byte for byte, without commas between arguments, is one table', () => {
    const table = tableOf(SPEC);
    expect(planOf(SPEC).tables).toHaveLength(1);
    expect(table).toMatchObject({
      name: 'Message',
      database: 'realtime-demo',
      table: 'Message',
      exportName: 'Message',
      switchedOff: [],
      at: { file: 'schema.graphql', line: 1, column: 6 },
    });
    expect([...table.transports]).toEqual(['rest', 'sse', 'ws']);
    expect(table.fields.map(({ name, type, required }) => [name, type, required])).toEqual([
      ['id', { kind: 'scalar', name: 'ID' }, true],
      ['title', { kind: 'scalar', name: 'String' }, true],
      ['content', { kind: 'scalar', name: 'String' }, true],
    ]);
    expect(table.primaryKey).toBe(table.fields[0]);
    expect(table.fields[1]?.at).toEqual({ file: 'schema.graphql', line: 3, column: 3 });
  });

  test('commas, line ends of Windows and a byte order mark change nothing', () => {
    const windows = `\uFEFF${SPEC.replace('true ws', 'true, ws').replaceAll('\n', '\r\n')}`;
    expect(planOf(windows)).toEqual(planOf(SPEC));
  });

  test('only a table with @export has a URL, and only a type with @table is a table', () => {
    const { tables } = planOf(`
      type Address { city: String! }
      type Hidden @table { ${KEY} address: Address }
      type Message @table @export(name: "message") { ${KEY} }
      type Plain @table @export { ${KEY} }`);
    expect(tables.map(({ name, exportName }) => [name, exportName])).toEqual([
      ['Hidden', undefined],
      ['Message', 'message'],
      ['Plain', 'Plain'],
    ]);
    expect(tables[0]).toMatchObject({ transports: new Set(), public: new Set(), switchedOff: [] });
  });

  test('every directive acts', () => {
    const table = tableOf(`
      type Item @table(database: "shop", table: "items", expiration: 60) @export {
        ${KEY}
        sku: String! @unique
        name: String @indexed
        made: Date! @createdTime
        changed: Long @updatedTime
        until: Date @expiresAt
        count: Int! @default(value: 3)
      }`);
    expect(table).toMatchObject({ database: 'shop', table: 'items', expiration: 60_000 });
    const [key, sku, name, made, changed, until, count] = table.fields;
    expect(key).toMatchObject({ primaryKey: true, indexed: false, unique: false });
    expect(sku).toMatchObject({ unique: true, required: true });
    expect(name).toMatchObject({ indexed: true, required: false });
    expect(made).toMatchObject({ stamp: 'created' });
    expect(changed).toMatchObject({ stamp: 'updated' });
    expect(until).toMatchObject({ expiresAt: true });
    expect(count).toMatchObject({ default: 3 });
  });

  test('an expiration is seconds, or a duration', () => {
    expect(tableOf(`type A @table(expiration: "7d") { ${KEY} }`).expiration).toBe(7 * 86_400_000);
    expect(tableOf(`type A @table(expiration: "500ms") { ${KEY} }`).expiration).toBe(500);
    expect(tableOf(`type A @table { ${KEY} }`)).not.toHaveProperty('expiration');
  });

  test('the database is "data" unless it is named', () => {
    expect(tableOf(`type A @table { ${KEY} }`).database).toBe('data');
  });

  test('docstrings of types and fields are kept', () => {
    const table = tableOf(`"A note"\ntype A @table {\n  """\n  The key\n  """\n  ${KEY}\n}`);
    expect(table.description).toBe('A note');
    expect(table.primaryKey.description).toBe('The key');
    expect(table.primaryKey.at).toMatchObject({ line: 6, column: 3 });
  });

  test('a key that is also unique or indexed needs no second index', () => {
    expect(tableOf('type A @table { id: ID! @primaryKey @unique @indexed }').primaryKey).toMatchObject({
      unique: false,
      indexed: false,
    });
  });

  test.each(['ID', 'String', 'Int', 'Long'])('%s may be a primary key', (type) => {
    expect(tableOf(`type A @table { k: ${type}! @primaryKey }`).primaryKey).toMatchObject({ name: 'k' });
  });

  test('types may be spread over several files', () => {
    const plan = makePlan(
      [
        { file: 'a.graphql', text: `type A @table { ${KEY} e: E n: N }` },
        { file: 'b.graphql', text: 'enum E { x }\ntype N { m: Int }' },
      ],
      APP,
    );
    expect(plan.tables[0]?.fields.map(({ type }) => type.kind)).toEqual(['scalar', 'enum', 'object']);
  });

  test('the plan is frozen to its leaves', () => {
    const plan = planOf(`type N { m: Int }\ntype A @table { ${KEY} n: [N!] @default(value: []) }`);
    const list = plan.tables[0]?.fields[1]?.type;
    const parts = [plan, plan.tables, plan.tables[0], plan.tables[0]?.fields, list, plan.tables[0]?.fields[1]?.default];
    expect(parts.map((part) => Object.isFrozen(part))).toEqual(parts.map(() => true));
  });
});

describe('types of fields', () => {
  test.each(['ID', 'String', 'Int', 'Float', 'Boolean', 'Date', 'Long', 'JSON'])('%s is a scalar', (name) => {
    expect(field(`type A @table { ${KEY} f: ${name} }`, 'f').type).toEqual({ kind: 'scalar', name });
  });

  test('declaring what is built in changes nothing', () => {
    const declared = `scalar Date\nscalar Long\nscalar JSON\ndirective @table on OBJECT\ntype A @table { ${KEY} }`;
    expect(planOf(declared).tables).toHaveLength(1);
  });

  test('lists say whether their items may be null', () => {
    const sdl = `type A @table { ${KEY} a: [String!]! b: [[Int]] }`;
    const string = { kind: 'scalar', name: 'String' };
    expect(field(sdl, 'a')).toMatchObject({ required: true, type: { kind: 'list', of: string, itemsRequired: true } });
    expect(field(sdl, 'b').type).toEqual({
      kind: 'list',
      itemsRequired: false,
      of: { kind: 'list', itemsRequired: false, of: { kind: 'scalar', name: 'Int' } },
    });
  });

  test('enums carry their values in order', () => {
    const type = { kind: 'enum', name: 'State', values: ['open', 'closed', 'constructor'] };
    expect(field(`enum State { open closed constructor }\ntype A @table { ${KEY} s: State }`, 's').type).toEqual(type);
  });

  test('nested objects carry their fields, also when they are declared later', () => {
    const sdl = `type A @table { ${KEY} home: Address! }
      type Address { street: String! geo: Geo }
      type Geo { lat: Float!, lon: Float! }`;
    const { type } = field(sdl, 'home');
    expect(type).toMatchObject({
      kind: 'object',
      name: 'Address',
      fields: [
        { name: 'street', required: true },
        { name: 'geo', type: { kind: 'object', name: 'Geo', fields: [{ name: 'lat' }, { name: 'lon' }] } },
      ],
    });
  });
});

describe('defaults', () => {
  test.each([
    ['String', '"x"', 'x'],
    ['ID', '7', '7'],
    ['Int', '-3', -3],
    ['Float', '1', 1],
    ['Float', '1.5e2', 150],
    ['Boolean', 'false', false],
    ['Date', '"2025-01-15T12:30:00+02:00"', '2025-01-15T10:30:00.000Z'],
    ['Long', '5', 5],
    ['Long', '"9223372036854775807"', '9223372036854775807'],
    ['JSON', '{a: [1, "b", null, {c: true}]}', { a: [1, 'b', null, { c: true }] }],
    ['E', 'on', 'on'],
    ['[E!]', '[on, off]', ['on', 'off']],
    ['N', '{a: 1}', { a: 1, s: 'x' }],
    ['String', 'null', null],
  ])('%s takes %s', (type, written, value) => {
    const sdl = `enum E { on off }\ntype N { a: Int!, s: String! @default(value: "x"), t: Int }
      type A @table { ${KEY} f: ${type} @default(value: ${written}) }`;
    expect(field(sdl, 'f').default).toEqual(value);
  });

  test('a field without @default has none', () => {
    expect(field(`type A @table { ${KEY} f: Int }`, 'f')).not.toHaveProperty('default');
  });
});

describe('a transport is on unless something switches it off', () => {
  const settings = [true, false, undefined];
  const matrix = TRANSPORTS.flatMap((transport) =>
    settings.flatMap((sdl) => settings.map((config) => ({ transport, sdl, config }))),
  );

  test.each(matrix)('$transport: SDL $sdl, config.yaml $config', ({ transport, sdl, config }) => {
    const argument = sdl === undefined ? '' : `(${transport}: ${sdl})`;
    const table = planOf(`type A @table @export${argument} { ${KEY} }`, { [transport]: config }).tables[0];
    const isOff = sdl === false || config === false;
    const by = sdl === false ? `@export(${transport}: false)` : `${transport}: false in config.yaml`;
    expect([...(table?.transports ?? [])]).toEqual(TRANSPORTS.filter((name) => name !== transport || !isOff));
    expect(table?.switchedOff).toEqual(isOff ? [{ transport, by }] : []);
  });
});

describe('the list of public actions', () => {
  test('has everything but publishing, unless it is given', () => {
    const actions = tableOf(`type A @table @export { ${KEY} }`).public;
    expect([...actions]).toEqual(ACTIONS.filter((action) => action !== 'publish'));
  });

  test('has exactly the given actions, with or without quotes', () => {
    expect([...tableOf(`type A @table @export(public: [publish, "read"]) { ${KEY} }`).public]).toEqual([
      'read',
      'publish',
    ]);
  });

  test('is empty when the given list is empty', () => {
    expect([...tableOf(`type A @table @export(public: []) { ${KEY} }`).public]).toEqual([]);
  });
});

describe('errors', () => {
  test('are reported all at once, over several files, with line, caret and hint', () => {
    const error = startErrorOf(() =>
      makePlan(
        [
          { file: 'a.graphql', text: 'type A @table {\n\tid: ID! @primarykey\n}\n' },
          { file: 'sub/b.graphql', text: 'type B @table {\n  b: Strin\n}\n' },
        ],
        APP,
      ),
    );
    expect(error.message).toBe(
      [
        'a.graphql:2:10 unknown directive "@primarykey"',
        '  2 | \tid: ID! @primarykey',
        '      \t        ^',
        '  did you mean "@primaryKey"?',
        '',
        'sub/b.graphql:1:6 type "B" has no @primaryKey',
        '  1 | type B @table {',
        '           ^',
        '  mark one field: id: ID! @primaryKey',
        '',
        'sub/b.graphql:2:6 unknown type "Strin"',
        '  2 |   b: Strin',
        '           ^',
        '  did you mean "String"?',
      ].join('\n'),
    );
  });

  test('of syntax are reported for every file, without follow-up errors about types of the broken one', () => {
    const { diagnostics } = startErrorOf(() =>
      makePlan(
        [
          { file: 'a.graphql', text: `type A @table { ${KEY} e: E }` },
          { file: 'b.graphql', text: 'enum E { x' },
          { file: 'c.graphql', text: 'type {' },
        ],
        APP,
      ),
    );
    expect(diagnostics.map(({ at }) => at.file)).toEqual(['b.graphql', 'c.graphql']);
  });

  test('include a schema without any table', () => {
    expect(mistakesOf('type A { b: Int }')).toEqual([
      '0:0 no type has @table, so there is nothing to serve | write a table: type Message @table @export { id: ID! @primaryKey }',
    ]);
  });
});

describe('a schema of absurd size or depth is refused or read within a second', () => {
  const many = (count: number, make: (index: number) => string) =>
    Array.from({ length: count }, (_, i) => make(i)).join('\n');
  const chain = many(10_000, (i) => `type T${i} { next: T${i + 1} }`);
  const doubling = many(15, (i) => `type T${i} { a: T${i + 1}, b: T${i + 1} }`);

  test.each([
    ['100,000 fields', `type A @table { ${KEY}\n${many(100_000, (i) => `f${i}: Int`)} }`, 'words'],
    ['30,000 fields', `type A @table { ${KEY}\n${many(30_000, (i) => `f${i}: Int`)} }`, 'more than 1000 fields'],
    ['10,000 nested lists', `type A @table { ${KEY} a: ${'['.repeat(10_000)}Int${']'.repeat(10_000)} }`, '32 deep'],
    ['10,000 open brackets', `type A @table { ${KEY} a: ${'['.repeat(10_000)}`, '32 deep'],
    ['10,000 nested values', `type A @table { ${KEY} a: JSON @default(value: ${'{a: '.repeat(10_000)}1`, '32 deep'],
    ['10,000 nested types', `type A @table { ${KEY} t: T0 }\n${chain}\ntype T10000 { x: Int }`, 'more than 16 deep'],
    ['types that double', `type A @table { ${KEY} t: T0 }\n${doubling}\ntype T15 { x: Int }`, 'more than 2000 fields'],
    ['10,000 mistakes', many(10_000, (i) => `type T${i} @tabel { f: Strin }`), 'more errors'],
    ['a name of 100,000 letters', `type A @${'x'.repeat(100_000)} { a: Int }`, 'unknown directive'],
  ])('%s', (_, sdl, sentence) => {
    const time = cpuTimeOf(() => startErrorOf(() => planOf(sdl)));
    expect(time).toBeLessThan(1000);
    const error = startErrorOf(() => planOf(sdl));
    expect(error.message).toContain(sentence);
    expect(error.diagnostics.length).toBeLessThanOrEqual(101);
  });

  test('a table with 1,000 fields is read', () => {
    expect(tableOf(`type A @table { ${KEY}\n${many(999, (i) => `f${i}: Int`)} }`).fields).toHaveLength(1000);
  });
});
