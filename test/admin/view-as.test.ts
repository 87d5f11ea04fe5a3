import { describe, expect, test } from 'vitest';
import type { Json } from '../support/frames.ts';
import { GatewayClient } from '../support/gateway-client.ts';
import { LiveSocket } from '../support/live-client.ts';
import { SseClient } from '../support/sse-client.ts';
import { tokenOf } from '../support/tokens.ts';
import { WsClient } from '../support/ws-client.ts';
import { ADMIN, AUTH, type Running, start, USER } from './running.ts';

const SCHEMA = `
type Note @table @export @access(
  read: ["owner==$auth.sub", "auditor"]
  subscribe: ["owner==$auth.sub", "auditor"]
  create: "authenticated"
  update: "owner==$auth.sub"
  delete: "owner==$auth.sub"
  publish: "authenticated"
) {
  id: ID! @primaryKey
  owner: String
  team: String
}
type Open @table @export(public: [read, create, update, delete, subscribe, publish]) @audit { id: ID! @primaryKey text: String }
`;

async function viewAs(app: Running, body: object, token = ADMIN): Promise<string> {
  const answer = await app.send('POST', '_/admin/view-as', body, token);
  expect(answer.status).toBe(201);
  return String(answer.body.token);
}

async function startWithNotes(): Promise<Running> {
  const app = await start(SCHEMA, AUTH);
  for (const [id, owner] of [
    ['a', 'ada'],
    ['b', 'bob'],
    ['c', 'ada'],
  ]) {
    expect((await app.send('PUT', `Note/${id}`, { owner, team: 'x' }, ADMIN)).status).toBe(201);
  }
  expect((await app.send('PUT', 'Open/o', { text: 'first' }, ADMIN)).status).toBe(201);
  return app;
}

const idsOf = ({ body }: { readonly body: Json }) => (body as unknown as Json[]).map(({ id }) => id);

describe('a view token', () => {
  test('reads what the token of the caller reads', async () => {
    const app = await startWithNotes();
    const caller = { sub: 'ada', roles: ['writer'], claims: { team: 'x' } };
    const view = await viewAs(app, caller);
    const own = tokenOf('ada', { roles: ['writer'], team: 'x' });
    for (const path of ['Note', 'Note/a', 'Note/b', 'Note?aggregate=count', 'Note?count=true&limit=1', 'Open']) {
      const [seen, real] = [await app.send('GET', path, undefined, view), await app.send('GET', path, undefined, own)];
      expect([seen.status, seen.body], path).toEqual([real.status, real.body]);
      expect(seen.headers.get('x-total-count')).toBe(real.headers.get('x-total-count'));
    }
    expect(idsOf(await app.send('GET', 'Note', undefined, view))).toEqual(['a', 'c']);
    expect(
      idsOf(await app.send('GET', 'Note', undefined, await viewAs(app, { sub: 'x', roles: ['auditor'] }))),
    ).toEqual(['a', 'b', 'c']);
  });

  test('streams what the caller gets', async () => {
    const app = await startWithNotes();
    const view = await viewAs(app, { sub: 'ada' });
    using socket = await WsClient.subscribe(`${app.url.replace('http', 'ws')}/Note?retained=true`, {
      protocols: [`bearer.${view}`],
    });
    using stream = await SseClient.subscribe(`${app.url}/Note`, { headers: { authorization: `Bearer ${view}` } });
    expect([(await socket.next()).id, (await socket.next()).id]).toEqual(['a', 'c']);
    await app.send('PATCH', 'Note/b', { team: 'y' }, ADMIN);
    await app.send('PATCH', 'Note/a', { team: 'y' }, ADMIN);
    const frame = await socket.next((it) => it.message_type === 'Update');
    expect(frame.id).toBe('a');
    expect((await stream.next('update')).data).toContain('"a"');
    socket.send({ message_type: 'Update', id: 'a', data: { owner: 'ada', team: 'z' }, ref: 1 });
    expect(JSON.stringify(await socket.control('error', 1))).toContain('FORBIDDEN');
  });

  test('reads over protocol v1, and writes nothing there', async () => {
    const app = await startWithNotes();
    const view = await viewAs(app, { sub: 'ada' });
    using live = await LiveSocket.open(`${app.url.replace('http', 'ws')}/_/live`, { token: view });
    live.send(JSON.stringify({ type: 'subscribe', id: 1, query: 'Note' }));
    const first = await live.messages.next((message) => JSON.stringify(message).includes('"ada"'));
    expect(JSON.stringify(first)).not.toContain('bob');
    live.send(JSON.stringify({ type: 'write', ref: 1, op: 'put', table: 'Open', key: 'n', data: { text: 'x' } }));
    live.send(
      JSON.stringify({
        type: 'transaction',
        ref: 2,
        steps: [{ op: 'put', table: 'Open', id: 'n', data: { text: 'x' } }],
      }),
    );
    for (const ref of [1, 2]) {
      const answer = await live.messages.next((message) => message.ref === ref);
      expect(JSON.stringify(answer)).toContain('FORBIDDEN');
    }
    expect((await app.send('GET', 'Open/n', undefined, ADMIN)).status).toBe(404);
  });

  test('is refused for every write, at every address', async () => {
    const app = await startWithNotes();
    const view = await viewAs(app, { sub: 'ada', roles: ['admin', 'writer'] });
    const before = JSON.stringify((await app.admin('log?limit=100', ADMIN)).body.entries);
    const step = { op: 'put', table: 'Open', id: 'n', data: { text: 'x' } };
    const writes: readonly (readonly [string, string, unknown, number])[] = [
      ['POST', 'Open', { id: 'n', text: 'x' }, 403],
      ['PUT', 'Open/n', { text: 'x' }, 403],
      ['PATCH', 'Open/o', { text: 'x' }, 403],
      ['DELETE', 'Open/o', undefined, 403],
      ['PATCH', 'Open?all=true', { text: 'x' }, 403],
      ['DELETE', 'Open?all=true', undefined, 403],
      ['PUT', 'Note/a', { owner: 'ada' }, 403],
      ['POST', 'Open/o?publish=true', { text: 'x' }, 403],
      // These take no view token at all, not for reading either.
      ['POST', '_/transaction', { steps: [step] }, 401],
      ['POST', '_/auth/ticket', undefined, 401],
      ['GET', '_/auth/me', undefined, 401],
      ['GET', '_/audit', undefined, 401],
      ['GET', '_/admin/schema', undefined, 401],
      ['POST', '_/admin/view-as', { sub: 'bob' }, 401],
    ];
    for (const [method, path, json, status] of writes) {
      const answer = await app.send(method, path, json, view);
      expect(answer.status, `${method} ${path}: ${JSON.stringify(answer.body)}`).toBe(status);
    }
    using gateway = await GatewayClient.open(`${app.url.replace('http', 'ws')}/_/realtime/ws`, {
      headers: { authorization: `Bearer ${view}` },
    });
    expect((await gateway.closed).code).toBe(1008);
    expect(JSON.stringify((await app.admin('log?limit=100', ADMIN)).body.entries)).toBe(before);
  });

  test('gets no answer that an Idempotency-Key of the caller has kept', async () => {
    const app = await startWithNotes();
    const put = (token: string) =>
      fetch(`${app.url}/Open/k`, {
        method: 'PUT',
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          'idempotency-key': '"key-of-ada"',
        },
        body: '{"text":"secret"}',
      });
    expect((await put(tokenOf('ada'))).status).toBe(201);
    const answer = await put(await viewAs(app, { sub: 'ada' }));
    expect([answer.status, await answer.text()]).toEqual([403, expect.not.stringContaining('secret')]);
  });

  test('is for administrators, and for described callers', async () => {
    const app = await startWithNotes();
    expect((await app.send('POST', '_/admin/view-as', { sub: 'ada' }, USER)).status).toBe(403);
    expect((await app.send('POST', '_/admin/view-as', { sub: 'ada' })).status).toBe(401);
    for (const body of [
      {},
      { sub: '' },
      { sub: 1 },
      { sub: 'a', roles: 'x' },
      { sub: 'a', claims: [] },
      { sub: 'a', x: 1 },
      [],
    ]) {
      expect((await app.send('POST', '_/admin/view-as', body, ADMIN)).status, JSON.stringify(body)).toBe(400);
    }
    expect((await app.send('GET', 'Note', undefined, `tcv_${'a'.repeat(32)}`)).status).toBe(401);
    const open = await start(SCHEMA.replace(/@access\([^)]*\)/, ''), '');
    expect((await open.send('POST', '_/admin/view-as', { sub: 'ada' })).status).toBe(404);
  });

  test('is valid for 15 minutes, and never longer than the credential of the administrator', async () => {
    const app = await startWithNotes();
    const { body } = await app.send('POST', '_/admin/view-as', { sub: 'ada' }, ADMIN);
    const left = Date.parse(String(body.expires_at)) - Date.now();
    expect([left > 14 * 60_000, left <= 15 * 60_000]).toEqual([true, true]);
    const end = Math.floor(Date.now() / 1000) + 60;
    const short = await app.send(
      'POST',
      '_/admin/view-as',
      { sub: 'ada' },
      tokenOf('root', { roles: ['admin'], exp: end }),
    );
    expect(Date.parse(String(short.body.expires_at))).toBeLessThanOrEqual(end * 1000);
  });
});
