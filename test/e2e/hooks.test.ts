import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BASE_CONFIG, IN_PROCESS, startServer, type TestServer } from '../support/app.ts';
import { ask } from '../support/http.ts';
import { SseClient } from '../support/sse-client.ts';
import { until } from '../support/wait.ts';
import { WsClient } from '../support/ws-client.ts';

const SCHEMA = `type Message @table @export(public: [read, create, update, delete, subscribe, publish]) {
  id: ID! @primaryKey
  title: String!
  note: String
}
type Note @table @export {
  id: ID! @primaryKey
  text: String
}
type Log @table @export {
  id: ID! @primaryKey
  what: String!
  connection: String
  detail: JSON
}`;

const HOOKS = `import type { Hooks, RealtimeEvent } from 'tablecast';
import { log } from './lib/log';

export const onRealtimeConnect: Hooks['onRealtimeConnect'] = async (event) => {
  await log(event, 'connect');
};
export async function on_realtime_disconnect(event: RealtimeEvent) {
  await log(event, 'disconnect');
}
export const on_realtime_subscribe: Hooks['onRealtimeSubscribe'] = async (event) => {
  await log(event, 'subscribe', { collection: event.collection, id: event.id });
  if (event.id === 'forbidden') throw new Error('Not this one.');
  if (event.id === 'false') return false;
  if (event.id === 'broken') (event as any).nothing.there;
  if (event.id === 'hanging') await new Promise(() => {});
};
export const onRealtimeUnsubscribe: Hooks['onRealtimeUnsubscribe'] = async (event) => {
  await log(event, 'unsubscribe', { collection: event.collection, id: event.id });
};
export const onRealtimeMessage: Hooks['onRealtimeMessage'] = async (event) => {
  const { data } = event.message as { data?: { title?: string } };
  if (data?.title === 'slow') await new Promise((done) => setTimeout(done, 200));
  if (data?.title === 'refused') throw new Error('Not this message.');
  if (data?.title === 'hanging') await new Promise(() => {});
  await log(event, 'message', event.message);
};
export const tables: Hooks['tables'] = {
  Message: {
    async beforeCreate({ record, identity, tables }) {
      if (record.title === 'hanging') await new Promise(() => {});
      if (record.title === 'broken') null!.x;
      if (record.title === 'bad') throw Object.assign(new Error('title: is bad'), { code: 'VALIDATION_ERROR' });
      if (record.title === 'no') throw new Error('No such titles.');
      if (record.title === 'wrong') return { ...record, titel: 'x' };
      if (record.title === 'text') return 'text' as never;
      record.note = \`\${identity.type} \${(await tables.Note!.find()).length}\`;
      if (record.title === 'copy') return { ...record, title: 'copied' };
    },
    async beforeUpdate({ id, record, previous, partial, tables }) {
      if (record.title === 'restless') await tables.Message!.patch(id, { note: String(Math.random()) });
      if (previous.title === 'final') throw new Error('It is final.');
      record.note = \`\${previous.title} to \${record.title}\${partial ? ' in part' : ''}\`;
    },
    before_delete({ previous }) {
      if (previous.title === 'final') return false;
    },
  },
  Note: {
    async afterChange({ op, id, record, before, tables, seq }) {
      if (record?.text === 'fails') throw new Error('the hook has failed');
      if (record?.text === 'hangs') await new Promise(() => {});
      await tables.Log!.create({ what: \`note \${op} \${id}\`, detail: { record, before, seq } });
    },
  },
};
`;

const LIB = `import type { RealtimeEvent } from 'tablecast';
export async function log(event: RealtimeEvent, what: string, detail: object = {}): Promise<void> {
  const { connectionId, userId, accountId, transport } = event;
  await event.tables.Log!.create({ what, connection: connectionId, detail: { ...detail, userId, accountId, transport } });
}
`;

interface Entry {
  readonly what: string;
  readonly connection: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

let server: TestServer;
beforeAll(async () => {
  server = await startServer({
    schema: SCHEMA,
    config: `${BASE_CONFIG}hooks: hooks.ts\nhook_timeout: 1s\n`,
    files: { 'hooks.ts': HOOKS, 'lib/log.ts': LIB },
  });
});
afterAll(async () => server?.[Symbol.asyncDispose]());

async function entries(): Promise<readonly Entry[]> {
  return (await server.ask('GET', 'Log?sort=id&limit=1000')).records as unknown as Entry[];
}

/** What was told about one connection, when it has ended. */
async function historyOf(isIt: (entry: Entry) => boolean): Promise<readonly Entry[]> {
  return until(
    async () => {
      const all = await entries();
      const one = all.find(isIt);
      return all.filter(({ connection }) => one !== undefined && connection === one.connection);
    },
    (found) => found.at(-1)?.what === 'disconnect',
    { what: 'the end of the connection' },
  );
}

const ofRecord = (id: string) => (entry: Entry) => entry.what === 'subscribe' && entry.detail.id === id;

describe('hooks about connections', () => {
  test('fire once each for a WebSocket that its client closes', async () => {
    const client = await WsClient.subscribe(server.wsUrl('Message/ws-1'));
    client.socket.send(JSON.stringify({ message_type: 'Publish', data: 'hello', ref: 1 }));
    await client.controls.next((frame) => frame.type === 'ack');
    client.socket.close();
    const history = await historyOf(ofRecord('ws-1'));
    expect(history.map(({ what }) => what)).toEqual(['connect', 'subscribe', 'message', 'unsubscribe', 'disconnect']);
    const common = { userId: null, accountId: null, transport: 'ws' };
    expect(history[1]?.detail).toEqual({ collection: 'Message', id: 'ws-1', ...common });
    expect(history[2]?.detail).toMatchObject({ message_type: 'Publish', data: 'hello', ...common });
    expect(history[4]?.detail).toEqual(common);
  });

  test('fire once each for a WebSocket whose client is cut off', async () => {
    const client = await WsClient.subscribe(server.wsUrl('Message/ws-2'));
    client.socket.terminate();
    const history = await historyOf(ofRecord('ws-2'));
    expect(history.map(({ what }) => what)).toEqual(['connect', 'subscribe', 'unsubscribe', 'disconnect']);
  });

  test('fire once each for a stream of events', async () => {
    const stream = await SseClient.open(server.url('Message/sse-1'));
    stream.close();
    const history = await historyOf(ofRecord('sse-1'));
    expect(history.map(({ what }) => what)).toEqual(['connect', 'subscribe', 'unsubscribe', 'disconnect']);
    expect(history[0]?.detail.transport).toBe('sse');
  });

  test('tell a connection as ended when its client has gone while they were asked', async () => {
    const socket = connect(server.port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write('GET /my-app/Message/hanging HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n');
    await until(entries, (all) => all.some(ofRecord('hanging')), { what: 'the question' });
    socket.destroy();
    const history = await historyOf(ofRecord('hanging'));
    expect(history.map(({ what }) => what)).toEqual(['connect', 'subscribe', 'disconnect']);
  });
});

describe('hooks that refuse', () => {
  test.each([
    ['forbidden', 403, 'HOOK_REFUSED', 'Not this one.'],
    ['false', 403, 'HOOK_REFUSED', 'The hook onRealtimeSubscribe has refused.'],
    ['broken', 500, 'HOOK_FAILED', 'The hook onRealtimeSubscribe has failed; it has been logged.'],
  ])(
    'answer a subscription of %s with %i before it is opened, and it is told as ended',
    async (id, status, code, error) => {
      const refused = await ask('GET', server.url(`Message/${id}`), { headers: { accept: 'text/event-stream' } });
      expect([refused.status, refused.record]).toEqual([status, expect.objectContaining({ code, error })]);
      await expect(WsClient.open(server.wsUrl(`Message/${id}`))).rejects.toThrow(String(status));
      const all = await until(entries, (found) => countEnds(found, id) === 2, { what: 'both ends' });
      expect(all.filter(({ what, detail }) => what === 'unsubscribe' && detail.id === id)).toEqual([]);
    },
  );

  test('answer a message with an error, and the next one is handled', async () => {
    using client = await WsClient.subscribe(server.wsUrl('Message'));
    const send = (ref: number, title: string) =>
      client.socket.send(JSON.stringify({ message_type: 'Update', ref, data: { id: `m-${ref}`, title } }));
    send(1, 'refused');
    send(2, 'fine');
    expect(await client.controls.next((frame) => frame.ref === 1)).toMatchObject({
      type: 'error',
      code: 'HOOK_REFUSED',
      message: 'Not this message.',
    });
    expect(await client.controls.next((frame) => frame.ref === 2)).toMatchObject({ type: 'ack', id: 'm-2' });
    expect((await server.ask('GET', 'Message/m-1')).status).toBe(404);
  });

  test('hold messages in their order, and one that never answers is an error', async () => {
    using client = await WsClient.subscribe(server.wsUrl('Message'));
    const seqs: number[] = [];
    for (const [ref, title] of ['slow', 'quick', 'hanging', 'last'].entries()) {
      client.socket.send(JSON.stringify({ message_type: 'Update', ref, data: { id: `o-${ref}`, title } }));
    }
    for (const ref of [0, 1]) seqs.push(Number((await client.controls.next((frame) => frame.ref === ref)).seq));
    expect(seqs[0]).toBeLessThan(seqs[1] as number);
    expect(await client.controls.next((frame) => frame.ref === 2)).toMatchObject({ code: 'HOOK_FAILED' });
    expect(await client.controls.next((frame) => frame.ref === 3)).toMatchObject({ type: 'ack' });
  });
});

describe('hooks before a write', () => {
  const put = (id: string, json: object) => server.ask('PUT', `Message/${id}`, { json });

  test('see and change a record, whichever way it comes', async () => {
    expect((await put('a', { title: 'one' })).record).toMatchObject({ title: 'one', note: 'anonymous 0' });
    expect((await put('a', { title: 'two' })).record).toMatchObject({ title: 'two', note: 'one to two' });
    const patched = await server.ask('PATCH', 'Message/a', { json: { title: 'three' } });
    expect(patched.record).toMatchObject({ title: 'three', note: 'two to three in part' });
    const posted = await server.ask('POST', 'Message', { json: { title: 'copy' } });
    expect(posted.record).toMatchObject({ title: 'copied', note: 'anonymous 0' });
    const many = await server.ask('POST', 'Message', { json: [{ title: 'x' }, { title: 'copy' }] });
    expect(many.records.map(({ title }) => title)).toEqual(['x', 'copied']);
    using client = await WsClient.subscribe(server.wsUrl('Message'));
    client.socket.send(JSON.stringify({ message_type: 'Update', ref: 1, data: { id: 'b', title: 'copy' } }));
    await client.controls.next((frame) => frame.ref === 1);
    expect((await server.ask('GET', 'Message/b')).record).toMatchObject({ title: 'copied' });
  });

  test.each([
    ['no', 403, 'HOOK_REFUSED', 'No such titles.'],
    ['bad', 400, 'VALIDATION_ERROR', 'title: is bad'],
    ['broken', 500, 'HOOK_FAILED', /has failed; it has been logged/],
    ['hanging', 500, 'HOOK_FAILED', /has failed; it has been logged/],
    ['text', 500, 'HOOK_FAILED', /has failed; it has been logged/],
    ['wrong', 400, 'VALIDATION_ERROR', /titel/],
  ])('refuse a record of title %s with %i, and nothing is stored', async (title, status, code, error) => {
    const refused = await put(`refused-${title}`, { title });
    expect([refused.status, refused.record.code]).toEqual([status, code]);
    expect(refused.record.error).toMatch(error);
    expect((await server.ask('GET', `Message/refused-${title}`)).status).toBe(404);
    expect((await server.ask('GET', 'Message?limit=1')).status).toBe(200);
  });

  test('hear of nothing that is wrong anyway', async () => {
    expect((await put('wrong', { title: 5 })).record).toMatchObject({ code: 'VALIDATION_ERROR' });
    expect((await put('wrong', { id: 'other', title: 'no' })).record).toMatchObject({ code: 'VALIDATION_ERROR' });
    expect((await server.ask('PATCH', 'Message/nobody', { json: { title: 'x' } })).status).toBe(404);
    expect((await server.ask('DELETE', 'Message/nobody')).status).toBe(404);
  });

  test('guard what is stored: changes, removals, conditions, and writes by filter', async () => {
    const { headers } = await put('final', { title: 'final' });
    expect((await put('final', { title: 'x' })).record).toMatchObject({ code: 'HOOK_REFUSED', error: 'It is final.' });
    expect((await server.ask('PATCH', 'Message/final', { json: { title: 'x' } })).status).toBe(403);
    expect((await server.ask('DELETE', 'Message/final')).status).toBe(403);
    for (const method of ['PATCH', 'DELETE']) {
      const json = method === 'PATCH' ? { title: 'x' } : undefined;
      const refused = await server.ask(method, 'Message?title==final', json === undefined ? {} : { json });
      expect(refused.record).toMatchObject({ status: 403, code: 'HOOK_REFUSED' });
    }
    const stale = await server.ask('PATCH', 'Message/final', { json: { title: 'x' }, headers: { 'if-match': '"1"' } });
    expect(stale.status).toBe(412);
    const none = await server.ask('PUT', 'Message/final', { json: { title: 'x' }, headers: { 'if-none-match': '*' } });
    expect(none.status).toBe(412);
    expect((await server.ask('GET', 'Message/final')).headers.get('etag')).toBe(headers.get('etag'));
  });

  test('are not asked again for a repeated write', async () => {
    const headers = { 'idempotency-key': '"once"' };
    await put('repeated', { title: 'one' });
    const first = await server.ask('PATCH', 'Message/repeated', { json: { title: 'final' }, headers });
    const again = await server.ask('PATCH', 'Message/repeated', { json: { title: 'final' }, headers });
    expect([first.status, again.status]).toEqual([200, 200]);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
  });

  test('see the record that is replaced, also when many write to it', async () => {
    await put('busy', { title: '0' });
    const answers = await Promise.all(Array.from({ length: 12 }, (_, n) => put('busy', { title: `${n + 1}` })));
    expect(answers.map(({ status }) => status)).toEqual(new Array(12).fill(200));
    const notes = answers.map(({ record }) => String(record.note));
    const from = notes.map((note) => note.split(' to ')[0]);
    expect(new Set(from).size).toBe(notes.length);
    expect(from).toContain('0');
  });

  test('give up when the record changes each time', async () => {
    await put('restless', { title: 'one' });
    expect((await put('restless', { title: 'restless' })).record).toMatchObject({ status: 409, code: 'CONFLICT' });
    expect((await server.ask('GET', 'Message/restless')).record).toMatchObject({ title: 'one' });
  });
});

describe('hooks after a change', () => {
  const logged = async () => (await entries()).filter(({ what }) => what.startsWith('note '));

  // It reads the log of a process of its own.
  test.skipIf(IN_PROCESS)(
    'run for each committed change once, in order, and their failures stop no write',
    async () => {
      await server.put('Note/a', { text: 'one' });
      await server.put('Note/b', { text: 'fails' });
      await server.put('Note/c', { text: 'hangs' });
      await server.put('Note/a', { text: 'two' });
      await server.ask('POST', 'Note/a?publish=true', { json: 'a message' });
      await server.ask('DELETE', 'Note/a');
      const all = await until(logged, (found) => found.length >= 3, { what: 'the changes' });
      expect(all.map(({ what }) => what)).toEqual(['note create a', 'note update a', 'note delete a']);
      expect(all[1]?.detail).toMatchObject({ record: { id: 'a', text: 'two' }, before: { text: 'one' } });
      expect(all[2]?.detail).toMatchObject({ record: null, before: { id: 'a', text: 'two' } });
      expect(server.stdout).toContain('hook afterChange of Note: the hook has failed');
      expect(server.stdout).toContain('hook afterChange of Note: no answer within hook_timeout (1000 ms)');
    },
  );
});

function countEnds(all: readonly Entry[], id: string): number {
  const its = new Set(all.filter(ofRecord(id)).map(({ connection }) => connection));
  return all.filter(({ what, connection }) => what === 'disconnect' && its.has(connection)).length;
}
