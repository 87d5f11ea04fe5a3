import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import { bearer } from '../support/auth-app.ts';
import type { Json } from '../support/frames.ts';
import { GatewayClient, REALTIME } from '../support/gateway-client.ts';
import type { Answer } from '../support/http.ts';
import { inSeconds, SECRET, tokenOf } from '../support/tokens.ts';
import { V1Client } from '../support/v1-client.ts';
import { WsClient } from '../support/ws-client.ts';

const RELATED = '["ownerId==$auth.sub", "members.userId==$auth.sub"]';
const SCHEMA = `
type Doc @table @export
  @access(read: ${RELATED}, create: "ownerId==$auth.sub", update: "ownerId==$auth.sub", delete: "ownerId==$auth.sub", publish: ${RELATED}) {
  id: ID! @primaryKey
  ownerId: ID
  text: String
  members: [Member] @relationship(to: "docId")
}
type Member @table @export { id: ID! @primaryKey docId: ID @indexed userId: ID }
`;

const ROUTES = `import { defineRoute } from 'tablecast';
const done = (rooms, tables, { action, id, data }) => ({
  read: () => tables.Doc.get(id).then((record) => record ?? Promise.reject(Object.assign(new Error(), { code: 'NOT_FOUND' }))),
  create: () => tables.Doc.create({ id, ...data }),
  update: () => tables.Doc.patch(id, data),
  delete: () => tables.Doc.delete(id),
  publish: () => tables.Doc.publish(id, data),
  send: () => rooms.ws.sendToRoom('doc:' + id, data),
  presence: () => rooms.ws.members('doc:' + id),
})[action]();
const answer = (work) => work.then(() => ({ code: 'yes' }), ({ code }) => ({ code }));
export const routes = {
  act: defineRoute({ method: 'POST', handler: ({ rooms, tables, body }) => answer(done(rooms, tables, body)) }),
  transact: defineRoute({ method: 'POST', handler: ({ rooms, tables, body }) => answer(tables.transaction((tx) => done(rooms, { Doc: tx.Doc }, body))) }),
  system: defineRoute({ method: 'POST', handler: ({ system, body }) => answer(done(undefined, system.tables, body)) }),
};
`;

const CONFIG = `${BASE_CONFIG}auth: {jwt: {secret: ${SECRET}}}
routes: routes.ts
rooms:
  "doc:{id}": {record: Doc, join: ${RELATED}, send: ownerId==$auth.sub, presence: ${RELATED}}
connectors:
  ws: {type: websocket, access: anyone, presence: true}
  events: {type: sse, access: anyone}
flows:
  create:
    from: {connector: http, operation: "POST /flow/create/:id"}
    transform: {id: input.id, ownerId: input.ownerId}
    to: {connector: table, operation: create, target: Doc}
  update:
    from: {connector: http, operation: "POST /flow/update/:id"}
    transform: {id: input.id, text: input.text}
    to: {connector: table, operation: update, target: Doc}
  send:
    from: {connector: http, operation: "POST /flow/send/:id"}
    transform: {text: input.text}
    to: {connector: ws, operation: send_to_room, target: '"doc:" + input.id'}
  say:
    from: {connector: ws, operation: message}
    transform: {text: input.text}
    to: {connector: ws, operation: send_to_room, target: '"doc:" + input.id'}
`;

const CALLERS = {
  none: undefined,
  other: tokenOf('other'),
  owner: tokenOf('owner'),
  member: tokenOf('member'),
  admin: tokenOf('root', { roles: ['admin'] }),
  expired: tokenOf('owner', { exp: inSeconds(-3600) }),
} as const;
type Caller = keyof typeof CALLERS;

const ACTIONS = ['read', 'create', 'update', 'delete', 'subscribe', 'publish', 'join', 'send', 'presence'] as const;
type Action = (typeof ACTIONS)[number];

/** What a caller gets who is `other` or `member`: nobody is let in without a token, or with one that has expired. */
const VERDICTS: Readonly<Record<Action, readonly [other: string, member: string]>> = {
  read: ['NOT_FOUND', 'yes'],
  create: ['FORBIDDEN', 'FORBIDDEN'],
  update: ['NOT_FOUND', 'FORBIDDEN'],
  delete: ['NOT_FOUND', 'FORBIDDEN'],
  subscribe: ['nothing', 'yes'],
  publish: ['NOT_FOUND', 'yes'],
  join: ['FORBIDDEN', 'yes'],
  send: ['FORBIDDEN', 'FORBIDDEN'],
  presence: ['FORBIDDEN', 'yes'],
};

function verdictOf(action: Action, caller: Caller): string {
  if (caller === 'none' || caller === 'expired') return 'UNAUTHORIZED';
  const [other, member] = VERDICTS[action];
  return caller === 'other' ? other : caller === 'member' ? member : 'yes';
}

let server: TestServer;
let count = 0;

beforeAll(async () => {
  server = await startServer({ schema: SCHEMA, config: CONFIG, files: { 'routes.ts': ROUTES } });
}, 60_000);
afterAll(() => server[Symbol.asyncDispose]());

/** Makes a document of the owner with a member, and returns its key; for `create` only the key. */
async function makeDoc(action: Action): Promise<string> {
  const id = `d${++count}`;
  if (action === 'create') return id;
  const admin = bearer(CALLERS.admin);
  for (const [path, json] of [
    [`Doc/${id}`, { ownerId: 'owner', text: 'marked' }],
    [`Member/${id}`, { docId: id, userId: 'member' }],
  ] as const) {
    const answer = await server.ask('PUT', path, { json, ...admin });
    if (answer.status !== 201) throw new Error(answer.text);
  }
  return id;
}

interface Request {
  readonly action: Action;
  readonly id: string;
  readonly token: string | undefined;
}

/** Does something through a door, and returns `yes` or the code of the refusal. */
type Door = (request: Request) => Promise<string>;

const headersOf = (token: string | undefined) => (token === undefined ? {} : bearer(token));
const dataOf = (action: Action): Json => (action === 'create' ? { ownerId: 'owner' } : { text: 'new' });
const codeOf = (answer: Answer) => (answer.status < 300 ? 'yes' : String(answer.record.code));

const rest: Door = async ({ action, id, token }) => {
  const options = { json: dataOf(action), ...headersOf(token) };
  if (action === 'read') return codeOf(await server.ask('GET', `Doc/${id}`, headersOf(token)));
  if (action === 'create') return codeOf(await server.ask('PUT', `Doc/${id}`, options));
  if (action === 'update') return codeOf(await server.ask('PATCH', `Doc/${id}`, options));
  if (action === 'delete') return codeOf(await server.ask('DELETE', `Doc/${id}`, headersOf(token)));
  return codeOf(await server.ask('POST', `Doc/${id}?publish=true`, options));
};

function stepOf({ action, id }: Request): Json {
  const op = action === 'update' ? 'patch' : action;
  const key = op === 'create' ? {} : { id };
  const data = op === 'create' ? { id, ...dataOf(action) } : dataOf(action);
  return { op, table: 'Doc', ...key, ...(op === 'delete' ? {} : { data }) };
}

const transaction: Door = async (request) => {
  const json = { steps: [stepOf(request)] };
  return codeOf(await server.ask('POST', '_/transaction', { json, ...headersOf(request.token) }));
};

/** A stream that says `ready` when everything that is stored has come. */
const stream: Door = async ({ id, token }) => {
  const { headers = {} } = headersOf(token) as { headers?: Record<string, string> };
  const response = await fetch(server.url(`Doc/${id}?stream=sse&retained=true`), { headers });
  if (!response.ok) return String(((await response.json()) as Json).code);
  let text = '';
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += Buffer.from(chunk).toString();
    if (text.includes('"ready"')) break;
  }
  return text.includes('marked') ? 'yes' : 'nothing';
};

/** Runs `use` with a connection; a refused handshake is its verdict. */
async function connected<C extends { terminate(): void } | Disposable>(
  open: Promise<C>,
  use: (client: C) => Promise<string>,
) {
  let client: C;
  try {
    client = await open;
  } catch (error) {
    const status = /\b(4\d\d)\b/.exec(String(error))?.[1];
    return status === '401' ? 'UNAUTHORIZED' : status === '403' ? 'FORBIDDEN' : String(error);
  }
  try {
    return await use(client);
  } catch (error) {
    // The multiplexed protocol says so after the handshake.
    if (/closed 1008 (?:[\w ]*token|Authentication failed)/i.test(String(error))) return 'UNAUTHORIZED';
    throw error;
  } finally {
    if ('terminate' in client) client.terminate();
    else client[Symbol.dispose]();
  }
}

const socket: Door = ({ action, id, token }) => {
  const path = action === 'subscribe' ? `Doc/${id}?retained=true` : 'Doc';
  return connected(WsClient.open(server.wsUrl(path), headersOf(token)), async (client) => {
    if (action === 'subscribe') {
      await client.ready();
      return client.texts.some((text) => text.includes('marked')) ? 'yes' : 'nothing';
    }
    const types = { create: 'Update', update: 'Patch', delete: 'Delete', publish: 'Publish' } as const;
    const message_type = types[action as keyof typeof types];
    client.send({ message_type, id, ref: 1, ...(action === 'delete' ? {} : { data: dataOf(action) }) });
    const { type, code } = await client.controls.next(({ ref }) => ref === 1);
    return type === 'ack' ? 'yes' : String(code);
  });
};

const multiplexed: Door = (request) => {
  const { action, id, token } = request;
  const url = `${server.origin.replace(/^http/, 'ws')}${REALTIME}/ws`;
  return connected(GatewayClient.open(url, headersOf(token)), async (client) => {
    if (action !== 'subscribe') {
      client.send({ action: 'transaction', ref: 1, steps: [stepOf(request)] });
      const { type, code } = await client.messages.next(({ ref }) => ref === 1);
      return type === 'transaction' ? 'yes' : String(code);
    }
    client.send({ action: 'subscribe', collection: 'Doc', filter: `id==${id}`, retained: true });
    const last = await client.messages.next(({ type, error }) => type === 'ready' || error !== undefined);
    if (last.error === 'Forbidden') return token === undefined ? 'UNAUTHORIZED' : 'FORBIDDEN';
    return JSON.stringify(client.messages.items).includes('marked') ? 'yes' : 'nothing';
  });
};

/** A connection of protocol v1. */
const openV1 = (token: string | undefined) =>
  V1Client.open(server.url('').replace(/\/$/, ''), token === undefined ? {} : { token });
const verdictOfV1 = ({ type, problem }: Json) => (type === 'error' ? String((problem as Json).code) : 'yes');

const protocolV1: Door = ({ action, id, token }) =>
  connected(openV1(token), async (client) => {
    if (action === 'subscribe') {
      client.send({ type: 'subscribe', id: 1, query: `Doc/${id}` });
      const { type, problem } = await client.messages.next(
        (message) => message.type === 'ready' || message.type === 'error',
      );
      if (type === 'error') return String((problem as Json).code);
      return JSON.stringify(client.messages.items).includes('marked') ? 'yes' : 'nothing';
    }
    const op = action === 'update' ? 'patch' : action;
    const data =
      op === 'create' ? { data: { id, ...dataOf(action) } } : op === 'delete' ? {} : { data: dataOf(action) };
    const answer = await client.write(1, { op, table: 'Doc', ...(op === 'create' ? {} : { key: id }), ...data });
    return verdictOfV1(answer);
  });

const roomV1: Door = ({ action, id, token }) =>
  connected(openV1(token), async (client) => {
    if (action === 'send') {
      client.send({ type: 'send', ref: 1, connector: 'ws', data: { id, text: 'new' } });
      return verdictOfV1(await client.messages.next(({ ref }) => ref === 1));
    }
    client.send({ type: 'subscribe', id: 1, connector: 'ws', room: `doc:${id}` });
    const answer = await client.messages.next((message) => message.id === 1);
    if (action === 'join' || answer.type === 'error') return verdictOfV1(answer);
    await client.settle();
    return client.of(1).some(({ type }) => type === 'presence') ? 'yes' : 'nothing';
  });

const route =
  (name: string): Door =>
  async ({ action, id, token }) => {
    const json = { action, id, data: dataOf(action) };
    const answer = await server.ask('POST', `api/${name}`, { json, ...headersOf(token) });
    return answer.status === 200 ? String(answer.record.code) : codeOf(answer);
  };

const flow: Door = async ({ action, id, token }) =>
  codeOf(await server.ask('POST', `flow/${action}/${id}`, { json: dataOf(action), ...headersOf(token) }));

const room: Door = ({ action, id, token }) =>
  connected(WsClient.open(server.wsUrl('ws'), headersOf(token)), async (client) => {
    if (action === 'send') {
      client.send({ type: 'message', ref: 1, data: { id, text: 'new' } });
      const { type, code } = await client.controls.next(({ ref }) => ref === 1);
      return type === 'error' ? String(code) : 'yes';
    }
    client.send({ type: 'join_room', room: `doc:${id}` });
    const { type, code } = await client.controls.next((frame) => frame.room === `doc:${id}`);
    if (action === 'join' || type !== 'joined') return type === 'joined' ? 'yes' : String(code);
    client.send({ type: 'leave_room', room: 'nowhere' });
    await client.controls.next(({ room: about }) => about === 'nowhere');
    return client.controls.items.some((frame) => frame.type === 'presence') ? 'yes' : 'nothing';
  });

const roomStream: Door = async ({ id, token }) => {
  const { headers = {} } = headersOf(token) as { headers?: Record<string, string> };
  const response = await fetch(server.url(`events?room=doc:${id}`), { headers });
  if (!response.ok) return String(((await response.json()) as Json).code);
  await response.body?.cancel();
  return 'yes';
};

const WRITES: readonly Action[] = ['create', 'update', 'delete', 'publish'];
const ROOM_ACTIONS: readonly Action[] = ['join', 'send', 'presence'];
const DOORS: readonly (readonly [name: string, door: Door, actions: readonly Action[]])[] = [
  ['REST', rest, ['read', ...WRITES]],
  ['a transaction', transaction, WRITES],
  ['an event stream', stream, ['subscribe']],
  ['a WebSocket of a table', socket, ['subscribe', ...WRITES]],
  ['the multiplexed protocol', multiplexed, ['subscribe', ...WRITES]],
  ['protocol v1', protocolV1, ['subscribe', ...WRITES]],
  ['a route in code', route('act'), ['read', ...WRITES, 'send', 'presence']],
  ['a transaction of a route', route('transact'), WRITES],
  ['a flow', flow, ['create', 'update', 'send']],
  ['a WebSocket with rooms', room, ROOM_ACTIONS],
  ['rooms over protocol v1', roomV1, ROOM_ACTIONS],
  ['an event stream with rooms', roomStream, ['join']],
];

describe.each(DOORS)('through %s', (_name, door, actions) => {
  test.each(actions)('%s has the same verdict as through every other door', async (action) => {
    const found: Record<string, string> = {};
    const expected: Record<string, string> = {};
    for (const caller of Object.keys(CALLERS) as Caller[]) {
      const id = await makeDoc(action);
      found[caller] = await door({ action, id, token: CALLERS[caller] });
      expected[caller] = verdictOf(action, caller);
    }
    expect(found).toEqual(expected);
  });
});

test('all rights are there by name only', async () => {
  for (const action of ['read', ...WRITES] as const) {
    const id = await makeDoc(action);
    expect([action, await route('system')({ action, id, token: undefined })]).toEqual([action, 'yes']);
  }
});
