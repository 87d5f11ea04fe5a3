import type { FastifyInstance, InjectOptions } from 'fastify';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { TokenAuthenticator } from '../../src/auth/credentials/token-authenticator.ts';
import type { Principal } from '../../src/auth/identity.ts';
import { loadConfig } from '../../src/config/load.ts';
import { registerAuthRoutes } from '../../src/server/auth/routes.ts';
import { createHttpServer } from '../../src/server/http-server.ts';
import { createLog } from '../../src/server/operations/log.ts';
import { TestAccounts } from '../auth/accounts.ts';

const ADA = { name: 'Ada', password: 'correct horse' };
let it: TestAccounts;
let app: FastifyInstance;

async function serve(config = '', { signup = true } = {}): Promise<void> {
  it = await TestAccounts.start(config);
  const { server } = loadConfig(it.dir, {});
  const log = createLog({ logging: { level: 'silent', format: 'json', requests: false } });
  app = await createHttpServer(server, { dataDir: it.dir, lifecycle: { ready: true, stopping: false }, log });
  const { accounts } = it.open;
  const authenticator = new TokenAuthenticator({ tokens: it.tokens, accounts, users: true });
  registerAuthRoutes(app, {
    paths: ['/my-app/auth', '/auth'],
    accounts,
    logins: it.logins,
    signup,
    authenticate: (request, _reply, done) => {
      const text = request.headers.authorization?.replace('Bearer ', '');
      if (text === undefined) return done();
      authenticator.authenticate({ type: 'bearer', text }).then((principal: Principal) => {
        request.identity = principal;
        done();
      }, done);
    },
  });
}

beforeEach(() => serve());
afterEach(async () => {
  vi.useRealTimers();
  await app.close();
  it[Symbol.dispose]();
});

async function post(path: string, payload?: InjectOptions['payload'], headers: Record<string, string> = {}) {
  const body = payload === undefined ? {} : { payload };
  const answer = await app.inject({ method: 'POST', url: `/my-app/auth/${path}`, headers, ...body });
  expect(answer.headers['cache-control']).toBe('no-store');
  return answer;
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe('signup', () => {
  test('creates a user and logs them in', async () => {
    const answer = await post('signup', ADA);
    expect(answer.statusCode).toBe(201);
    const body = answer.json();
    expect(body).toEqual({
      access_token: expect.stringMatching(/^ey[\w-]+\.[\w-]+\.[\w-]+$/),
      token_type: 'Bearer',
      expires_in: expect.any(Number),
      refresh_token: expect.stringMatching(/^tcr_/),
      user: { id: expect.stringMatching(/^[0-9a-f-]{36}$/), name: 'Ada', roles: [], claims: {} },
    });
    expect(body.expires_in).toBeGreaterThan(3590);
    expect(body.expires_in).toBeLessThanOrEqual(3600);
    const again = await post('signup', { ...ADA, name: 'ADA' });
    expect(again.statusCode).toBe(409);
    expect(again.json()).toMatchObject({ code: 'CONFLICT', errors: [{ field: 'name' }] });
  });

  test('is refused unless it is configured', async () => {
    await app.close();
    it[Symbol.dispose]();
    await serve('', { signup: false });
    const answer = await post('signup', ADA);
    expect([answer.statusCode, answer.json().code]).toEqual([403, 'FORBIDDEN']);
  });

  const wrong: [InjectOptions['payload'], string][] = [
    [{ name: 'Ada' }, 'password: is required.'],
    [{ ...ADA, pasword: 'x' }, 'pasword: is not a property of this request; did you mean "password"?'],
    [{ ...ADA, roles: ['admin'] }, 'roles: is not a property of this request.'],
    [{ ...ADA, password: 12_345_678 }, 'password: must be a string.'],
    [{ ...ADA, password: 'seven77' }, 'password: must have 8 to 256 characters.'],
    [{ ...ADA, password: 'x'.repeat(257) }, 'password: must have 8 to 256 characters.'],
    [{ ...ADA, name: '' }, 'name: is empty.'],
    [{ ...ADA, name: ' Ada' }, 'name: begins or ends with a space.'],
    [{ ...ADA, name: 'A\nda' }, 'name: has a control character.'],
    [{ ...ADA, name: 'Ad\u202ea' }, 'name: has a control character.'],
    [{ ...ADA, name: 'x'.repeat(129) }, 'name: has more than 128 characters.'],
    [{ ...ADA, name: 'x'.repeat(1_000_000) }, 'name: has more than 128 characters.'],
    [{ ...ADA, password: 'x'.repeat(1_000_000) }, 'password: must have 8 to 256 characters.'],
    [{ ...ADA, name: null } as never, 'name: must be a string.'],
    [[] as never, 'The body is a JSON object with name, password.'],
  ];
  test.each(wrong.map(([payload, message]) => [message, payload] as const))('says %j', async (message, payload) => {
    const answer = await post('signup', payload);
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({ code: 'BAD_REQUEST', detail: message });
    expect(answer.body).not.toContain('correct horse');
  });

  test('accepts the shortest and the longest password, counted in characters', async () => {
    for (const [n, password] of ['8 chars!', '\u{1f40e}'.repeat(256)].entries()) {
      expect((await post('signup', { name: `user ${n}`, password })).statusCode).toBe(201);
      expect((await post('login', { name: `user ${n}`, password })).statusCode).toBe(200);
    }
  });
});

describe('login', () => {
  test('returns the same as signing up', async () => {
    const { user } = (await post('signup', ADA)).json();
    const answer = await post('login', { name: 'ada', password: 'correct horse' });
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toMatchObject({ token_type: 'Bearer', user });
  });

  test('answers a wrong password and an unknown name alike', async () => {
    await post('signup', ADA);
    const wrong = await post('login', { ...ADA, password: 'wrong horse' });
    const unknown = await post('login', { ...ADA, name: 'Bob' });
    expect(wrong.statusCode).toBe(401);
    expect(wrong.headers['www-authenticate']).toBe('Bearer');
    expect(wrong.json()).toMatchObject({ code: 'INVALID_CREDENTIALS' });
    expect(unknown.body).toBe(wrong.body);
    const timeless = ({ date: _, ...headers }: typeof wrong.headers) => headers;
    expect(timeless(unknown.headers)).toEqual(timeless(wrong.headers));
  });

  test('is refused with 429 and Retry-After after ten failures in a minute', async () => {
    const codes: number[] = [];
    for (let n = 0; n < 11; n++) codes.push((await post('login', { ...ADA, name: `user ${n}` })).statusCode);
    expect(codes).toEqual([...Array(10).fill(401), 429]);
    const answer = await post('login', ADA);
    expect(answer.json()).toMatchObject({ code: 'TOO_MANY_ATTEMPTS' });
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    expect(Number(answer.headers['retry-after'])).toBeLessThanOrEqual(60);
  });

  test('accepts neither the content type of forms nor a method other than POST', async () => {
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    expect((await post('login', 'name=Ada&password=x', form)).statusCode).toBe(415);
    expect((await post('login', '{"name":', { 'content-type': 'application/json' })).json().code).toBe('INVALID_JSON');
    for (const method of ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE'] as const) {
      const answer = await app.inject({ method, url: '/my-app/auth/login' });
      expect([answer.statusCode, answer.headers.allow, answer.headers['cache-control']], method).toEqual([
        405,
        'POST, OPTIONS',
        'no-store',
      ]);
    }
  });

  test('is also at /auth', async () => {
    await post('signup', ADA);
    expect((await app.inject({ method: 'POST', url: '/auth/login', payload: ADA })).statusCode).toBe(200);
  });
});

describe('refresh and logout', () => {
  test('a refresh token works once, and its second use ends the session', async () => {
    const { refresh_token: first, user } = (await post('signup', ADA)).json();
    const { refresh_token: used } = (await post('refresh', { refresh_token: first })).json();
    const next = await post('refresh', { refresh_token: used });
    expect(next.statusCode).toBe(200);
    expect(next.json()).toMatchObject({ token_type: 'Bearer', user });
    const again = await post('refresh', { refresh_token: first });
    expect([again.statusCode, again.json().code]).toEqual([401, 'INVALID_CREDENTIALS']);
    expect((await post('refresh', { refresh_token: next.json().refresh_token })).statusCode).toBe(401);
  });

  test('logging out ends the session and returns the same for an unknown token', async () => {
    const { refresh_token } = (await post('signup', ADA)).json();
    for (const token of [refresh_token, refresh_token, 'nonsense']) {
      const answer = await post('logout', { refresh_token: token });
      expect([answer.statusCode, answer.body]).toEqual([204, '']);
    }
    expect((await post('refresh', { refresh_token })).statusCode).toBe(401);
    expect((await post('logout', {})).statusCode).toBe(400);
  });
});

describe('ticket', () => {
  test('is issued for a token, works once and has its lifetime in seconds', async () => {
    const { access_token: token, user } = (await post('signup', ADA)).json();
    const answer = await post('ticket', undefined, bearer(token));
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toEqual({ ticket: expect.stringMatching(/^tct_/), expires_in: 60 });
    const { ticket } = answer.json();
    expect(it.open.accounts.redeemTicket(ticket)).toMatchObject({ sub: user.id });
    expect(it.open.accounts.redeemTicket(ticket)).toBeUndefined();
    expect((await post('ticket', {}, bearer(token))).statusCode).toBe(200);
    const typed = { ...bearer(token), 'content-type': 'application/json' };
    expect((await post('ticket', undefined, typed)).statusCode).toBe(200);
    expect((await post('ticket', '', typed)).statusCode).toBe(200);
    expect((await post('ticket', '{', typed)).statusCode).toBe(400);
    expect((await post('ticket', { lifetime: 1 }, bearer(token))).statusCode).toBe(400);
  });

  test('expires after its lifetime', async () => {
    const { access_token: token } = (await post('signup', ADA)).json();
    vi.useFakeTimers({ toFake: ['performance'] });
    const { ticket } = (await post('ticket', undefined, bearer(token))).json();
    vi.advanceTimersByTime(60_001);
    expect(it.open.accounts.redeemTicket(ticket)).toBeUndefined();
  });

  test('has no longer lifetime than its token', async () => {
    const { user } = (await post('signup', ADA)).json();
    const { token } = await it.tokens.issue({ sub: user.id, roles: [], claims: {} }, 20_000);
    const { expires_in } = (await post('ticket', undefined, bearer(token))).json();
    expect(expires_in).toBeGreaterThan(10);
    expect(expires_in).toBeLessThanOrEqual(20);
  });

  test('needs an authenticated caller', async () => {
    const answer = await post('ticket');
    expect([answer.statusCode, answer.json().code]).toEqual([401, 'UNAUTHORIZED']);
    expect(answer.headers['www-authenticate']).toBe('Bearer');
    expect((await post('ticket', undefined, bearer('nonsense'))).statusCode).toBe(401);
  });
});

describe('password', () => {
  test('can be changed with the old one', async () => {
    const { access_token: token, refresh_token } = (await post('signup', ADA)).json();
    const wrong = await post('password', { old: 'wrong horse', new: 'another horse' }, bearer(token));
    expect([wrong.statusCode, wrong.json().code]).toEqual([401, 'INVALID_CREDENTIALS']);
    const answer = await post('password', { old: ADA.password, new: 'another horse' }, bearer(token));
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toMatchObject({ token_type: 'Bearer', refresh_token: expect.stringMatching(/^tcr_/) });
    expect((await post('refresh', { refresh_token })).statusCode).toBe(401);
    expect((await post('login', ADA)).statusCode).toBe(401);
    expect((await post('login', { ...ADA, password: 'another horse' })).statusCode).toBe(200);
  });

  test('cannot be changed by anonymous callers, by API keys, or to one that breaks the rules', async () => {
    const { access_token: token } = (await post('signup', ADA)).json();
    const words = { old: ADA.password, new: 'another horse' };
    expect((await post('password', words)).statusCode).toBe(401);
    const short = await post('password', { ...words, new: 'short' }, bearer(token));
    expect(short.json()).toMatchObject({ code: 'BAD_REQUEST', errors: [{ field: 'new' }] });
    const { runCommand } = await import('../support/cli.ts');
    const key = (await runCommand(['key', 'create', 'ci', it.dir])).stdout.trim();
    expect((await post('ticket', undefined, bearer(key))).statusCode).toBe(200);
    expect((await post('password', words, bearer(key))).statusCode).toBe(403);
  });
});

describe('a hostile body', () => {
  const json = { 'content-type': 'application/json' };
  const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
  test.each<[string, string, number]>([
    ['a prototype', '{"name":"Ada","password":"correct horse","__proto__":{"roles":["admin"]}}', 400],
    ['only inherited members', '{"__proto__":{"name":"Ada","password":"correct horse"}}', 400],
    ['a member of every object', '{"name":"Ada","password":"correct horse","constructor":"x"}', 400],
    ['a name that is an object', '{"name":{"toString":"x"},"password":"correct horse"}', 400],
    ['nesting', `{"name":"Ada","password":${deep}}`, 400],
    ['nothing', '', 400],
    ['null', 'null', 400],
    ['too much', `{"name":"Ada","password":"${'x'.repeat(2 ** 20)}"}`, 413],
  ])('of %s creates no user', async (_, body, status) => {
    for (const name of ['signup', 'login']) expect((await post(name, body, json)).statusCode, name).toBe(status);
    expect((await post('login', ADA)).statusCode).toBe(401);
  });
});

test('without built-in users there are only tickets', async () => {
  const config = loadConfig(it.dir, {}).server;
  const log = createLog({ logging: { level: 'silent', format: 'json', requests: false } });
  const other = await createHttpServer(config, { dataDir: it.dir, lifecycle: { ready: true, stopping: false }, log });
  const { accounts } = it.open;
  registerAuthRoutes(other, {
    paths: ['/auth'],
    accounts,
    logins: undefined,
    signup: false,
    authenticate: (_request, _reply, done) => done(),
  });
  const codeOf = async (name: string) => (await other.inject({ method: 'POST', url: `/auth/${name}` })).statusCode;
  expect(await codeOf('ticket')).toBe(401);
  for (const name of ['signup', 'login', 'refresh', 'logout', 'password']) expect(await codeOf(name), name).toBe(404);
  await other.close();
});
