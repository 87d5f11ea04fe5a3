import { generateKeyPairSync } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  describeConnections,
  type KeyServer,
  MAX_CONNECTIONS,
  MAX_MESSAGES,
  type UserServer,
} from '../suites/connection.ts';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import { runCommand } from '../support/cli.ts';
import type { ConnectionEnds, ConnectionKind, SocketKind } from '../support/connection-kinds.ts';
import { LiveSocket, LiveStream } from '../support/live-client.ts';
import { inSeconds, rsa, SECRET, sign, tokenOf } from '../support/tokens.ts';

const SCHEMA = `type Note @table @export(public: [create, update]) @access(read: ["editor"]) { id: ID! @primaryKey s: String }
type Said @table @export(public: [create]) { id: ID! @primaryKey text: String }`;

/** Code of the application waits while there is a file. */
const HOLD = `import { existsSync } from 'node:fs';
export async function hold(what) {
  const file = new URL('./hold-' + what, import.meta.url);
  while (existsSync(file)) await new Promise((resolve) => setTimeout(resolve, 20));
}`;

const HOOKS = `import { hold } from './hold.mjs';
export async function onRealtimeConnect() {
  console.log('connected');
  console.log('opening');
  await hold('opening');
}
export function onRealtimeDisconnect() { console.log('disconnected'); }
export const onRealtimeMessage = () => hold('messages');
export const tables = { Said: { beforeCreate: () => hold('messages') } };`;

const ROUTES = `import { setImmediate as turn } from 'node:timers/promises';
import { hold } from './hold.mjs';
const CHUNK = 'x'.repeat(200_000);
export const hooks = { async before() { console.log('opening'); await hold('opening'); } };
export const routes = {
  live: { kind: 'ws', access: ['editor'], handler: { async onMessage(message, connection) {
    if (message !== 'flood') return hold('messages');
    for (let sent = 0; sent < 100; sent++) {
      connection.send(CHUNK);
      await turn();
    }
  } } },
  ticks: { kind: 'sse', access: ['editor'], async *handler({ query, signal }) {
    yield 'begins';
    while (query.flood !== undefined) yield CHUNK;
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
  } },
};`;

const CONFIG = `${BASE_CONFIG}hooks: hooks.mjs
hook_timeout: 60s
routes: routes.mjs
connectors:
  chat: {type: websocket, path: /chat}
  feed: {type: sse, path: /feed}
flows:
  said:
    from: {connector: chat, operation: message}
    transform: {text: input.text}
    to: {connector: table, operation: create, target: Said}
  tell_chat:
    from: {connector: http, operation: "POST /tell/chat"}
    to: {connector: chat, operation: broadcast}
  tell_feed:
    from: {connector: http, operation: "POST /tell/feed"}
    to: {connector: feed, operation: broadcast}
channels: {slow_client_timeout: 2s, client_buffer: 64KiB}
`;
const FILES = { 'hold.mjs': HOLD, 'hooks.mjs': HOOKS, 'routes.mjs': ROUTES };

/** Strings of the flood, which is more than the kernel holds for a socket that is not read. */
const FLOOD_MESSAGES = 100;
const FLOOD_CHARS = 200_000;

const SOCKET_ENDS: ConnectionEnds = {
  expired: '4401 token expired',
  revoked: '4403 no longer allowed',
  forbidden: '4403 no longer allowed',
  slow: /^4408 /,
  stopped: /^1001 the server stops$/,
};
const STREAM_ENDS: ConnectionEnds = {
  expired: '{"code":"UNAUTHORIZED","message":"The token has expired."}',
  revoked: '{"code":"FORBIDDEN","message":"The rights of this connection have ended."}',
  forbidden: '{"code":"FORBIDDEN","message":"The rights of this connection have ended."}',
  // The client has a second for the last event.
  slow: /^cut off$|"SLOW_CLIENT"/,
  stopped: /^retry: \d{4}$/,
};

const SOCKETS: readonly SocketKind[] = [
  {
    name: 'WebSocket of a table',
    path: 'Note',
    hasHooks: true,
    ends: SOCKET_ENDS,
    message: '{"message_type":"Ping"}',
    waitingMessage: (spaces) => `{"id":"a"${' '.repeat(spaces)}}`,
    async open(server, token) {
      const client = await LiveSocket.open(server.wsUrl('Note'), { token });
      await client.messages.next(({ type }) => type === 'ready');
      return client;
    },
  },
  {
    name: 'multiplexed WebSocket',
    path: 'api/v1/realtime/ws',
    hasHooks: true,
    // A subscription that is no longer allowed ends alone.
    ends: {
      ...SOCKET_ENDS,
      expired: '1008 Token expired',
      revoked: '1008 Authentication failed',
      forbidden: undefined,
    },
    message: '{"action":"ping"}',
    waitingMessage: (spaces) => `{"action":"ping"${' '.repeat(spaces)}}`,
    async open(server, token) {
      const client = await LiveSocket.open(server.wsUrl('api/v1/realtime/ws'), { token });
      client.send('{"action":"subscribe","collection":"Note"}');
      await client.messages.next(({ type }) => type === 'subscribed');
      return client;
    },
  },
  {
    name: 'WebSocket of protocol v1',
    path: '_/live',
    hasHooks: true,
    // A subscription that is no longer allowed ends alone.
    ends: { ...SOCKET_ENDS, forbidden: undefined },
    message: '{"type":"ping"}',
    waitingMessage: (spaces) => `{"type":"ping"${' '.repeat(spaces)}}`,
    async open(server, token) {
      const client = await LiveSocket.open(server.wsUrl('_/live'), { token });
      client.send(V1_SUBSCRIBE);
      await client.messages.next(({ type }) => type === 'subscribed');
      return client;
    },
  },
  {
    name: 'WebSocket of a route',
    path: 'api/live',
    hasHooks: true,
    // Its handler has not waited for the client, which is cut off.
    ends: { ...SOCKET_ENDS, slow: /^1006$/ },
    message: '{}',
    waitingMessage: (spaces) => `{${' '.repeat(spaces)}}`,
    open: (server, token) => LiveSocket.open(server.wsUrl('api/live'), { token }),
    async openFlooded(server, token) {
      const client = await LiveSocket.open(server.wsUrl('api/live'), { token });
      client.send('flood');
      return client;
    },
  },
  {
    name: 'WebSocket with rooms',
    path: 'chat',
    hasHooks: false,
    // Roles do not decide about rooms.
    ends: { ...SOCKET_ENDS, forbidden: undefined },
    message: '{"type":"leave_room","room":"a"}',
    waitingMessage: (spaces) => `{"type":"message","data":{"text":"x"${' '.repeat(spaces)}}}`,
    async open(server, token) {
      const client = await LiveSocket.open(server.wsUrl('chat'), { token });
      client.send('{"type":"join_room","room":"a"}');
      await client.messages.next(({ type }) => type === 'joined');
      return client;
    },
  },
];

const V1_SUBSCRIBE = '{"type":"subscribe","id":1,"query":"Note"}';

const STREAMS: readonly ConnectionKind[] = [
  {
    name: 'stream of protocol v1',
    path: '_/live',
    hasHooks: true,
    ends: {
      expired: '{"type":"close","code":4401,"reason":"token expired"}',
      revoked: '{"type":"close","code":4403,"reason":"no longer allowed"}',
      forbidden: undefined,
      slow: /^cut off$|"code":4408/,
      stopped: /"code":1001/,
    },
    async open(server, token) {
      const client = await LiveStream.open(server.url('_/live'), { token });
      const { post } = await client.messages.next();
      const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
      await fetch(server.url(`_/${post}`), { method: 'POST', headers, body: V1_SUBSCRIBE });
      await client.messages.next(({ type }) => type === 'subscribed');
      return client;
    },
  },
  streamKind({ name: 'stream of a table', path: 'Note', hasHooks: true, ends: STREAM_ENDS }),
  streamKind({
    name: 'multiplexed stream',
    path: 'api/v1/realtime/subscribe?collection=Note&since=0',
    hasHooks: true,
    ends: {
      ...STREAM_ENDS,
      expired: '{"error":"Token expired","type":"error"}',
      revoked: '{"error":"Authentication failed","type":"error"}',
      forbidden: '{"error":"Forbidden","type":"error"}',
    },
  }),
  {
    ...streamKind({ name: 'stream of a route', path: 'api/ticks', hasHooks: true, ends: STREAM_ENDS }),
    openFlooded: (server, token) => LiveStream.open(server.url('api/ticks?flood=1'), { token }),
  },
  streamKind({
    name: 'stream with rooms',
    path: 'feed?room=a',
    hasHooks: false,
    ends: { ...STREAM_ENDS, forbidden: undefined },
  }),
];

function streamKind(kind: Omit<ConnectionKind, 'open'>): ConnectionKind {
  return {
    ...kind,
    async open(server, token) {
      const client = await LiveStream.open(server.url(kind.path), { token });
      await client.messages.next();
      return client;
    },
  };
}

async function startWithUsers(): Promise<UserServer> {
  const auth = `auth: {users: true, jwt: {secret: ${SECRET}}}\n`;
  // Faster than any machine sends, and not to be reached by a slow one.
  const limits = `limits: {messages_per_second: 1, messages_burst: ${MAX_MESSAGES}}\n`;
  const server = await startServer({ schema: SCHEMA, config: CONFIG + auth + limits, files: FILES });
  const user = async (args: readonly string[], input = '') => {
    const { code, stdout, stderr } = await runCommand(
      ['user', ...args.slice(0, 2), server.dir, ...args.slice(2)],
      input,
    );
    if (code !== 0) throw new Error(`user ${args.join(' ')}: ${stderr}`);
    return stdout.trim();
  };
  return {
    server,
    addUser: (name) => user(['add', name, '--role', 'editor', '--password-stdin'], 'a password that is long enough'),
    removeRoles: async (name) => void (await user(['role', name])),
    disable: async (name) => void (await user(['disable', name])),
    tokenOf: (sub, seconds = 600) => tokenOf(sub, { exp: inSeconds(seconds) }),
    flood: () => flood(server),
    [Symbol.asyncDispose]: () => server.discard(),
  };
}

async function flood(server: TestServer): Promise<void> {
  const text = 'x'.repeat(FLOOD_CHARS);
  for (let sent = 0; sent < FLOOD_MESSAGES; sent++) {
    const answers = await Promise.all([
      server.put(`Note/${sent % 10}`, { s: `${sent} ${text}` }),
      server.ask('POST', 'tell/chat', { json: { text } }),
      server.ask('POST', 'tell/feed', { json: { text } }),
    ]);
    for (const { status, text: body } of answers) if (status >= 300) throw new Error(`${status} ${body}`);
  }
}

async function startWithKeys(): Promise<KeyServer> {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const keys = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k1' }] });
  const waiting: ServerResponse[] = [];
  let onAsked = (): void => {};
  const asked = new Promise<void>((resolve) => (onAsked = resolve));
  const issuer = createServer((_, response) => {
    waiting.push(response);
    onAsked();
  });
  await new Promise<void>((resolve) => void issuer.listen(0, '127.0.0.1', resolve));
  const auth = `auth: {jwt: {jwks_url: "http://127.0.0.1:${(issuer.address() as AddressInfo).port}/jwks"}}\n`;
  const limits = `limits: {connections: ${MAX_CONNECTIONS}}\n`;
  const server = await startServer({ schema: SCHEMA, config: CONFIG + auth + limits, files: FILES });
  const claims = { sub: 'ann', roles: ['editor'], exp: inSeconds(600) };
  return {
    server,
    token: sign({ alg: 'RS256', kid: 'k1' }, claims, rsa(privateKey)),
    asked,
    answer() {
      for (const response of waiting.splice(0)) response.end(keys);
    },
    async [Symbol.asyncDispose]() {
      issuer.closeAllConnections();
      issuer.close();
      await server.discard();
    },
  };
}

describeConnections({ kinds: [...SOCKETS, ...STREAMS], sockets: SOCKETS, startWithUsers, startWithKeys });
