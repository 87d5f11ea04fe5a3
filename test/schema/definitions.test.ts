import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assertValidSchema, buildSchema } from 'graphql';
import { afterAll, expect, test } from 'vitest';
import { loadProject } from '../../src/boot/project.ts';
import { DEFINITIONS_MARK, makeDefinitions } from '../../src/schema/definitions.ts';
import { EVERY_KIND } from '../openapi/documents.ts';

const root = join(import.meta.dirname, '../..');
const dir = mkdtempSync(join(tmpdir(), 'tablecast-definitions-'));
afterAll(() => rmSync(dir, { recursive: true }));

const SCHEMAS = [
  ...['schema.graphql', 'apps/realtime-demo/schema.graphql', 'apps/websocket-backend/schema.graphql'].map(
    (path) => [path, readFileSync(join(root, path), 'utf8')] as const,
  ),
  ['a schema with everything', EVERY_KIND] as const,
  [
    'types with the names of arguments',
    `enum Action { A } type Rules { a: Action } type Literal @table(expiration: "7d") @export(public: [read, create])
     @access(read: ["editor", "id==$auth.sub"], create: "editor") { id: ID! @primaryKey r: Rules n: Int @default(value: 3) d: Date l: Long }`,
  ] as const,
];

test.each(SCHEMAS)('GraphQL tools accept %s with the definitions', (_name, schema) => {
  assertValidSchema(buildSchema(`${makeDefinitions()}\n${schema}`));
});

test.each(SCHEMAS)('%s loads with the definitions beside it and pasted into it', (_name, schema) => {
  const config = 'auth:\n  jwt: {secret: "a-secret-of-this-test-that-is-no-example-1"}\nport: 0\n';
  writeFileSync(join(dir, 'config.yaml'), `${config}schemas: [schema.graphql, tablecast.graphql]\n`);
  writeFileSync(join(dir, 'schema.graphql'), schema);
  writeFileSync(join(dir, 'tablecast.graphql'), makeDefinitions());
  const tables = () => loadProject(dir, {}).apps[0]?.plan.tables.map(({ name }) => name);
  const beside = tables();
  writeFileSync(join(dir, 'config.yaml'), config);
  writeFileSync(join(dir, 'schema.graphql'), `${makeDefinitions()}${schema}`);
  expect(tables()).toEqual(beside);
  expect(beside?.length).toBeGreaterThan(0);
});

test('other scalars and another type Query are still refused', () => {
  writeFileSync(join(dir, 'config.yaml'), 'port: 0\n');
  const table = 'type T @table @export { id: ID! @primaryKey }\n';
  for (const own of [
    'scalar Money',
    'scalar _Money',
    'type Query { _: Boolean more: Int }',
    'directive @own on OBJECT',
  ]) {
    writeFileSync(join(dir, 'schema.graphql'), `${table}${own}`);
    expect(() => loadProject(dir, {}), own).toThrow();
  }
  expect(makeDefinitions().startsWith(DEFINITIONS_MARK)).toBe(true);
});
