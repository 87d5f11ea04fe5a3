import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makePlan } from '../../src/schema/sdl/build.ts';
import { makeDeclarations } from '../../src/typegen/declarations.ts';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import { SseClient } from '../support/sse-client.ts';
import { until } from '../support/wait.ts';
import { WsClient } from '../support/ws-client.ts';
import { compile } from '../typegen/compile.ts';
import { type Example, findExamples } from './examples.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const SCHEMA = `type Task @table @export(public: [read, create, update, delete, subscribe, publish]) {
  id: ID! @primaryKey
  title: String!
  done: Boolean! @default(value: false)
}
type Activity @table @export(public: [read]) {
  id: ID! @primaryKey
  text: String!
}
`;

const examples = findExamples();
/** Examples that are modules of the application; the others are programs. */
const modules = examples.filter(({ file }) => file.startsWith('my-app/'));
const programs = new Map(examples.filter((example) => !modules.includes(example)).map((it) => [it.name, it]));

test('each public type that users meet first has an example', () => {
  expect(examples.map(({ name }) => name).sort()).toEqual(Object.keys(EXPECTED).sort());
  expect(new Set(modules.map(({ file }) => file)).size).toBe(modules.length);
});

test('every example compiles', { timeout: 60_000 }, () => {
  const plan = makePlan([{ file: 'schema.graphql', text: SCHEMA }], {
    appId: 'my-app',
    rest: true,
    sse: true,
    ws: true,
  });
  const files = Object.fromEntries(examples.map(({ name, code }) => [`${name}.ts`, code]));
  const wrong = compile({ ...files, 'tablecast-env.ts': makeDeclarations(plan) }, { skipLibCheck: true });
  expect(wrong).toEqual([]);
});

const stops: (() => unknown)[] = [];
let server: TestServer;
let dir: string;

function configOf(app: readonly Example[]): string {
  const list = (kind: string) => app.map(({ file }) => file).filter((file) => file.startsWith(`my-app/${kind}/`));
  const names = (kind: string) => JSON.stringify(list(kind).map((file) => file.slice('my-app/'.length)));
  return `schemas: [schema.graphql]
port: 0
host: 127.0.0.1
routes: ${names('routes')}
hooks: ${names('hooks')}
connectors:
  ws:
    type: websocket
`;
}

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'tablecast-examples-'));
  stops.push(() => rmSync(dir, { recursive: true, force: true }));
  mkdirSync(join(dir, 'node_modules'));
  symlinkSync(ROOT, join(dir, 'node_modules/tablecast'), 'dir');
  writeFileSync(join(dir, 'package.json'), '{"type":"module"}');
  // For the program that starts a server of its own.
  write('my-app/schema.graphql', SCHEMA);
  write('my-app/config.yaml', configOf([]));
  const files = Object.fromEntries(modules.map(({ file, code }) => [file.slice('my-app/'.length), code]));
  server = await startServer({ schema: SCHEMA, config: configOf(modules), files });
  stops.push(() => server[Symbol.asyncDispose]());
}, 120_000);

afterAll(async () => {
  for (const stop of stops.reverse()) await stop();
});

function write(path: string, text: string): void {
  mkdirSync(dirname(join(dir, path)), { recursive: true });
  writeFileSync(join(dir, path), text);
}

/** Runs a program in a folder where the package is installed, against the server. Returns its output. */
async function run(name: string, { origin } = server): Promise<string> {
  const code = programs.get(name)?.code.replaceAll('https://example.com', origin);
  if (code === undefined) throw new Error(`${name} has no example that runs by itself`);
  const { outputText } = ts.transpileModule(code, {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
  });
  write(`${name}.mjs`, outputText);
  const { stdout } = await promisify(execFile)(process.execPath, [`${name}.mjs`], { cwd: dir, timeout: 60_000 });
  return stdout;
}

/** Checks the effect of each example. */
const EXPECTED: Readonly<Record<string, () => Promise<void>>> = {
  startServer: async () => expect(await run('startServer')).toMatch(/^1 open at http:\/\/127\.0\.0\.1:\d+$/m),
  connect: async () =>
    expect(await run('connect')).toMatch(/^\[ \{ id: 'docs', title: 'Write the docs', done: false \} \]$/m),
  Client: async () => expect(await run('Client')).toMatch(/^added \S+$/m),
  TablecastError: async () => expect(await run('TablecastError')).toBe('404: no such task\n'),
  'Table.live': async () => expect(await run('Table.live')).toMatch(/^(?:.*, )?A new task(?:, .*)?$/m),
  'Table.subscribe': async () => {
    await server.put('Task/read-me', { title: 'Read me' });
    expect(await run('Table.subscribe')).toMatch(/^Retained read-me$/m);
  },
  Auth: async () => {
    const auth = 'auth: {jwt: {secret: a-secret-that-has-at-least-32-bytes}, users: true, signup: true}';
    await using closed = await startServer({ schema: SCHEMA, config: `${BASE_CONFIG}${auth}\n` });
    await closed.ask('POST', '_/auth/signup', { json: { name: 'ada', password: 'correct horse' } });
    expect(await run('Auth', closed)).toMatch(/logged in as ada\n(?:.*\n)*logged out\n$/);
  },
  optimistic: async () => {
    await server.put('Task/milk', { title: 'Milk' });
    expect(await run('optimistic')).toMatch(/id: 'milk'[^}]*done: true/);
  },
  Rooms: async () => expect(await run('Rooms')).toBe("lobby { text: 'Hello' }\n"),
  defineRoute: async () => {
    expect((await server.ask('GET', 'api/hello?name=you')).record).toEqual({ hello: 'you' });
  },
  HttpContext: async () => {
    expect((await server.ask('GET', 'api/whoami')).record).toEqual({ method: 'GET', caller: 'anonymous' });
  },
  RouteConnection: async () => {
    using client = await WsClient.open(server.wsUrl('api/echo'));
    client.send({ n: 1 });
    expect(await client.controls.next()).toEqual({ echo: { n: 1 } });
  },
  RoomsHandle: async () => {
    expect((await server.ask('POST', 'api/announce', { json: { text: 'Hello' } })).record).toEqual({ reached: 0 });
  },
  TableHandle: async () => {
    await server.put('Task/over', { title: 'Over', done: true });
    const { record } = await server.ask('POST', 'api/cleanup');
    expect(record).toMatchObject({ removed: expect.any(Number), open: expect.any(Array) });
    expect((await server.ask('GET', 'Task/over')).status).toBe(404);
  },
  TableSubscription: async () => {
    using stream = await SseClient.open(server.url('api/open-tasks'));
    // The first writes may come before the handler has subscribed.
    const event = stream.next();
    const write = async () => server.put('Task/seen', { title: 'Seen' });
    await until(write, () => stream.events.items.length > 0);
    expect((await event).json).toEqual({ type: 'Update', id: 'seen' });
  },
  Hooks: async () => {
    await server.put('Task/logged', { title: 'Logged' });
    const read = () => server.ask('GET', 'Activity?text==create%20logged');
    expect((await until(read, ({ text }) => text !== '[]')).records).toMatchObject([{ text: 'create logged' }]);
  },
  TableHooks: async () => {
    expect((await server.put('Task/spaces', { title: '  Tidy  ' })).record).toMatchObject({ title: 'Tidy' });
    const refused = await server.ask('PUT', 'Task/empty', { json: { title: ' ' } });
    expect([refused.status, refused.record]).toMatchObject([403, { detail: 'A task needs a title.' }]);
  },
  AppError: async () => {
    await server.put('Task/twice', { title: 'Twice' });
    expect((await server.ask('POST', 'api/tasks/twice/finish')).record).toMatchObject({ done: true });
    expect((await server.ask('POST', 'api/tasks/twice/finish')).record).toMatchObject({ code: 'CONFLICT' });
  },
};

describe('the example of', () => {
  test.each(Object.keys(EXPECTED))('%s does what it says', { timeout: 90_000 }, async (name) => {
    await EXPECTED[name]?.();
  });
});
