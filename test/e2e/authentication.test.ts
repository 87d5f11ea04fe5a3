import { connect } from 'node:http2';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { TestServer } from '../support/app.ts';
import { accessToken, bearer, startAuthServer } from '../support/auth-app.ts';
import { ask } from '../support/http.ts';
import { SseClient } from '../support/sse-client.ts';
import { forgedTokens, inSeconds, SECRET } from '../support/tokens.ts';
import { refusedUpgrade, WsClient } from '../support/ws-client.ts';

const INVALID = 'Bearer error="invalid_token"';
let server: TestServer;

beforeAll(async () => {
  server = await startAuthServer('  query_token: true\n');
});
afterAll(() => server[Symbol.asyncDispose]());

/** Everything that the server has written so far. */
const written = () => server.stdout + server.stderr;

describe('who is asking', () => {
  test('is told by /auth/me, from the header', async () => {
    const exp = inSeconds(600);
    const answer = await server.ask('GET', 'auth/me', bearer(accessToken('ann', { roles: ['editor'], team: 7, exp })));
    expect(answer.status).toBe(200);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.record).toEqual({
      sub: 'ann',
      roles: ['editor'],
      claims: { sub: 'ann', roles: ['editor'], team: 7, exp, iss: 'us', aud: 'app' },
      expires_at: new Date(exp * 1000).toISOString(),
    });
  });

  test('is told at the start, without the secret', () => {
    const lines = server.logs.items.filter(({ msg }) => /authentication|callers/.test(String(msg)));
    expect(lines).toMatchObject([{ msg: 'authentication is on', app: 'my-app', auth: 'HS256 tokens by a secret' }]);
  });

  test('is anonymous without a token, which /auth/me answers with 401', async () => {
    const answer = await server.ask('GET', 'auth/me');
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
    expect(answer.record.code).toBe('UNAUTHORIZED');
  });

  test('may do without a token what is public', async () => {
    expect((await server.ask('GET', 'Note')).status).toBe(200);
    expect((await server.ask('PUT', 'Note/a', { json: { text: 'x' } })).status).toBe(201);
    using stream = await SseClient.subscribe(server.url('Note'));
    expect(stream.status).toBe(200);
    using socket = await WsClient.subscribe(server.wsUrl('Note'));
    expect(socket.isOpen).toBe(true);
  });

  test('gets 401 where a login might help, and 403 when it is logged in', async () => {
    const anonymous = await server.ask('GET', 'Locked');
    expect([anonymous.status, anonymous.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
    expect(anonymous.record.code).toBe('UNAUTHORIZED');
    expect((await server.ask('POST', 'Locked', { json: { id: 'a' } })).status).toBe(401);
    expect((await refusedUpgrade(server.wsUrl('Locked'))).status).toBe(401);
    expect((await server.ask('GET', 'Locked?stream=sse')).status).toBe(401);
    const known = await server.ask('GET', 'Locked', bearer(accessToken('ann')));
    expect([known.status, known.record.code, known.headers.get('www-authenticate')]).toEqual([403, 'FORBIDDEN', null]);
    const { status } = await refusedUpgrade(server.wsUrl('Locked'), bearer(accessToken('ann')));
    expect(status).toBe(403);
  });

  test('is asked before anything else is looked at', async () => {
    const bad = bearer(accessToken('ann', { aud: 'else' }));
    for (const [method, path, options] of [
      ['GET', 'Note?nonsense=1', bad],
      ['HEAD', 'Note', bad],
      ['HEAD', 'Note/a', bad],
      ['GET', 'Note/a', bad],
      ['POST', 'Note', { ...bad, body: '{' }],
      ['PUT', 'Note/a', { ...bad, json: { text: 'never' } }],
      ['PATCH', 'Note/a', { ...bad, json: { text: 'never' } }],
      ['DELETE', 'Note/a', bad],
      ['DELETE', 'Note?all=true', bad],
      ['POST', 'Note?publish=true', { ...bad, json: {} }],
      ['GET', 'auth/me', bad],
    ] as const) {
      const answer = await server.ask(method, path, options);
      expect([method, path, answer.status, answer.headers.get('www-authenticate')]).toEqual([
        method,
        path,
        401,
        INVALID,
      ]);
    }
    expect((await server.ask('GET', 'Note/a')).record.text).toBe('x');
  });

  test('is not asked for contract pages and health', async () => {
    const bad = bearer('nonsense');
    expect((await server.ask('GET', 'openapi.json', bad)).status).toBe(200);
    expect((await ask('GET', `${server.origin}/health/live`, bad)).status).toBe(200);
  });

  test('is told once: several tokens are refused', async () => {
    const token = accessToken('ann');
    const { status } = await refusedUpgrade(server.wsUrl('Note'), { ...bearer(token), protocols: [token] });
    expect(status).toBe(400);
  });

  test('is never mixed up between requests that are under way together', async () => {
    const tokens = Array.from({ length: 50 }, (_, index) => accessToken(`user-${index}`, { roles: [`r${index}`] }));
    const results: string[] = [];
    for (let round = 0; round < 10; round++) {
      const answers = Array.from({ length: 100 }, async (_, index) => {
        const user = index % 2 === 0 ? undefined : (index * 7 + round) % 50;
        const options = user === undefined ? {} : bearer(tokens[user] as string);
        const answer = await server.ask('GET', 'auth/me', options);
        const told = answer.status === 401 ? 'nobody' : `${answer.record.sub} ${String(answer.record.roles)}`;
        return told === (user === undefined ? 'nobody' : `user-${user} r${user}`) ? 'right' : `wrong: ${told}`;
      });
      results.push(...(await Promise.all(answers)));
    }
    expect(results.length).toBe(1000);
    expect(new Set(results)).toEqual(new Set(['right']));
  });

  test('counts for an Idempotency-Key: that of one is nothing to another', async () => {
    const post = (sub: string) =>
      server.ask('POST', 'Note', {
        json: { text: sub },
        headers: { ...bearer(accessToken(sub)).headers, 'idempotency-key': 'k-1' },
      });
    const [ann, bob, again] = [await post('ann'), await post('bob'), await post('ann')];
    expect([ann.status, bob.status, again.record.id]).toEqual([201, 201, ann.record.id]);
    expect(bob.record.text).toBe('bob');
  });
});

describe('forged tokens', () => {
  const forged = forgedTokens();

  test('are never accepted by REST', async () => {
    const accepted: string[] = [];
    for (const [name, token] of forged) {
      for (const path of ['auth/me', 'Note']) {
        const answer = await server.ask('GET', path, bearer(token));
        if (answer.status !== 401 || answer.headers.get('www-authenticate') !== INVALID)
          accepted.push(`${name} ${path}`);
        if (token.length > 10 && answer.text.includes(token.slice(0, 30))) accepted.push(`${name} is echoed`);
      }
    }
    expect([forged.length > 30, accepted]).toEqual([true, []]);
  });

  test('are never accepted by Server-Sent Events', async () => {
    const accepted: string[] = [];
    for (const [name, token] of forged) {
      const header = await server.ask('GET', 'Note?stream=sse', bearer(token));
      if (header.status !== 401) accepted.push(`${name} in the header`);
      if (token.length > 7000) continue;
      const query = await server.ask('GET', `Note?stream=sse&token=${encodeURIComponent(token)}`);
      if (query.status !== 401) accepted.push(`${name} in the query`);
    }
    expect(accepted).toEqual([]);
  });

  test('are never accepted by WebSocket', async () => {
    const accepted: string[] = [];
    for (const [name, token] of forged) {
      const url = server.wsUrl('Note');
      const header = await refusedUpgrade(url, bearer(token));
      const named = await refusedUpgrade(url, { protocols: [`bearer.${token}`, 'tablecast.json'] });
      const query = token.length > 7000 ? header : await refusedUpgrade(`${url}?token=${encodeURIComponent(token)}`);
      const alone = token.startsWith('ey') ? await refusedUpgrade(url, { protocols: [token] }) : header;
      for (const { status, body } of [header, named, query, alone]) {
        if (status !== 401 || body.includes(token.slice(0, 40))) accepted.push(`${name} ${status}`);
      }
    }
    expect(accepted).toEqual([]);
  });

  test('are in no line of the log', () => {
    const lines = written();
    const logged = forged.filter(([, token]) => token.length > 20 && lines.includes(token.slice(0, 40)));
    expect(logged.map(([name]) => name)).toEqual([]);
    expect(lines).not.toContain(SECRET);
    expect(lines).toContain('"path":"/my-app/Note"');
  });
});

describe('the doors of a WebSocket', () => {
  const token = accessToken('ann');

  /** What came back, once it is known that the opener is somebody. */
  async function opened(path: string, options: Parameters<typeof WsClient.open>[1] = {}) {
    using socket = await WsClient.subscribe(server.wsUrl(path), options);
    socket.send({ type: 'auth', token: accessToken('ann', { exp: inSeconds(7200) }), ref: 1 });
    expect(await socket.control('auth', 1)).toMatchObject({ type: 'auth' });
    return socket.socket.protocol;
  }

  test('are the header, and the subprotocol, which is echoed', async () => {
    expect(await opened('Note', bearer(token))).toBe('');
    expect(await opened('Note', { protocols: [token] })).toBe(token);
    expect(await opened('Note', { protocols: [`bearer.${token}`] })).toBe(`bearer.${token}`);
    expect(await opened('Note', { protocols: [`bearer.${token}`, 'tablecast.json'] })).toBe('tablecast.json');
    expect(await opened('Note/a', { protocols: ['tablecast.json', `bearer.${token}`] })).toBe('tablecast.json');
  });

  test('and the query, where it is open', async () => {
    expect(await opened(`Note?token=${token}&echo=false`)).toBe('');
  });

  test('open for a client that breaks off, as browsers do, when no subprotocol comes back', async () => {
    const socket = new WebSocket(server.wsUrl('Note'), [token]);
    const first = await new Promise((resolve, reject) => {
      socket.once('message', resolve);
      socket.once('error', reject);
      socket.once('close', reject);
    });
    expect(JSON.parse(String(first))).toMatchObject({ type: 'ready' });
    expect(socket.protocol).toBe(token);
    socket.terminate();
  });

  test('leave an unknown ticket outside', async () => {
    const url = `${server.wsUrl('Note')}?ticket=tct_unknown-ticket`;
    const { status, body } = await refusedUpgrade(url);
    expect([status, body.includes('unknown-ticket')]).toEqual([401, false]);
    const answer = await server.ask('GET', 'Note?stream=sse&ticket=tct_unknown-ticket');
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, INVALID]);
  });

  test('leave nothing in log and metrics', async () => {
    expect(written()).not.toContain(token.slice(0, 30));
    expect(written()).not.toContain('unknown-ticket');
    const { text } = await ask('GET', `${server.origin}/metrics`);
    expect(text).not.toContain(token.slice(0, 30));
    expect(text).not.toMatch(/ticket|token=/);
  });
});

test('fields called ticket and token are asked for as any other', async () => {
  await server.put('Ticketed/a', { ticket: 't1', token: 'k1' });
  await server.put('Ticketed/b', { ticket: 't2', token: 'k2' });
  expect((await server.ask('GET', 'Ticketed?ticket=t1')).records).toMatchObject([{ id: 'a' }]);
  using stream = await SseClient.subscribe(server.url('Ticketed?token=k2'));
  await server.put('Ticketed/c', { token: 'k1' });
  await server.put('Ticketed/d', { token: 'k2' });
  expect((await stream.next('update')).json).toMatchObject({ id: 'd' });
});

describe('unless it is opened, the query', () => {
  test('takes no token, and its error does not repeat it', async () => {
    await using closed = await startAuthServer();
    const token = accessToken('ann');
    for (const path of ['Note', 'Note?stream=sse', 'Note/a']) {
      const answer = await closed.ask('GET', `${path}${path.includes('?') ? '&' : '?'}token=${token}`);
      expect([path, answer.status, answer.record.code]).toEqual([path, 400, 'INVALID_QUERY']);
      expect(answer.text).not.toContain(token.slice(0, 30));
    }
    const { status, body } = await refusedUpgrade(`${closed.wsUrl('Note')}?token=${token}`);
    expect([status, body.includes(token.slice(0, 30))]).toEqual([400, false]);
    expect(closed.stdout + closed.stderr).not.toContain(token.slice(0, 30));
  });
});

test('HTTP/2 asks in the same way', async () => {
  await using secure = await startAuthServer('  query_token: true\n', 'tls: auto\n');
  const session = connect(secure.origin, { rejectUnauthorized: false });
  /** Status and first bytes of an answer. */
  const get = (path: string, headers: Record<string, string> = {}) =>
    new Promise<[status: unknown, text: string]>((resolve, reject) => {
      let status: unknown;
      const stream = session.request({ ':path': `/my-app/${path}`, ...headers });
      stream.once('response', (head) => {
        status = head[':status'];
      });
      stream.setEncoding('utf8').once('data', (text: string) => {
        resolve([status, text]);
        stream.close();
      });
      stream.once('error', reject);
    });
  const token = accessToken('ann');
  const authorization = `Bearer ${token}`;
  expect(await get('auth/me', { authorization })).toEqual([200, expect.stringContaining('"sub":"ann"')]);
  expect(await get('auth/me', { authorization: `${authorization}x` })).toEqual([401, expect.any(String)]);
  expect(await get(`Note?stream=sse&token=${token}`)).toEqual([200, expect.stringContaining('"connected"')]);
  expect(await get(`Note?stream=sse&token=${token}x`)).toEqual([401, expect.not.stringContaining(token)]);
  session.destroy();
  expect(secure.stdout).not.toContain(token);
});
