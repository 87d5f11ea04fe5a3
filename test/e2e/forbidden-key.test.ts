import { join } from 'node:path';
import { decode as decodePack, encode as encodePack } from '@msgpack/msgpack';
import Database from 'better-sqlite3';
import { decode as decodeCbor, encode as encodeCbor } from 'cborg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import { BinaryWs } from '../support/binary-ws.ts';
import { GatewayClient, REALTIME } from '../support/gateway-client.ts';
import { SseClient } from '../support/sse-client.ts';
import { SECRET, tokenOf } from '../support/tokens.ts';
import { WsClient } from '../support/ws-client.ts';

const SCHEMA = `
type Inner { n: Int  any: JSON }
type Thing @table @export(public: [read, create, update, subscribe, publish]) { id: ID! @primaryKey  j: JSON  many: [JSON]  inner: Inner  inners: [Inner]  s: String }
type Order @table @export { id: ID! @primaryKey }
type Hooked @table @export { id: ID! @primaryKey  j: JSON }
type Part @table @export { id: ID! @primaryKey  thingId: ID  thing: Thing @relationship(from: "thingId") }
`;
const HOOKS = `
const value = JSON.parse('{"deep":[{"__proto__":{"x":1}}]}');
export const tables = {
  Hooked: { beforeCreate: ({ record }) => ({ ...record, j: value }) },
  Order: { beforeCreate: async ({ record, tables }) => { await tables.Thing.create({ id: 'by-hook', j: value }); return record; } },
};`;
const FLOWS = `flows:
  in:
    from: {connector: http, operation: "POST /in"}
    transform: {id: input.id, j: input.j}
    to: {connector: table, operation: create, target: Thing}
`;
const CBOR = 'application/cbor';
const PACK = 'application/vnd.msgpack';
const NDJSON = 'application/x-ndjson';
const KEYS = '{"constructor":{"x":1},"prototype":[1],"toString":2,"hasOwnProperty":null,"valueOf":{"then":3}}';

/** A record as each content type says it. */
const BODIES = [
  ['application/json', (record: unknown) => JSON.stringify(record)],
  [NDJSON, (record: unknown) => `${JSON.stringify(record)}\n`],
  [CBOR, (record: unknown) => encodeCbor(record)],
  [PACK, (record: unknown) => encodePack(record)],
] as const;

const fields = (json: string): Record<string, unknown>[] => [
  { j: JSON.parse(json) },
  { j: { a: [[JSON.parse(json)]] } },
  { many: [1, JSON.parse(json)] },
  { inner: { n: 1, any: JSON.parse(json) } },
  { inners: [null, { any: [JSON.parse(json)] }] },
];

describe('the key __proto__ at any depth', () => {
  let server: TestServer;
  beforeAll(async () => {
    const config = `${BASE_CONFIG}hooks: hooks.mjs\n${FLOWS}`;
    server = await startServer({ schema: SCHEMA, config, files: { 'hooks.mjs': HOOKS } });
  }, 30_000);
  afterAll(() => server[Symbol.asyncDispose]());

  const send = (type: string, body: string | Uint8Array, path = 'Thing', method = 'POST') =>
    server.ask(method, path, { body: Buffer.from(body as string), headers: { 'content-type': type } });

  test.each(BODIES)('is refused as %s, and constructor and the others are kept', async (type, write) => {
    for (const field of fields('{"a":1,"__proto__":{"x":1}}')) {
      const { status, record } = await send(type, write({ id: 'a', ...field }));
      expect([status, record.code, record.detail]).toEqual([
        400,
        'VALIDATION_ERROR',
        expect.stringContaining('must not have the key "__proto__"'),
      ]);
    }
    for (const [index, field] of fields(KEYS).entries()) {
      const id = `${type.replace(/\W/g, '')}${index}`;
      expect((await send(type, write({ id, ...field }))).status).toBe(201);
      expect((await server.ask('GET', `Thing/${id}`)).record).toMatchObject(field);
      for (const [accept, decode] of [
        [CBOR, decodeCbor],
        [PACK, decodePack],
      ] as const) {
        const response = await fetch(server.url(`Thing/${id}`), { headers: { accept } });
        expect(decode(new Uint8Array(await response.arrayBuffer()))).toMatchObject(field);
      }
    }
  });

  test('is refused in a cell of CSV, with its place', async () => {
    const { status, record } = await send('text/csv', 'id,j\na,{}\nb,"{""x"":{""__proto__"":1}}"\n');
    expect([status, record.errors]).toEqual([400, [expect.objectContaining({ field: 'row 3, column j' })]]);
    expect((await send('text/csv', `id,j\ncsv,"${KEYS.replaceAll('"', '""')}"\n`)).status).toBe(201);
    expect((await server.ask('GET', 'Thing/csv')).record.j).toEqual(JSON.parse(KEYS));
  });

  test('is refused by PUT, PATCH, PATCH by filter, publishing, flows, hooks and handles', async () => {
    await server.put('Thing/b', { j: 1 });
    const json = '{"j":{"__proto__":1}}';
    const answers = [
      await send('application/json', json, 'Thing/b', 'PUT'),
      await send('application/json', json, 'Thing/b', 'PATCH'),
      await send('application/json', json, 'Thing?id==b', 'PATCH'),
      await send('application/json', json, 'Thing/b?publish=true'),
      await send('application/json', json, 'Thing?publish=true'),
      await send('application/json', '{"id":"flow","j":{"__proto__":1}}', 'in'),
      await send('application/json', '{"id":"h"}', 'Hooked'),
      await send('application/json', '{"id":"o"}', 'Order'),
    ];
    for (const { status, text } of answers) expect([status, text]).toEqual([400, expect.stringContaining('__proto__')]);
    expect((await server.ask('GET', 'Thing/b')).record.j).toBe(1);
    expect((await server.ask('GET', 'Thing?id=in=flow,by-hook')).records).toEqual([]);
  });

  test('is refused on a WebSocket in every subprotocol', async () => {
    using ws = await WsClient.subscribe(server.wsUrl('Thing'));
    ws.send('{"id":"w","j":{"__proto__":1}}');
    expect(await ws.controls.next(({ type }) => type === 'error')).toMatchObject({ code: 'VALIDATION_ERROR' });
    for (const protocol of ['tablecast.cbor', 'tablecast.msgpack'] as const) {
      using client = await BinaryWs.open(server.wsUrl('Thing'), protocol);
      client.send({ id: 'w', j: JSON.parse('{"__proto__":1}') });
      expect(await client.next({ type: 'error' })).toMatchObject({ code: 'VALIDATION_ERROR' });
    }
    expect((await server.ask('GET', 'Thing/w')).status).toBe(404);
  });
});

/** Stands for `__proto__` until the database is changed, and is as long. */
const STAND_IN = '__stand__';

/** Puts the key into everything that is stored, as an earlier version would have stored it. */
function makeOld(dir: string): number {
  const db = new Database(join(dir, 'data', 'data.db'));
  let changed = 0;
  try {
    const tables = db
      .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
      .pluck();
    for (const table of tables.all() as string[]) {
      const columns = db.prepare(`SELECT name FROM pragma_table_info(?) WHERE type = 'TEXT' AND pk = 0`).pluck();
      for (const column of columns.all(table) as string[]) {
        const update = `UPDATE "${table}" SET "${column}" = replace("${column}", ?, ?) WHERE instr("${column}", ?)`;
        changed += db.prepare(update).run(STAND_IN, '__proto__', STAND_IN).changes;
      }
    }
  } finally {
    db.close();
  }
  return changed;
}

describe('the key __proto__ that an earlier version has stored', { timeout: 60_000 }, () => {
  const OLD = { keep: 1, [STAND_IN]: { x: 1 }, list: [{ [STAND_IN]: 1, constructor: 2 }], text: '__proto__' };
  const SHOWN = { keep: 1, list: [{ constructor: 2 }], text: '__proto__' };
  const RECORD = { j: OLD, many: [OLD], inner: { n: 1, any: OLD }, inners: [{ n: 2, any: [OLD] }], s: '"__proto__"' };
  const CLEAN = {
    j: SHOWN,
    many: [SHOWN],
    inner: { n: 1, any: SHOWN },
    inners: [{ n: 2, any: [SHOWN] }],
    s: '"__proto__"',
  };
  const AUDITED = SCHEMA.replace('type Thing @table', 'type Thing @table @audit');
  const authorization = `Bearer ${tokenOf('ada', { roles: ['admin'] })}`;
  const headers = { authorization };
  let server: TestServer;
  let since = '';

  const once = () =>
    server.ask('POST', 'Thing', {
      body: JSON.stringify({ id: 'once', ...RECORD }),
      headers: { ...headers, 'content-type': 'application/json', 'idempotency-key': 'k' },
    });

  beforeAll(async () => {
    const config = `${BASE_CONFIG}auth: {jwt: {secret: "${SECRET}"}}\n`;
    server = await startServer({ schema: AUDITED, config });
    since = String((await server.ask('GET', 'Thing', { headers })).headers.get('x-position'));
    expect((await once()).status).toBe(201);
    await server.ask('PUT', 'Thing/a', { json: { ...RECORD, s: 'first' }, headers });
    await server.ask('PUT', 'Thing/a', { json: RECORD, headers });
    await server.ask('PATCH', 'Thing/a', { json: { many: [OLD, 1] }, headers });
    await server.ask('PATCH', 'Thing/a', { json: { many: [OLD] }, headers });
    await server.ask('PUT', 'Part/p', { json: { thingId: 'a' }, headers });
    expect((await server.ask('POST', 'Thing/a?publish=true', { json: OLD, headers })).status).toBe(202);
    await server.stop();
    expect(makeOld(server.dir)).toBeGreaterThan(10);
    await server.start();
  }, 40_000);
  afterAll(() => server[Symbol.asyncDispose]());

  test('is left out of records and lists in every content type', async () => {
    for (const path of ['Thing/a', 'Thing?id=a', 'Thing?id=a&select=j,many,inner,inners,s', 'Thing?id=a&sort=s']) {
      const { text } = await server.ask('GET', path, { headers });
      expect(text).not.toContain('"__proto__":');
      expect([JSON.parse(text)].flat()).toEqual([{ id: 'a', ...CLEAN }]);
      for (const [accept, decode] of [
        [CBOR, decodeCbor],
        [PACK, decodePack],
      ] as const) {
        const response = await fetch(server.url(path), { headers: { ...headers, accept } });
        expect([decode(new Uint8Array(await response.arrayBuffer()))].flat()).toEqual([{ id: 'a', ...CLEAN }]);
      }
      for (const accept of [NDJSON, 'text/csv']) {
        const rows = await server.ask('GET', path, { headers: { ...headers, accept } });
        expect(rows.text.replaceAll('""', '"')).not.toContain('"__proto__":');
      }
    }
    const parts = await server.ask('GET', 'Part?select=id,thing{j}', { headers });
    expect(parts.records).toMatchObject([{ thing: { j: SHOWN } }]);
  });

  test('is left out of resumed streams and snapshots, on every transport', async () => {
    using ws = await WsClient.subscribe(server.wsUrl(`Thing?since=${since}`), { headers });
    expect(ws.texts.join('')).not.toContain('"__proto__":');
    expect(ws.changes.items.map(({ data }) => data).at(-1)).toEqual(SHOWN);
    using sse = await SseClient.subscribe(server.url('Thing?retained=true'), { headers });
    expect(sse.all('retained').find(({ id }) => id === 'a')).toEqual({ id: 'a', ...CLEAN });
    for (const protocol of ['tablecast.cbor', 'tablecast.msgpack'] as const) {
      for (const query of [`since=${since}`, 'retained=true', `since=${since}&delta=true&s!=no`]) {
        const token = tokenOf('ada', { roles: ['admin'] });
        using client = await BinaryWs.open(server.wsUrl(`Thing?${query}`), protocol, [protocol, `bearer.${token}`]);
        await client.next({ type: 'ready' });
        expect(client.frames.items.length).toBeGreaterThan(2);
        for (const frame of client.frames.items) expect(JSON.stringify(frame)).not.toContain('"__proto__":');
      }
    }
    using gateway = await GatewayClient.open(`${server.origin.replace(/^http/, 'ws')}${REALTIME}/ws`, { headers });
    gateway.send({ action: 'subscribe', collection: 'Thing', retained: true });
    const found = await gateway.messages.next(({ data }) => (data as { id?: unknown } | undefined)?.id === 'a');
    expect(found.data).toEqual({ id: 'a', ...CLEAN });
  });

  test('is left out of the outcome that is given again, and of the audit log', async () => {
    const again = await once();
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([201, 'true']);
    expect(again.record).toEqual({ id: 'once', ...CLEAN });
    const audit = await server.ask('GET', 'audit?id=a', { headers });
    expect([audit.status, audit.text.includes('"__proto__":')]).toEqual([200, false]);
    expect(audit.text).toContain('"keep":1');
  });

  test('does not hinder writes, and goes with the next one', async () => {
    const { status, record } = await server.ask('PATCH', 'Thing/a', { json: { s: 'new' }, headers });
    expect([status, record]).toEqual([200, { id: 'a', ...CLEAN, s: 'new' }]);
    expect((await server.ask('PUT', 'Thing/a', { json: CLEAN, headers })).status).toBe(200);
    expect((await server.ask('GET', 'Thing/a', { headers })).record).toEqual({ id: 'a', ...CLEAN });
  });
});
