import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Parser } from '@asyncapi/parser';
import { buildSchema } from 'graphql';
import openapiTS, { astToString } from 'openapi-typescript';
import { describe, expect, test } from 'vitest';
import { BASE_CONFIG, makeApp, startServer, type TestServer } from '../support/app.ts';
import { SECRET } from '../support/tokens.ts';
import { run } from './tools.ts';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const ROOT = join(HERE, '../..');
const BIN = join(HERE, 'node_modules/.bin');

const SCHEMA = `
"What is sold."
type Product @table @export(public: [read, create, update, delete, subscribe]) {
  id: ID! @primaryKey
  title: String!
  price: Float
  stock: Long
  kind: Kind @default(value: TOY)
  extra: JSON
  tags: [String]
  size: Size
  made: Date @createdTime
  makerId: ID @indexed
  maker: Maker @relationship(from: "makerId")
}
enum Kind { TOY BOOK }
type Size { width: Int height: Int }
type Maker @table @export(public: [read, create]) { id: ID! @primaryKey name: String! }
`;
const AUTH = `auth: { users: true, signup: true, jwt: { secret: ${SECRET} } }\n`;

const APPS = [
  ['without auth', BASE_CONFIG],
  ['with auth', BASE_CONFIG + AUTH],
] as const;

/** A folder from which the packages of these tests are found. */
function workFolder(): string {
  const cache = join(HERE, 'node_modules/.work');
  mkdirSync(cache, { recursive: true });
  return mkdtempSync(join(cache, 'app-'));
}

/** Writes the document of a server into a folder that is removed. */
async function withDocument(server: TestServer, name: string, use: (folder: string, path: string) => Promise<void>) {
  const folder = workFolder();
  try {
    const path = join(folder, name);
    writeFileSync(path, (await server.ask('GET', name)).text);
    await use(folder, path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe.each(APPS)('the documents of an application %s', (_name, config) => {
  test('redocly finds no errors in openapi.json', async () => {
    await using server = await startServer({ schema: SCHEMA, config });
    await withDocument(server, 'openapi.json', async (folder, path) => {
      const args = ['lint', path, '--format=json', '--max-problems=1000'];
      const { output } = await run(join(BIN, 'redocly'), args, { cwd: folder });
      const { totals, problems } = JSON.parse(output.slice(output.indexOf('{'), output.lastIndexOf('}') + 1)) as {
        totals: { errors: number };
        problems: { severity: string; ruleId: string; message: string }[];
      };
      const errors = problems.filter(({ severity }) => severity === 'error');
      expect(errors.map(({ ruleId, message }) => `${ruleId}: ${message}`)).toEqual([]);
      expect(totals.errors).toBe(0);
    });
  });

  test('spectral finds no errors in openapi.json', async () => {
    await using server = await startServer({ schema: SCHEMA, config });
    await withDocument(server, 'openapi.json', async (folder, path) => {
      const rules = join(folder, 'rules.json');
      writeFileSync(rules, JSON.stringify({ extends: ['spectral:oas'] }));
      const args = ['lint', path, '--ruleset', rules, '--fail-severity=error', '--display-only-failures'];
      const { code, output } = await run(join(BIN, 'spectral'), args, { cwd: folder });
      expect([code, output.trim()]).toEqual([0, expect.stringMatching(/^No results/)]);
    });
  });

  test('@asyncapi/parser takes asyncapi.json', async () => {
    await using server = await startServer({ schema: SCHEMA, config });
    const { text } = await server.ask('GET', 'asyncapi.json');
    const { document, diagnostics } = await new Parser().parse(text);
    expect(diagnostics.filter(({ severity }) => severity === 0).map(({ message }) => message)).toEqual([]);
    expect(document?.channels().length).toBeGreaterThan(0);
  });
});

// Typed as strictly as it can be: it does not compile unless answers and bodies have the types of the schema.
const SCRIPT = `
import createClient from 'openapi-fetch';
import type { paths } from './api.d.ts';

const client = createClient<paths>({ baseUrl: process.argv[2] ?? '' });
const made = await client.POST('/Product', {
  body: { id: 'p1', title: 'Ball', price: 12.5, stock: 9007199254740993n.toString(), extra: { x: [1, 'two'] }, kind: 'TOY' },
});
if (made.error !== undefined || made.data === undefined) throw new Error(made.error?.detail);
const first = Array.isArray(made.data) ? made.data[0] : made.data;
const title: string | undefined = first?.title;
await client.PUT('/Product/{id}', { params: { path: { id: 'p2' } }, body: { title: 'Book', price: 3 } });
const { data: list } = await client.GET('/Product', { params: { query: { filter: 'price=gt=10', sort: '-price' } } });
// With select= a field may be missing.
const titles: string[] = (list ?? []).map((product) => product.title ?? '');
const { data: one } = await client.GET('/Product/{id}', { params: { path: { id: 'p2' } } });
const price: number | null | undefined = one?.price;
const missing = await client.GET('/Product/{id}', { params: { path: { id: 'none' } } });
console.log(JSON.stringify({ title, titles, price, code: missing.error?.code }));
`;

test('openapi-typescript and openapi-fetch: a strictly typed script writes and filters', async () => {
  await using server = await startServer({ schema: SCHEMA });
  const folder = workFolder();
  try {
    const { text } = await server.ask('GET', 'openapi.json');
    writeFileSync(join(folder, 'api.d.ts'), astToString(await openapiTS(text, { defaultNonNullable: false })));
    writeFileSync(join(folder, 'script.mts'), SCRIPT.replaceAll('./api.d.ts', './api.js'));
    const types = [
      '--strict',
      '--target',
      'es2022',
      '--module',
      'nodenext',
      '--types',
      'node',
      '--skipLibCheck',
      'false',
    ];
    const roots = ['--typeRoots', join(ROOT, 'node_modules/@types')];
    const compiled = await run(join(ROOT, 'node_modules/.bin/tsc'), [...types, ...roots, 'script.mts'], {
      cwd: folder,
    });
    expect(compiled).toEqual({ code: 0, output: '' });
    const { output } = await run(process.execPath, [join(folder, 'script.mjs'), server.url('').replace(/\/$/, '')]);
    expect(JSON.parse(output)).toEqual({ title: 'Ball', titles: ['Ball'], price: 3, code: 'NOT_FOUND' });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

const APPLICATIONS = ['apps/realtime-demo', 'apps/websocket-backend', 'apps/websocket-client', 'apps/kanban'].map(
  (path) => join(ROOT, path),
);

test('graphql-js builds each schema with the definitions that are shipped', async () => {
  const { dir, root } = await makeApp({ schema: SCHEMA });
  try {
    execFileSync(process.execPath, [join(ROOT, 'dist/cli.js'), 'types', dir]);
    const definitions = readFileSync(join(dir, 'tablecast.graphql'), 'utf8');
    const schemas = APPLICATIONS.map((path) => join(path, 'schema.graphql')).filter((path) => existsSync(path));
    expect(schemas.length).toBeGreaterThan(0);
    for (const schema of [SCHEMA, ...schemas.map((path) => readFileSync(path, 'utf8'))]) {
      expect(buildSchema(`${definitions}\n${schema}`).getDirective('table')).toBeDefined();
    }
  } finally {
    if (root !== undefined) rmSync(root, { recursive: true, force: true });
  }
});
