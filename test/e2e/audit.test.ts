import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { BASE_CONFIG, makeApp, startServer, startToExit, type TestServer } from '../support/app.ts';
import { runCommand } from '../support/cli.ts';
import type { Json } from '../support/frames.ts';
import { GatewayClient, REALTIME } from '../support/gateway-client.ts';
import { type Answer, ask } from '../support/http.ts';
import { SECRET, tokenOf } from '../support/tokens.ts';
import { until } from '../support/wait.ts';
import { WsClient } from '../support/ws-client.ts';

const SCHEMA = `
type Note @table @audit @export
  @access(read: "authenticated", create: "authenticated", update: "authenticated", delete: "authenticated", publish: "authenticated") {
  id: ID! @primaryKey
  text: String
  pin: String @hidden
}
type Copy @table @audit @export { id: ID! @primaryKey of: String }
type Session @table @audit @export(public: [create]) { id: Int! @primaryKey until: Date @expiresAt }
type Free @table @export @access(create: "authenticated") { id: ID! @primaryKey }`;

const HOOKS = `
export async function onRealtimeMessage({ message, tables, userId }) {
  if (message.action === 'ping') await tables.Copy.create({ id: 'ping', of: userId });
}
export const tables = {
  Note: {
    beforeCreate({ record }) { if (record.text === 'x') record.text = 'by hook'; },
    async afterChange({ op, id, tables }) { if (id === 'copied') await tables.Copy.put('of-' + op, { of: id }); },
  },
};`;

const ROUTES = `import { defineRoute } from 'tablecast';
export const routes = {
  server: defineRoute({ handler: ({ system }) => system.tables.Note.create({ id: 'by-server', text: 'code' }) }),
  caller: defineRoute({ access: ['editor'], handler: ({ tables }) => tables.Note.create({ id: 'by-caller' }) }),
};`;

const CONFIG = `${BASE_CONFIG}hooks: hooks.ts\nroutes: routes.ts\nauth: { jwt: { secret: ${SECRET} } }\n`;
const FILES = { 'hooks.ts': HOOKS, 'routes.ts': ROUTES };

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ schema: SCHEMA, config: CONFIG, files: FILES });
});
afterAll(() => server[Symbol.asyncDispose]());

const TOKENS: Readonly<Record<string, string>> = {
  ada: tokenOf('ada', { roles: ['editor'] }),
  ben: tokenOf('ben'),
  root: tokenOf('root', { roles: ['admin'] }),
};
const bearer = (name: string) => ({ headers: { authorization: `Bearer ${TOKENS[name] ?? name}` } });
const realtime = () => `${server.origin.replace('http', 'ws')}${REALTIME}/ws`;

function write(name: string, method: string, path: string, json?: unknown): Promise<Answer> {
  return server.ask(method, path, { ...bearer(name), ...(json === undefined ? {} : { json }) });
}

interface Entry extends Json {
  readonly seq: number;
  readonly by: Json;
}

async function entries(query = ''): Promise<readonly Entry[]> {
  const answer = await server.ask('GET', `audit?limit=1000&${query}`, bearer('root'));
  if (answer.status !== 200) throw new Error(answer.text);
  return answer.records as readonly Entry[];
}

/** What was done since then, oldest first: who, what, which. */
async function done(since: number, query = ''): Promise<unknown[]> {
  const found = await entries(`since=${since}&${query}`);
  return found.toReversed().map(({ by, op, table, id }) => [by.sub ?? by.type, op, table, id]);
}

async function head(): Promise<number> {
  return Number((await server.ask('GET', 'Note', bearer('root'))).headers.get('x-position'));
}

describe('the audit log', () => {
  test('names the author of each write, through every transport', async () => {
    const since = await head();
    await write('ada', 'POST', 'Note', { id: 'rest', text: 'x', pin: 's3cret' });
    await write('ben', 'PATCH', 'Note/rest', { text: 'two', pin: 'other' });
    using socket = await WsClient.subscribe(server.wsUrl('Note'), bearer('ada'));
    socket.send({ message_type: 'Update', id: 'ws', data: { text: 'one' }, ref: 1 });
    socket.send({ message_type: 'Delete', id: 'ws', ref: 2 });
    socket.send({ message_type: 'Publish', id: null, data: { pin: 1 }, ref: 3 });
    await socket.control('ack', 3);
    const { id: key, text: secret } = await makeKey();
    await write(secret, 'PUT', 'Note/key', { text: 'by key' });
    expect(await done(since)).toEqual([
      ['ada', 'create', 'Note', 'rest'],
      ['ben', 'update', 'Note', 'rest'],
      ['ada', 'create', 'Note', 'ws'],
      ['ada', 'delete', 'Note', 'ws'],
      [`key:${key}`, 'create', 'Note', 'key'],
    ]);
    const [last, , , update, create] = await entries(`since=${since}`);
    expect(last?.by).toEqual({ type: 'principal', sub: `key:${key}`, roles: ['writer'], key });
    expect(create).toEqual({
      seq: expect.any(Number),
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      by: { type: 'principal', sub: 'ada', roles: ['editor'] },
      op: 'create',
      table: 'Note',
      id: 'rest',
      changes: {
        id: { before: null, after: 'rest' },
        text: { before: null, after: 'by hook' },
        pin: { hidden: true },
      },
    });
    expect(update?.changes).toEqual({ text: { before: 'by hook', after: 'two' }, pin: { hidden: true } });
    expect(JSON.stringify(await entries())).not.toContain('s3cret');
  });

  test('has the code of the application and hooks of the multiplexed protocol, and the time that has passed', async () => {
    const since = await head();
    expect((await write('ada', 'GET', 'api/server')).status).toBe(200);
    expect((await write('ada', 'GET', 'api/caller')).status).toBe(200);
    await write('ben', 'PUT', 'Note/copied', {});
    using many = await GatewayClient.open(`${realtime()}?token=${TOKENS.ben}`);
    many.send({ action: 'ping' });
    await server.ask('POST', 'Session', { json: { id: 5, until: new Date().toISOString() } });
    const told = await until(
      () => done(since),
      (found) => found.length >= 7,
    );
    expect(told.toSorted()).toEqual(
      [
        ['server', 'create', 'Note', 'by-server'],
        ['ada', 'create', 'Note', 'by-caller'],
        ['ben', 'create', 'Note', 'copied'],
        ['hook', 'create', 'Copy', 'of-create'],
        ['hook', 'create', 'Copy', 'ping'],
        ['anonymous', 'create', 'Session', 5],
        ['expiration', 'delete', 'Session', 5],
      ].toSorted(),
    );
  });

  test('has each record of many, nothing of what was refused, repeated or changed nothing', async () => {
    const since = await head();
    const many = [{ id: 'm1' }, { id: 'm2' }];
    const once = { json: many, headers: { ...bearer('ada').headers, 'idempotency-key': 'once' } };
    expect((await server.ask('POST', 'Note', once)).status).toBe(201);
    expect((await server.ask('POST', 'Note', once)).headers.get('idempotency-replayed')).toBe('true');
    expect((await write('ben', 'POST', 'Note', [{ id: 'm3' }, { id: 'm2' }])).status).toBe(409);
    expect((await server.ask('PUT', 'Note/m4', { json: {} })).status).toBe(401);
    expect((await write('ben', 'PATCH', 'Note/m1', { text: null })).status).toBe(200);
    expect((await write('ada', 'POST', 'Free', { id: 'free' })).status).toBe(201);
    expect((await write('ada', 'PATCH', 'Note?id=sw=m', { text: 'all' })).record).toEqual({ matched: 2, changed: 2 });
    expect((await write('ben', 'DELETE', 'Note?id=sw=m')).record).toEqual({ matched: 2, changed: 2 });
    expect(await done(since)).toEqual([
      ['ada', 'create', 'Note', 'm1'],
      ['ada', 'create', 'Note', 'm2'],
      ['ada', 'update', 'Note', 'm1'],
      ['ada', 'update', 'Note', 'm2'],
      ['ben', 'delete', 'Note', 'm1'],
      ['ben', 'delete', 'Note', 'm2'],
    ]);
    expect(await done(since, 'by=ben')).toHaveLength(2);
    expect(await done(since, 'table=Note&id=m1&op=update')).toEqual([['ada', 'update', 'Note', 'm1']]);
    expect(await done(since, 'by_type=hook')).toEqual([]);
  });
});

describe('the audit log is for admins', () => {
  test('and for no other caller, over plain HTTP alone', async () => {
    for (const path of [server.url('audit'), `${server.origin}/audit`]) {
      const nobody = await ask('GET', path);
      expect([nobody.status, nobody.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
      expect(nobody.record.code).toBe('UNAUTHORIZED');
      const ada = await ask('GET', path, bearer('ada'));
      expect([ada.status, ada.record.code]).toEqual([403, 'FORBIDDEN']);
      expect(ada.headers.get('content-type')).toContain('application/problem+json');
      expect((await ask('GET', path, bearer('nonsense'))).status).toBe(401);
      expect((await ask('GET', `${path}?nonsense=1`, bearer('ada'))).status).toBe(403);
      const root = await ask('GET', `${path}?limit=1`, bearer('root'));
      expect([root.status, root.headers.get('cache-control'), root.records.length]).toEqual([200, 'no-store', 1]);
      const streams = await ask('GET', `${path}?stream=sse`, bearer('root'));
      expect(streams.status).toBe(404);
    }
    await expect(WsClient.open(server.wsUrl('audit'), bearer('root'))).rejects.toThrow(/404/);
  });

  test('and cannot be written to', async () => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      const answer = await write('root', method, 'audit', { id: 'x' });
      expect([method, answer.status, answer.headers.get('allow')]).toEqual([method, 405, 'GET, HEAD, OPTIONS']);
      expect((await write('root', method, 'audit/1', { id: 'x' })).status).toBe(404);
    }
    expect((await write('root', 'HEAD', 'audit')).status).toBe(200);
  });

  test('who make a mistake are told which', async () => {
    const wrong = await server.ask('GET', 'audit?tabel=Note', bearer('root'));
    expect([wrong.status, wrong.record.code]).toEqual([400, 'INVALID_QUERY']);
    expect(wrong.record.errors).toEqual([
      { field: 'tabel', message: 'is not a parameter of the audit log; did you mean "table"?' },
    ]);
  });
});

test('the pages of the audit log lead from the newest entry to the oldest', async () => {
  for (let n = 0; n < 5; n++) await write('ada', 'PUT', 'Note/paged', { text: `<${n}>` });
  const all = await entries('id=paged');
  expect(all).toHaveLength(5);
  const found: Json[] = [];
  let path: string | undefined = '/my-app/audit?limit=2&id=paged&before=9007199254740991';
  const sizes: number[] = [];
  while (path !== undefined) {
    const answer: Answer = await ask('GET', server.origin + path, bearer('root'));
    found.push(...answer.records);
    sizes.push(answer.records.length);
    const next = /^<(\?[^>]*)>; rel="next"$/.exec(answer.headers.get('link') ?? '')?.[1];
    path = next && `/my-app/audit${next}`;
  }
  expect(found).toEqual(all);
  expect(sizes).toEqual([2, 2, 1]);
});

test('the next page of the audit log says before= once, however the one before has written it', async () => {
  for (let n = 0; n < 2; n++) await write('ada', 'PUT', 'Note/escaped', { text: `<${n}>` });
  const answer = await server.ask('GET', 'audit?id=escaped&%62efore=9007199254740991&&limit=1', bearer('root'));
  const [, path = ''] = /^<([^>]*)>; rel="next"$/.exec(answer.headers.get('link') ?? '') ?? [];
  expect(path).toMatch(/^\?id=escaped&limit=1&before=\d+$/);
  const next = await server.ask('GET', `audit${path}`, bearer('root'));
  expect([next.status, next.records.length]).toEqual([200, 1]);
});

test('the audit log outlasts a restart, @audit and the table', async () => {
  const dir = { schema: 'type T @table @audit @export { id: ID! @primaryKey }' };
  await using open = await startServer(dir);
  await open.put('T/a', {});
  const before = (await open.ask('GET', 'audit')).records;
  expect(before).toMatchObject([{ by: { type: 'anonymous' }, op: 'create', table: 'T', id: 'a' }]);
  await open.restart();
  expect((await open.ask('GET', 'audit')).records).toEqual(before);
  await writeFile(`${open.dir}/schema.graphql`, 'type Other @table @audit @export { id: ID! @primaryKey }');
  await open.restart();
  expect((await open.ask('GET', 'audit?table=data/T')).records).toEqual([{ ...before[0], table: 'data/T' }]);
  await writeFile(`${open.dir}/schema.graphql`, 'type audit @table @export { id: ID! @primaryKey }');
  await open.restart();
  // Without any @audit the address is a table's, if one is called so.
  expect((await open.ask('GET', 'audit')).records).toEqual([]);
  expect((await open.ask('POST', 'audit', { json: { id: 'free' } })).status).toBe(201);
});

test('two applications have an audit log each, and none without a name', async () => {
  const schema = 'type T @table @audit @export { id: ID! @primaryKey }';
  const files = {
    'config.yaml': 'port: 0\n',
    'one/schema.graphql': schema,
    'one/config.yaml': 'app_id: my-app\n',
    'two/schema.graphql': schema,
    'two/config.yaml': 'app_id: audit\n',
  };
  const { dir, root = dir } = await makeApp({ files });
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  await rm(join(dir, 'schema.graphql'));
  await using both = await startServer({ dir });
  await both.put('T/a', {});
  expect((await both.ask('GET', 'audit')).records).toHaveLength(1);
  expect((await ask('GET', `${both.origin}/audit/audit`)).records).toEqual([]);
  expect((await ask('GET', `${both.origin}/audit`)).status).toBe(404);
});

test('behind a proxy no caller reads the audit log of an application without auth', async () => {
  const schema = 'type T @table @audit @export { id: ID! @primaryKey }';
  await using open = await startServer({ schema, config: `${BASE_CONFIG}trust_proxy: true\n` });
  const answer = await open.ask('GET', 'audit');
  expect([answer.status, answer.record.code]).toEqual([403, 'FORBIDDEN']);
});

test('the plan says what is audited, and who may read it', async () => {
  const { code, stdout } = await runCommand(['check', server.dir]);
  expect(code).toBe(0);
  expect(stdout).toMatch(
    /^ {2}audit {4}http\S+\/my-app\/_\/audit for the role admin; kept 90d, 1000000 entries at most$/m,
  );
  expect(stdout.match(/^ {2}audited {2}every change is in the audit log$/gm)).toHaveLength(3);
});

test('no route can be where the audit log is', async () => {
  const { code, stderr } = await startToExit({
    schema: 'type T @table @audit { id: ID! @primaryKey }',
    config: `${BASE_CONFIG}routes: routes.ts\nroutes_prefix: /audit\n`,
    files: {
      'routes.ts':
        "import { defineRoute } from 'tablecast';\nexport const routes = { a: defineRoute({ handler: () => 1 }) };",
    },
  });
  expect(code).not.toBe(0);
  expect(stderr).toContain('routes_prefix "/audit" is used by the server itself');
});

/** An API key of the running server. */
async function makeKey(): Promise<{ id: string; text: string }> {
  const { code, stdout, stderr } = await runCommand(['key', 'create', 'ci', '--role', 'writer', server.dir]);
  if (code !== 0) throw new Error(stderr);
  const text = /tck_\w+/.exec(stdout)?.[0] ?? '';
  return { id: text.split('_')[1] ?? '', text };
}
