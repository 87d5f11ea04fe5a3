import { connect, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { BASE_CONFIG, IN_PROCESS, startServer, type TestServer } from '../support/app.ts';
import { parseAnswer, type RawAnswer, rawHttp } from '../support/http.ts';
import { RawWs } from '../support/raw-ws.ts';

const PATH = '/my-app/Message';
const CONFIGURED = ['https://app.example', 'http://localhost:5173', 'https://[2001:db8::1]:8443'];
const ANSWER_HEADERS = [
  'ETag',
  'Location',
  'Link',
  'X-Total-Count',
  'X-Position',
  'Idempotency-Replayed',
  'Retry-After',
];

/** What other pages send, or what somebody sends who hopes for a careless comparison. */
const STRANGERS = [
  'null',
  'https://evil.example',
  'https://app.example.evil.example',
  'https://evil-app.example',
  'https://app.exampl',
  'http://app.example',
  'https://app.example:8443',
  'https://sub.app.example',
  'https://app.example/',
  'https://app.example.',
  'HTTPS://APP.EXAMPLE',
  'https://app.example, https://evil.example',
  'https://user@app.example',
  'https://app.example#',
  'app.example',
  '',
  '*',
  'file://',
  'constructor',
  'http://localhost:5174',
  'http://localhost',
];

interface Ask {
  readonly host?: string;
  readonly headers?: readonly string[];
}

function upgrade(port: number, { host = `127.0.0.1:${port}`, headers = [] }: Ask = {}): Promise<number> {
  return withSocket(port, host, headers, ({ status }) => status);
}

async function withSocket<T>(
  port: number,
  host: string,
  headers: readonly string[],
  look: (answer: RawAnswer) => T,
): Promise<T> {
  const lines = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'];
  using ws = await RawWs.open(port, PATH, {
    headers: [`Host: ${host}`, ...lines, 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==', ...headers],
  });
  return look(ws.answer);
}

function get(port: number, path: string, { host = `127.0.0.1:${port}`, headers = [] }: Ask = {}): Promise<RawAnswer> {
  return rawHttp(port, [`GET ${path} HTTP/1.1`, `Host: ${host}`, ...headers, '', ''].join('\r\n'), 100);
}

const stream = (port: number, ask?: Ask) => get(port, `${PATH}?stream=sse`, ask);

describe('streams and pages of other origins', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test('the own origin, and clients that are no browser, open what they like', async () => {
    const { port } = server;
    for (const headers of [[], [`Origin: http://127.0.0.1:${port}`]]) {
      expect(await upgrade(port, { headers })).toBe(101);
      expect((await stream(port, { headers })).status).toBe(200);
    }
    for (const host of [`localhost:${port}`, `[::1]:${port}`, 'localhost']) {
      expect(await upgrade(port, { host, headers: [`Origin: http://${host}`] })).toBe(101);
    }
    // Browsers leave out the port that the scheme implies.
    expect(await upgrade(port, { host: 'localhost:80', headers: ['Origin: http://localhost'] })).toBe(101);
  });

  test.each([...STRANGERS, ...CONFIGURED])('%j is refused before the upgrade, with a reason', async (origin) => {
    const { port } = server;
    const refusal = await withSocket(port, `127.0.0.1:${port}`, [`Origin: ${origin}`], (answer) => answer);
    expect([refusal.status, refusal.headers.get('connection')]).toEqual([403, 'close']);
    expect(JSON.parse(refusal.body)).toMatchObject({ code: 'FORBIDDEN_ORIGIN' });
    for (const headers of [[`Origin: ${origin}`], [`Origin: ${origin}`, 'Cookie: a=b']]) {
      const { status, body } = await stream(port, { headers });
      expect([status, body.includes('connected')]).toEqual([403, false]);
    }
    expect((await get(port, PATH, { headers: [`Origin: ${origin}`, 'Accept: text/event-stream'] })).status).toBe(403);
  });

  test('another port or scheme of the own host is another origin', async () => {
    const { port } = server;
    for (const origin of [`https://127.0.0.1:${port}`, `http://127.0.0.1:${port + 1}`, `http://localhost:${port}`]) {
      expect(await upgrade(port, { headers: [`Origin: ${origin}`] })).toBe(403);
    }
  });

  test('it holds where there is no channel, and for upgrades to whatever else', async () => {
    const { port } = server;
    const lines = (path: string, protocol: string) =>
      `GET ${path} HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n` +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n';
    for (const path of ['/', '/my-app/Nothing', '/api/v1/realtime/ws', `${PATH}/a`, '/health/live']) {
      expect((await rawHttp(port, lines(path, 'websocket'))).status).toBe(403);
    }
    expect((await rawHttp(port, lines(PATH, 'WebSocket, h2c'))).status).toBe(403);
  });

  test('two Origins are none that is known', async () => {
    const { port } = server;
    const own = `Origin: http://127.0.0.1:${port}`;
    expect(await upgrade(port, { headers: [own, 'Origin: https://evil.example'] })).toBe(403);
    expect(await upgrade(port, { headers: ['Origin: https://evil.example', own] })).toBe(403);
  });

  test('what a client says of a proxy does not count', async () => {
    const { port } = server;
    const headers = ['Origin: https://evil.example', 'X-Forwarded-Host: evil.example', 'X-Forwarded-Proto: https'];
    expect(await upgrade(port, { headers })).toBe(403);
    expect((await stream(port, { headers })).status).toBe(403);
    expect(await upgrade(port, { headers: [...headers, 'Forwarded: host=evil.example;proto=https'] })).toBe(403);
  });

  test('no other origin may read anything: no header of CORS, in no preflight either', async () => {
    const { port } = server;
    const answer = await get(port, PATH, { headers: ['Origin: https://evil.example'] });
    expect([...answer.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
    expect(answer.headers.get('vary')).not.toMatch(/origin/i);
    const preflight = await server.ask('OPTIONS', 'Message', {
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'PUT' },
    });
    expect(preflight.status).toBe(204);
    expect([...preflight.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
  });
});

describe('behind a proxy that ends TLS', () => {
  test('the origin is that of the proxy, only when it is trusted, and only in its own words', async () => {
    await using server = await startServer({ config: `${BASE_CONFIG}trust_proxy: true\n` });
    const { port } = server;
    const forwarded = (proto: string, host: string) => [`X-Forwarded-Proto: ${proto}`, `X-Forwarded-Host: ${host}`];
    const ask = (origin: string, proto: string, host: string) =>
      upgrade(port, { headers: [`Origin: ${origin}`, ...forwarded(proto, host)] });
    expect(await ask('https://app.example', 'https', 'app.example')).toBe(101);
    expect(await ask('https://app.example:8443', 'https', 'app.example:8443')).toBe(101);
    expect(await ask('http://app.example', 'https', 'app.example')).toBe(403);
    expect(await ask('https://app.example', 'https', 'other.example')).toBe(403);
    // What the client had sent comes first; the proxy has added what it knows.
    expect(await ask('https://evil.example', 'https, https', 'evil.example, app.example')).toBe(403);
    expect(await ask('https://evil.example', 'https', 'evil.example@')).toBe(403);
    expect(await ask('javascript://app.example', 'javascript', 'app.example')).toBe(403);
  });
});

test.skipIf(IN_PROCESS).each([
  ['', 403, 1],
  ['trust_proxy: true\n', 101, 0],
])(
  'a page of the own name under https, with %j, is answered %d, with %d hints in the log',
  async (more, status, hints) => {
    await using server = await startServer({ config: `${BASE_CONFIG}${more}logging: { requests: true }\n` });
    const { port } = server;
    const own = `127.0.0.1:${port}`;
    const forwarded = ['X-Forwarded-Proto: https', `X-Forwarded-Host: ${own}`];
    expect(await upgrade(port, { headers: ['Origin: https://evil.example', ...forwarded] })).toBe(403);
    expect(await upgrade(port, { headers: [`Origin: http://${own}`, ...forwarded] })).toBe(status === 101 ? 403 : 101);
    for (let n = 0; n < 2; n++) {
      expect(await upgrade(port, { headers: [`Origin: https://${own}`, ...forwarded] })).toBe(status);
    }
    await server.ask('GET', 'Message/last');
    await server.logs.next(({ path }) => path === '/my-app/Message/last');
    const told = server.logs.items.filter(({ msg }) => String(msg).includes('set trust_proxy'));
    expect(told).toHaveLength(hints);
    expect(told.every(({ level }) => level === 40)).toBe(true);
  },
);

describe('pages of configured origins', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({
      config: `${BASE_CONFIG}cors:\n  origins: [${CONFIGURED.map((o) => `"${o}"`).join(', ')}]\n`,
    });
    await server.put('Message/a', { title: 'A', content: 'B' });
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test.each(CONFIGURED)('%s opens sockets and streams, and reads answers', async (origin) => {
    const { port } = server;
    const headers = [`Origin: ${origin}`];
    expect(await upgrade(port, { headers })).toBe(101);
    for (const answer of [
      await stream(port, { headers }),
      await get(port, `${PATH}/a`, { headers }),
      await get(port, PATH, { headers }),
      await get(port, `${PATH}/none`, { headers }),
      await get(port, `${PATH}?nothing=1`, { headers }),
    ]) {
      expect(answer.headers.get('access-control-allow-origin')).toBe(origin);
      expect(answer.headers.get('vary')).toContain('Origin');
      expect(answer.headers.has('access-control-allow-credentials')).toBe(false);
      const exposed = answer.headers.get('access-control-expose-headers')?.split(', ');
      expect(exposed).toEqual(expect.arrayContaining(ANSWER_HEADERS));
    }
    const events = await stream(port, { headers });
    expect(events.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(events.body).toContain('data: {"type":"connected","status":"ok"}');
  });

  test.each(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'])('may ask whether they may %s', async (method) => {
    const answer = await server.ask('OPTIONS', 'Message/a', {
      headers: {
        origin: 'https://app.example',
        'access-control-request-method': method,
        'access-control-request-headers': 'content-type, if-match',
      },
    });
    expect([answer.status, answer.text]).toEqual([204, '']);
    expect(answer.headers.get('access-control-allow-origin')).toBe('https://app.example');
    expect(answer.headers.get('access-control-allow-methods')?.split(', ')).toContain(method);
    expect(answer.headers.get('access-control-allow-headers')).toBe(
      'Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, Prefer, X-Min-Position',
    );
    expect(answer.headers.get('access-control-max-age')).toBe('7200');
    expect(answer.headers.get('allow')).toBe('GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS');
  });

  test('may ask about what is not there, to read that it is not', async () => {
    const headers = { origin: 'https://app.example', 'access-control-request-method': 'GET' };
    const answer = await server.ask('OPTIONS', 'Nothing', { headers });
    expect([answer.status, answer.headers.get('allow')]).toEqual([204, null]);
    expect(answer.headers.get('access-control-allow-origin')).toBe('https://app.example');
    const { origin } = headers;
    expect((await server.ask('OPTIONS', 'Nothing', { headers: { origin } })).status).toBe(404);
  });

  test.each(STRANGERS)('%j is refused on every transport', async (origin) => {
    const { port } = server;
    const headers = [`Origin: ${origin}`];
    expect(await upgrade(port, { headers })).toBe(403);
    const events = await stream(port, { headers });
    const list = await get(port, PATH, { headers });
    expect([events.status, list.status]).toEqual([403, 200]);
    expect([events, list].some((answer) => answer.headers.has('access-control-allow-origin'))).toBe(false);
    const preflight = parseAnswer(
      (
        await rawHttp(
          port,
          `OPTIONS ${PATH} HTTP/1.1\r\nHost: localhost\r\nOrigin: ${origin}\r\nAccess-Control-Request-Method: PUT\r\n\r\n`,
          100,
        )
      ).all,
    );
    expect([preflight.status, preflight.headers.has('access-control-allow-origin')]).toEqual([204, false]);
  });

  test('the own origin needs no mention', async () => {
    const { port } = server;
    expect(await upgrade(port, { headers: [`Origin: http://127.0.0.1:${port}`] })).toBe(101);
    expect((await stream(port, { headers: [`Origin: http://127.0.0.1:${port}`] })).status).toBe(200);
  });
});

test('header fields of the application are allowed and read by name', async () => {
  const config = `${BASE_CONFIG}cors:
  origins: ["https://app.example"]
  allowed_headers: [traceparent, X-Team, if-match]
  exposed_headers: [Server-Timing]
`;
  await using server = await startServer({ config });
  const origin = 'https://app.example';
  const preflight = await server.ask('OPTIONS', 'Message', {
    headers: { origin, 'access-control-request-method': 'GET', 'access-control-request-headers': 'traceparent,x-team' },
  });
  const allowed = preflight.headers.get('access-control-allow-headers')?.split(', ');
  expect(allowed).toEqual(expect.arrayContaining(['traceparent', 'X-Team', 'If-Match', 'Authorization']));
  expect(allowed).not.toContain('if-match');
  const answer = await server.ask('GET', 'Message', { headers: { origin } });
  const exposed = answer.headers.get('access-control-expose-headers')?.split(', ');
  expect(exposed).toEqual(expect.arrayContaining(['Server-Timing', 'ETag', 'Accept-Patch']));
});

describe('credentials', () => {
  test('are allowed to origins that are named, when that is said', async () => {
    const config = `${BASE_CONFIG}cors: { origins: ["https://app.example"], credentials: true }\n`;
    await using server = await startServer({ config });
    const answer = await stream(server.port, { headers: ['Origin: https://app.example', 'Cookie: a=b'] });
    expect(answer.headers.get('access-control-allow-origin')).toBe('https://app.example');
    expect(answer.headers.get('access-control-allow-credentials')).toBe('true');
    const other = await get(server.port, PATH, { headers: ['Origin: https://evil.example', 'Cookie: a=b'] });
    expect([...other.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
  });

  test('do not come with *, which lets every page in and says so at the start', async () => {
    await using server = await startServer({ config: `${BASE_CONFIG}cors: { origins: ["*"] }\n` });
    for (const origin of ['https://evil.example', 'null']) {
      const headers = [`Origin: ${origin}`, 'Cookie: a=b'];
      expect(await upgrade(server.port, { headers })).toBe(101);
      const answer = await stream(server.port, { headers });
      expect(answer.headers.get('access-control-allow-origin')).toBe('*');
      expect(answer.headers.has('access-control-allow-credentials')).toBe(false);
    }
    expect(server.stdout).toContain('cors.origins is \\"*\\": every page');
  });
});

describe('over TLS', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ config: `${BASE_CONFIG}tls: auto\ncors: { origins: ["https://app.example"] }\n` });
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const open = (origin: string) => {
    const socket = new WebSocket(server.wsUrl('Message'), { origin, rejectUnauthorized: false });
    return new Promise<number>((resolve) => {
      socket.once('open', () => resolve(101));
      socket.once('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0));
      socket.on('error', () => undefined);
    }).finally(() => socket.terminate());
  };

  test('the own origin has https', async () => {
    expect(await open(`https://127.0.0.1:${server.port}`)).toBe(101);
    expect(await open('https://app.example')).toBe(101);
    for (const origin of [`http://127.0.0.1:${server.port}`, 'https://127.0.0.1', 'https://evil.example', 'null']) {
      expect(await open(origin)).toBe(403);
    }
  });

  test('HTTP/2 has the same checks, and streams the same headers', async () => {
    const session = connect(server.origin, { rejectUnauthorized: false });
    const request = (headers: OutgoingHttpHeaders) =>
      new Promise<IncomingHttpHeaders>((resolve, reject) => {
        const stream = session.request({ ':path': `${PATH}?stream=sse`, ...headers });
        stream.once('error', reject);
        stream.once('response', (answer) => {
          resolve(answer);
          stream.close();
        });
      });
    const friend = await request({ origin: 'https://app.example' });
    expect(friend).toMatchObject({
      ':status': 200,
      'content-type': 'text/event-stream; charset=utf-8',
      'access-control-allow-origin': 'https://app.example',
    });
    expect((await request({ origin: `https://127.0.0.1:${server.port}` }))[':status']).toBe(200);
    expect((await request({ origin: 'https://evil.example' }))[':status']).toBe(403);
    expect((await request({ ':authority': 'evil.example' }))[':status']).toBe(421);
    expect((await request({ ':authority': 'localhost', host: 'evil.example' }))[':status']).toBe(421);
    session.close();
  });
});
