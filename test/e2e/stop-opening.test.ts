import { generateKeyPairSync } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { BASE_CONFIG, startServer } from '../support/app.ts';
import { ask } from '../support/http.ts';
import { inSeconds, rsa, sign } from '../support/tokens.ts';
import { until } from '../support/wait.ts';

const KEYS = generateKeyPairSync('rsa', { modulusLength: 2048 });
const JWKS = JSON.stringify({ keys: [{ ...KEYS.publicKey.export({ format: 'jwk' }), kid: 'k1' }] });
const TOKEN = sign({ alg: 'RS256', kid: 'k1' }, { sub: 'ann', exp: inSeconds(600) }, rsa(KEYS.privateKey));
const SCHEMA = 'type Note @table @export(public: [read, subscribe]) { id: ID! @primaryKey }';
const ROUTES = `export const routes = {
  live: { kind: 'ws', handler: { onMessage() {} } },
  ticks: { kind: 'sse', handler: () => new Promise(() => {}) },
};`;
const CONNECTORS = 'connectors:\n  chat: {type: websocket, path: /chat}\n  feed: {type: sse, path: /feed}\n';
const UPGRADE =
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n';

test('a stream whose token is being checked while the server stops is refused, on every transport', async () => {
  const waiting: ServerResponse[] = [];
  const issuer = createServer((_, response) => waiting.push(response));
  await new Promise<void>((resolve) => void issuer.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    issuer.closeAllConnections();
    issuer.close();
  });
  const jwks = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/jwks`;
  const auth = `auth:\n  jwt:\n    jwks_url: ${jwks}\n`;
  const config = `${BASE_CONFIG}${auth}${CONNECTORS}routes: routes.mjs\n`;
  await using server = await startServer({ schema: SCHEMA, config, files: { 'routes.mjs': ROUTES } });
  const open = async (path: string, more = '') => {
    const socket = connect(server.port, '127.0.0.1');
    socket.write(`GET /my-app/${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\n${more}\r\n`);
    return [path, (await text(socket)).slice(0, 12)];
  };
  const answers = Promise.all([
    open('Note', UPGRADE),
    open('Note?stream=sse'),
    open('api/v1/realtime/ws', UPGRADE),
    open('api/v1/realtime/subscribe'),
    open('api/live', UPGRADE),
    open('api/ticks'),
    open('chat', UPGRADE),
    open('feed'),
  ]);
  await until(
    async () => waiting.length,
    (length) => length === 1,
    { what: 'the question for the keys' },
  );
  await ask('GET', `${server.origin}/health/live`);
  const stopped = server.stop();
  await server.logs.next(({ msg }) => msg === 'stopping');
  for (const response of waiting.splice(0)) response.end(JWKS);
  for (const [path, answer] of await answers) expect([path, answer]).toEqual([path, 'HTTP/1.1 503']);
  await stopped;
}, 30_000);
