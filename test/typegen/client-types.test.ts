import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { makeClientTypes } from '../../src/typegen/client-types.ts';
import { planOf } from '../schema/mistakes.ts';
import { compile } from './compile.ts';

const read = (name: string) => readFileSync(new URL(name, import.meta.url), 'utf8');
const typesOf = (sdl: string) => makeClientTypes(planOf(sdl));

test('types for the client accept valid code and no other', { timeout: 60_000 }, () => {
  const page = read('client-page.ts.txt');
  expect(page.match(/@ts-expect-error/g)).toHaveLength(46);
  const files = { 'tablecast-client.d.ts': typesOf(read('shop.graphql')), 'page.ts': page };
  expect(compile(files)).toEqual([]);
  // Without the types nothing is known of the tables, and the wrong lines are no errors.
  expect(compile({ 'page.ts': page }).length).toBeGreaterThan(20);
});

test('types for the client name the connectors with rooms', { timeout: 60_000 }, () => {
  const sdl = 'type Note @table @export { id: ID! @primaryKey }';
  const page = `import { connect } from 'tablecast/client';
import type { App } from './tablecast-client.d.ts';
const client = connect<App>('https://example.com');
client.rooms('ws').join('a');
client.rooms('chat-2', { onMessage: (data, room) => console.log(data, room?.length) });
client.rooms('/path');
client.rooms(new URL('wss://example.com:9001/ws'));
client.rooms('ws').send({ text: 'a' }).then(({ delivered, data }) => [delivered?.toFixed(), data]);
// @ts-expect-error: there is no such connector
client.rooms('other');`;
  const types = makeClientTypes(planOf(sdl), ['ws', 'chat-2']);
  expect(types).toContain("readonly $rooms: 'ws' | 'chat-2';");
  expect(compile({ 'tablecast-client.d.ts': types, 'page.ts': page })).toEqual([]);
});

test('types for the client need nothing of the server, and are the same each time', () => {
  const text = typesOf(read('shop.graphql'));
  expect(text).not.toMatch(/'tablecast'/);
  expect(text).toContain("import('tablecast/client').JsonValue");
  expect(text).toContain('readonly "shop-items": ItemTable;');
  expect(text).toContain('* What is said about everything. *\\/ and what follows');
  expect(typesOf(read('shop.graphql'))).toBe(text);
});

test('types for the client have unique names for any names of types in the schema', { timeout: 60_000 }, () => {
  const words = ['App', 'AppTables', 'A', 'ATable', 'NewA', 'Record', 'string', 'JsonValue', 'tables', '_x'.slice(1)];
  const tables = words.map((word) => `type ${word} @table @export { id: ID! @primaryKey text: String j: JSON }`);
  const uses = words.map((word) => `client.tables.${word}.create({ text: 'x' }).then(({ text }) => text?.trim());`);
  const [app = ''] = /App_+(?= \{)/.exec(typesOf(tables.join('\n'))) ?? [];
  const page = `import { connect } from 'tablecast/client';
import type { ${app} } from './tablecast-client.d.ts';
const client = connect<${app}>('https://example.com');
${uses.join('\n')}
// @ts-expect-error: there is no such field
client.tables.string.create({ b: 1 });`;
  expect(compile({ 'tablecast-client.d.ts': typesOf(tables.join('\n')), 'page.ts': page })).toEqual([]);
});
