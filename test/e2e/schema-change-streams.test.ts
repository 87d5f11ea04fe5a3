import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import { reason, runSql, TEST_URL, unreachable } from '../support/postgres/server.ts';
import { WsClient } from '../support/ws-client.ts';

const typed = (fields: string) => `type T @table @export { id: ID! @primaryKey title: String ${fields} }`;

/** What a client knows that begins at a position: how it was reset, if it was, and the records that it was told. */
async function resume(server: TestServer, query: string): Promise<{ reset: string | undefined; told: unknown[] }> {
  using client = await WsClient.open(server.wsUrl(query));
  await client.ready();
  const reset = client.controls.items.find(({ type }) => type === 'reset') as { reason?: string } | undefined;
  return { reset: reset?.reason, told: client.changes.items.map(({ data }) => data) };
}

async function change(server: TestServer, schema: string): Promise<void> {
  await server.stop();
  await writeFile(join(server.dir, 'schema.graphql'), schema);
  await server.start();
}

test('a schema change that makes other records of those stored is a reset for those who were there before', {
  timeout: 60_000,
}, async () => {
  await using server = await startServer({ schema: typed('') });
  await server.put('T/1', { title: 'one' });
  const before = Number((await server.ask('GET', 'T')).headers.get('x-position'));
  await server.put('T/2', { title: 'two' });
  const head = Number((await server.ask('GET', 'T')).headers.get('x-position'));
  const etag = (await server.ask('GET', 'T/2')).headers.get('etag') as string;
  const cached = () => server.ask('GET', 'T/2', { headers: { 'if-none-match': etag } });

  await change(server, typed('@indexed'));
  expect(await resume(server, `T?since=${before}`)).toEqual({ reset: undefined, told: [{ id: '2', title: 'two' }] });
  expect((await cached()).status).toBe(304);

  await change(server, typed('@indexed level: Int @default(value: 7)'));
  const records = (await server.ask('GET', 'T')).records;
  expect(records).toMatchObject([{ level: 7 }, { level: 7 }]);
  for (const position of [before, head]) {
    for (const query of ['', '&level==7', '&level==7&delta=true']) {
      expect(await resume(server, `T?since=${position}${query}`)).toEqual({ reset: 'position_trimmed', told: records });
    }
  }
  const read = await cached();
  expect([read.status, read.record]).toEqual([200, records[1]]);

  const after = Number(read.headers.get('x-position'));
  const written = (await server.ask('PATCH', 'T/1', { json: { level: 8 } })).record;
  await server.restart();
  expect(await resume(server, `T?since=${after}`)).toEqual({ reset: undefined, told: [written] });
});

test('another rule of who sees what is one, too, but not one of who writes', { timeout: 120_000 }, async () => {
  const ruled = (type: string, field = '') =>
    `type T @table @export(public: [read, subscribe, create, update]) ${type} { id: ID! @primaryKey title: String ${field} }`;
  await using server = await startServer({ schema: ruled('') });
  await server.put('T/1', { title: 'one' });
  const before = Number((await server.ask('GET', 'T')).headers.get('x-position'));
  await server.put('T/2', { title: 'two' });
  const told = [{ id: '2', title: 'two' }];
  expect(await resume(server, `T?since=${before}`)).toEqual({ reset: undefined, told });

  await change(server, ruled('@access(update: "editor")'));
  expect(await resume(server, `T?since=${before}`)).toMatchObject({ reset: undefined, told });

  await change(server, ruled('@access(update: "editor")', '@access(read: "editor")'));
  const records = [{ id: '1' }, { id: '2' }];
  expect(await resume(server, `T?since=${before}`)).toEqual({ reset: 'position_trimmed', told: records });

  const after = Number((await server.ask('GET', 'T')).headers.get('x-position'));
  await server.restart();
  expect(await resume(server, `T?since=${after}`)).toEqual({ reset: undefined, told: [] });
});

function renames(startStored: (schema: string) => Promise<TestServer>): void {
  test('a renamed type is resumed under its new name, or under the name that it is exported by', {
    timeout: 60_000,
  }, async () => {
    await using server = await startStored(typed(''));
    await server.put('T/1', { title: 'one' });
    const before = Number((await server.ask('GET', 'T')).headers.get('x-position'));
    const headers = { 'idempotency-key': 'k1' };
    const sent = await server.ask('POST', 'T', { json: { id: '2', title: 'two' }, headers });
    expect(sent.status).toBe(201);
    const told = [{ id: '2', title: 'two' }];

    await change(
      server,
      typed('').replace('type T @table @export', 'type Note @table @export @renamedFrom(name: "T")'),
    );
    expect(await resume(server, `Note?since=${before}`)).toEqual({ reset: undefined, told });
    expect((await server.ask('GET', 'T')).status).toBe(404);

    const exported = typed('').replace('@table @export', '@table @export(name: "Note") @renamedFrom(name: "Note")');
    await change(server, exported);
    expect(await resume(server, `Note?since=${before}`)).toEqual({ reset: undefined, told });
    await change(
      server,
      exported
        .replace('type T', 'type U')
        .replace(/(name: "Note"\) @renamedFrom\(name: )"Note"/, '$1"T"')
        .replace('name: "Note"', 'name: "T"'),
    );
    const again = await server.ask('POST', 'T', { json: { id: '2', title: 'two' }, headers });
    expect([again.status, again.record, again.headers.get('etag')]).toEqual([201, told[0], sent.headers.get('etag')]);
    expect((await server.ask('GET', 'T')).records).toHaveLength(2);
  });

  test('a renamed field is a reset: records that a client holds have the old name', { timeout: 60_000 }, async () => {
    await using server = await startStored(typed(''));
    await server.put('T/1', { title: 'one' });
    const before = Number((await server.ask('GET', 'T')).headers.get('x-position'));
    await server.put('T/2', { title: 'two' });
    await change(server, typed('').replace('title: String', 'name: String @renamedFrom(name: "title")'));
    const records = [
      { id: '1', name: 'one' },
      { id: '2', name: 'two' },
    ];
    expect(await resume(server, `T?since=${before}`)).toEqual({ reset: 'position_trimmed', told: records });
  });
}

describe('in the embedded store', () => renames((schema) => startServer({ schema })));

describe.skipIf(unreachable !== undefined)(`on PostgreSQL${reason}`, () => {
  const name = `e2e-${randomBytes(5).toString('hex')}`;
  let count = 0;
  const config = `${BASE_CONFIG}store: \${DATABASE_URL}\n`;
  renames((schema) => startServer({ name: `${name}-${count++}`, schema, config, env: { DATABASE_URL: TEST_URL } }));
  afterAll(async () => {
    for (let one = 0; one < count; one++) await runSql(`DROP SCHEMA IF EXISTS "tablecast_${name}-${one}" CASCADE`);
  });
});
