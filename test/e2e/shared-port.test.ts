import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { get } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { connect as connectTls } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import { rawHttp } from '../support/http.ts';
import { WsClient } from '../support/ws-client.ts';

const SPEC_CONFIG = 'rest: true\nws: true\nschemas:\n  - schema.graphql\n';
const UNTRUSTED = { rejectUnauthorized: false };
const record = { title: 't', content: 'c' };

function certificateOf(server: TestServer): string {
  return JSON.parse(readFileSync(join(server.dir, 'data', 'localhost.json'), 'utf8')).cert;
}

async function getSecure(url: string, options: object): Promise<string> {
  const [answer] = await once(get(url, options), 'response');
  return text(answer);
}

describe('plain HTTP and TLS on one port of loopback', { timeout: 30_000 }, () => {
  test("wss://localhost opens with the spec's own config.yaml, beside ws:// and http://", async () => {
    await using server = await startServer({ config: SPEC_CONFIG, args: ['--port', '0'] });
    expect(server.origin).toMatch(/^http:/);
    expect((await server.ask('GET', 'Message')).status).toBe(200);
    const path = `localhost:${server.port}/my-app/Message`;
    using plain = await WsClient.subscribe(`ws://${path}`);
    // The first one has the certificate made, and more of them wait for the same.
    const [first, second] = await Promise.all([1, 2].map(() => WsClient.subscribe(`wss://${path}`, UNTRUSTED)));
    const ca = certificateOf(server);
    using trusting = await WsClient.subscribe(`wss://${path}`, { ca });
    first?.send({ id: 'msg-new', title: 'From WebSocket', content: 'Sent via WS' });
    for (const client of [plain, first, second, trusting]) {
      expect(await client?.next()).toMatchObject({ message_type: 'Update', id: 'msg-new' });
    }
    expect(await server.openSockets()).toBe(4);
    for (const client of [first, second]) client?.[Symbol.dispose]();
    expect(await getSecure(`https://${path}/msg-new?select=id`, { ca })).toBe('{"id":"msg-new"}');
    await server.stop();
    await server.start();
    expect(await getSecure(`https://localhost:${server.port}/my-app/Message?select=id`, { ca })).toBe(
      '[{"id":"msg-new"}]',
    );
  });

  test('HTTP/2 is spoken over TLS, with the same routes, origins and errors', async () => {
    await using server = await startServer();
    const session = connectHttp2(`https://localhost:${server.port}`, UNTRUSTED);
    const ask = async (headers: Record<string, string>, body?: string) => {
      const stream = session.request(headers);
      stream.end(body);
      const [answer] = await once(stream, 'response');
      return [answer[':status'], await text(stream)];
    };
    const path = '/my-app/Message/a';
    const json = { 'content-type': 'application/json' };
    const put = { ':method': 'PUT', ':path': path, ...json };
    expect((await ask(put, JSON.stringify(record)))[0]).toBe(201);
    expect((await ask({ ':path': `${path}?select=id` }))[1]).toBe('{"id":"a"}');
    expect((await ask({ ':path': '/nothing' }))[0]).toBe(404);
    expect((await ask({ ':path': '/health/ready' }))[0]).toBe(200);
    const from = (origin: string) =>
      ask({ ':path': '/my-app/Message?stream=sse&limit=x', accept: 'text/event-stream', origin });
    // A page that came over TLS is of this origin, and one that came without is not.
    expect((await from(`https://localhost:${server.port}`))[0]).toBe(400);
    expect((await from(`http://localhost:${server.port}`))[0]).toBe(403);
    session.destroy();
  });

  test.skipIf(spawnSync('curl', ['--version']).status !== 0)(
    'curl -k reads over TLS, with HTTP/1.1 and 2',
    async () => {
      await using server = await startServer();
      for (const version of ['--http1.1', '--http2']) {
        const url = `https://localhost:${server.port}/my-app/Message`;
        expect(execFileSync('curl', ['-sSk', version, url]).toString()).toBe('[]');
      }
    },
  );

  test('a greeting that comes in pieces is understood', async () => {
    await using server = await startServer();
    const socket = connect(server.port, '127.0.0.1');
    const { write } = socket;
    // The first byte by itself.
    socket.write = ((data: Uint8Array, ...rest: []) => {
      write.call(socket, data.subarray(0, 1));
      setTimeout(() => write.call(socket, data.subarray(1), ...rest), 50);
      socket.write = write;
      return true;
    }) as typeof write;
    const secure = connectTls({ socket, ...UNTRUSTED });
    secure.on('error', () => {});
    await once(secure, 'secureConnect');
    secure.end('GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    expect(await text(secure)).toMatch(/^HTTP\/1\.1 200 OK/);
  });

  test('tls: false switches it off', async () => {
    await using server = await startServer({ config: `${BASE_CONFIG}tls: false\n` });
    await expect(getSecure(`https://localhost:${server.port}/health/live`, UNTRUSTED)).rejects.toThrow(
      /SSL|EPROTO|hang up/,
    );
    expect((await server.ask('GET', 'Message')).status).toBe(200);
  });

  test('connections that send nothing, half a greeting or half a header are closed in time', async () => {
    await using server = await startServer({ config: `${BASE_CONFIG}limits:\n  headers_timeout: 1s\n` });
    const started = performance.now();
    const sent = (bytes: Buffer) => {
      const socket = connect(server.port, '127.0.0.1').on('error', () => {});
      socket.write(bytes);
      return once(socket.resume(), 'close');
    };
    const secure = connectTls({ port: server.port, host: 'localhost', ...UNTRUSTED }).on('error', () => {});
    await once(secure, 'secureConnect');
    secure.write('GET / HTTP/1.1\r\nHost: localhost\r\n');
    await Promise.all([
      sent(Buffer.from('')),
      sent(Buffer.from([0x16, 3, 1])),
      sent(Buffer.from('GET / HT')),
      once(secure.resume(), 'close'),
    ]);
    expect(performance.now() - started).toBeLessThan(8000);
  });

  test('a stop waits for what is under way over TLS, and for no greeting that never ends', async () => {
    await using server = await startServer();
    using client = await WsClient.subscribe(`wss://localhost:${server.port}/my-app/Message`, UNTRUSTED);
    const session = connectHttp2(`https://localhost:${server.port}`, UNTRUSTED);
    await once(session, 'remoteSettings');
    const half = connect(server.port, '127.0.0.1').on('error', () => {});
    half.write(Buffer.from([0x16, 3, 1]));
    expect(
      (await rawHttp(server.port, 'GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')).status,
    ).toBe(200);
    const started = performance.now();
    const goaway = once(session, 'goaway');
    await server.stop();
    await goaway;
    expect((await client.closed).code).toBe(1001);
    // Well below limits.shutdown.
    expect(performance.now() - started).toBeLessThan(8000);
    session.destroy();
    half.destroy();
  });
});
