import { generateKeyPairSync } from 'node:crypto';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import { AUTH_SCHEMA, bearer } from '../support/auth-app.ts';
import { ask } from '../support/http.ts';
import { openRaw } from '../support/raw-open.ts';
import { SseClient } from '../support/sse-client.ts';
import { inSeconds, rsa, sign } from '../support/tokens.ts';
import { until } from '../support/wait.ts';
import { WsClient } from '../support/ws-client.ts';

const KEYS = generateKeyPairSync('rsa', { modulusLength: 2048 });
const JWKS = JSON.stringify({ keys: [{ ...KEYS.publicKey.export({ format: 'jwk' }), kid: 'k1' }] });
const TOKEN = sign({ alg: 'RS256', kid: 'k1' }, { sub: 'ann', exp: inSeconds(600) }, rsa(KEYS.privateKey));

/** The issuer of the tokens, which answers when the test says so. */
let issuer: Server;
const waiting: ServerResponse[] = [];
let server: TestServer;

beforeAll(async () => {
  issuer = createServer((_, response) => waiting.push(response));
  await new Promise<void>((resolve) => void issuer.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/jwks`;
  server = await startServer({ schema: AUTH_SCHEMA, config: `${BASE_CONFIG}auth:\n  jwt:\n    jwks_url: ${url}\n` });
});
afterAll(async () => {
  issuer.closeAllConnections();
  issuer.close();
  await server[Symbol.asyncDispose]();
});

describe('tokens of an issuer with a JWKS URL', () => {
  test('wait for its keys; who leaves meanwhile leaves nothing behind', async () => {
    const head = `Authorization: Bearer ${TOKEN}\r\nHost: x\r\n`;
    const upgrade =
      'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n';
    const stream = await openRaw(server.port, `GET /my-app/Note?stream=sse HTTP/1.1\r\n${head}\r\n`);
    const socket = await openRaw(server.port, `GET /my-app/Note HTTP/1.1\r\n${head}${upgrade}\r\n`);
    const asked = server.ask('GET', 'auth/me', bearer(TOKEN));
    await until(
      async () => waiting.length,
      (length) => length === 1,
      { what: 'the question for the keys' },
    );
    stream.resetAndDestroy();
    socket.resetAndDestroy();
    await ask('GET', `${server.origin}/health/live`);
    for (const response of waiting.splice(0)) response.end(JWKS);
    expect((await asked).record.sub).toBe('ann');
    expect(await server.metric(/^tablecast_\w*connections\w*\{/)).toBe(0);
  });

  test('open every door, without another question', async () => {
    using stream = await SseClient.subscribe(server.url('Note'), bearer(TOKEN));
    using socket = await WsClient.subscribe(server.wsUrl('Note'), { protocols: [TOKEN] });
    expect([stream.status, socket.socket.protocol, waiting.length]).toEqual([200, TOKEN, 0]);
  });

  test('are none when signed with another key', async () => {
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const forged = sign({ alg: 'RS256', kid: 'k1' }, { sub: 'ann', exp: inSeconds(600) }, rsa(other.privateKey));
    expect((await server.ask('GET', 'auth/me', bearer(forged))).status).toBe(401);
  });

  test('the start says where the keys are from', () => {
    const line = server.logs.items.find(({ msg }) => msg === 'authentication is on');
    expect(line).toMatchObject({
      app: 'my-app',
      auth: expect.stringMatching(/^RS256 tokens by http:\/\/127\.0\.0\.1:\d+\/jwks$/),
    });
  });
});
