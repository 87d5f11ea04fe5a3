import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { BASE_CONFIG, makeApp, startServer, type TestServer } from '../support/app.ts';
import { runCommand } from '../support/cli.ts';
import type { Json } from '../support/frames.ts';
import { type Answer, ask } from '../support/http.ts';
import { SseClient } from '../support/sse-client.ts';
import { SECRET } from '../support/tokens.ts';
import { meanwhile, until } from '../support/wait.ts';
import { refusedUpgrade, WsClient } from '../support/ws-client.ts';

const CONFIG = `${BASE_CONFIG}auth:
  users: true
  signup: true
  jwt:
    secret: \${JWT_SECRET}
logging:
  level: debug
  requests: true
limits:
  signups_per_minute: 100
  logins_per_minute: `;
const ENV = { JWT_SECRET: SECRET };
const SCHEMA = `type Message @table @export(public: [create, update]) @access(read: "authenticated") {
  id: ID! @primaryKey
  title: String!
  content: String!
}`;
/** Failures that are let through where they are counted. */
const FEW = 4;
/** What the command line changes counts after a second, also on open streams; a busy machine needs more. */
const SEEN = 10_000;

let server: TestServer;
/** Everything secret that went over a line here: none of it may be in a log or in the data. */
const secrets: string[] = [SECRET];

beforeAll(async () => {
  server = await startServer({ schema: SCHEMA, config: `${CONFIG}100\n`, env: ENV });
});
afterAll(async () => {
  await server.stop();
  const { stdout, stderr, dir } = server;
  const data = readdirSync(join(dir, 'data')).map((name) => readFileSync(join(dir, 'data', name), 'latin1'));
  const found = secrets.filter((secret) => [stdout, stderr, ...data].some((text) => text.includes(secret)));
  await server.discard();
  expect(secrets.length).toBeGreaterThan(20);
  expect(found).toEqual([]);
});

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

interface Tokens {
  readonly access: string;
  readonly refresh: string;
  readonly id: string;
}

function read({ record, status, text }: Answer): Tokens {
  if (status >= 300) throw new Error(`${status} ${text}`);
  const { access_token: access, refresh_token: refresh, user } = record as Record<string, string> & { user: Json };
  secrets.push(String(access), String(refresh), String(refresh).split('_')[2] ?? '');
  return { access: String(access), refresh: String(refresh), id: String(user.id) };
}

let users = 0;
/** A user of the test's own. */
async function signUp(): Promise<Tokens & { name: string; password: string }> {
  const name = `user-${++users}`;
  const password = `p4ssword of ${name}`;
  secrets.push(password);
  return { name, password, ...read(await server.ask('POST', 'auth/signup', { json: { name, password } })) };
}

/** Runs while the server does. */
async function command(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await runCommand([...words, server.dir], '', ENV);
  if (code !== 0) throw new Error(stderr);
  return stdout.trim();
}

async function makeKey(...words: string[]): Promise<{ key: string; id: string }> {
  const key = await command('key', 'create', 'e2e', ...words);
  secrets.push(key, key.split('_')[2] ?? '');
  return { key, id: key.split('_')[1] ?? '' };
}

async function ticketFor(token: string): Promise<string> {
  const { record } = await server.ask('POST', 'auth/ticket', bearer(token));
  secrets.push(String(record.ticket));
  return String(record.ticket);
}

const me = (token: string) => server.ask('GET', 'auth/me', bearer(token));
/** What /auth/me answers when a change of the command line has had its time. */
const meWhen = (token: string, fits: (answer: Answer) => boolean) =>
  until(() => me(token), fits, { timeout: SEEN, what: 'the change' });
const refuses = ({ status }: Answer) => status === 401;
const closing = (client: WsClient) =>
  Promise.race([
    client.closed,
    new Promise<never>((_, reject) => setTimeout(() => reject(new Error(`still open after ${SEEN} ms`)), SEEN)),
  ]);

describe('a user', () => {
  test('signs up, is known by the token, refreshes it, and leaves', async () => {
    const { access, refresh, id, name } = await signUp();
    expect((await me(access)).record).toMatchObject({ sub: id, roles: [], claims: { name } });
    const next = read(await server.ask('POST', 'auth/refresh', { json: { refresh_token: refresh } }));
    expect((await me(next.access)).record.sub).toBe(id);
    const out = await server.ask('POST', 'auth/logout', { json: { refresh_token: next.refresh } });
    expect([out.status, out.headers.get('cache-control')]).toEqual([204, 'no-store']);
    expect((await server.ask('POST', 'auth/refresh', { json: { refresh_token: next.refresh } })).status).toBe(401);
  });

  test('logs in at /auth as well, since there is one application', async () => {
    const { name, password, id } = await signUp();
    const tokens = read(await ask('POST', `${server.origin}/auth/login`, { json: { name, password } }));
    expect(tokens.id).toBe(id);
    expect((await ask('GET', `${server.origin}/auth/me`, bearer(tokens.access))).record.sub).toBe(id);
  });

  test('stays logged out everywhere when a refresh token is used twice, which the log tells', async () => {
    const { refresh, id } = await signUp();
    const used = read(await server.ask('POST', 'auth/refresh', { json: { refresh_token: refresh } }));
    // Soon after, it is an answer that was lost; but not when the next one has been used.
    const again = read(await server.ask('POST', 'auth/refresh', { json: { refresh_token: refresh } }));
    expect(again).toEqual(used);
    const next = read(await server.ask('POST', 'auth/refresh', { json: { refresh_token: used.refresh } }));
    for (const token of [refresh, next.refresh]) {
      expect((await server.ask('POST', 'auth/refresh', { json: { refresh_token: token } })).status).toBe(401);
    }
    const told = await server.logs.next((line) => String(line.msg).startsWith('refresh token used twice'));
    expect(told).toMatchObject({ app: 'my-app', user: id });
  });

  test('keeps what was stored when the server is killed and started again', async () => {
    const { refresh, name, password } = await signUp();
    await server.kill();
    await server.start();
    expect((await server.ask('POST', 'auth/login', { json: { name, password } })).status).toBe(200);
    read(await server.ask('POST', 'auth/refresh', { json: { refresh_token: refresh } }));
  });
});

describe('the command line, while the server runs', () => {
  test('adds a user who can log in at once, and gives another password', async () => {
    const words = 'horse battery staple';
    secrets.push(words, 'another battery');
    const added = await runCommand(['user', 'add', 'Grace', server.dir, '--role', 'a', '--password-stdin'], words, ENV);
    const login = (password: string) => server.ask('POST', 'auth/login', { json: { name: 'grace', password } });
    const { access, refresh, id } = read(await login(words));
    expect(added.stdout.trim()).toBe(id);
    expect((await me(access)).record.roles).toEqual(['a']);
    expect(
      (await runCommand(['user', 'passwd', 'grace', server.dir, '--password-stdin'], 'another battery', ENV)).code,
    ).toBe(0);
    expect((await server.ask('POST', 'auth/refresh', { json: { refresh_token: refresh } })).status).toBe(401);
    expect((await login(words)).status).toBe(401);
    read(await login('another battery'));
  });

  test('gives roles that count for a token which is out already', async () => {
    const { access, name } = await signUp();
    await command('user', 'role', name, '--role', 'editor', '--role', 'x');
    const { record } = await meWhen(access, (answer) => answer.text.includes('editor'));
    expect(record).toMatchObject({ roles: ['editor', 'x'], claims: { roles: ['editor', 'x'] } });
  });

  test('disables a user: requests are refused, open streams end within a second, logins fail as with a wrong password', async () => {
    const { access, refresh, name, password } = await signUp();
    using socket = await WsClient.subscribe(server.wsUrl('Message'), bearer(access));
    using stream = await SseClient.subscribe(server.url('Message'), bearer(access));
    await command('user', 'disable', name);
    const [closed, error] = await Promise.all([closing(socket), stream.next('error', SEEN), meWhen(access, refuses)]);
    expect(closed.code).toBe(4403);
    expect(error.json).toMatchObject({ code: 'FORBIDDEN' });
    expect((await server.ask('POST', 'auth/refresh', { json: { refresh_token: refresh } })).status).toBe(401);
    const login = () => server.ask('POST', 'auth/login', { json: { name, password } });
    const disabled = await login();
    expect([disabled.status, disabled.record.code]).toEqual([401, 'INVALID_CREDENTIALS']);
    await command('user', 'enable', name);
    read(await login());
    expect((await meWhen(access, (answer) => !refuses(answer))).status).toBe(200);
  });

  test('makes a key that is taken at once, and revokes it: open streams end within a second', async () => {
    const { key, id } = await makeKey('--role', 'robot');
    expect((await me(key)).record).toMatchObject({ sub: `key:${id}`, roles: ['robot'], expires_at: null });
    using socket = await WsClient.subscribe(server.wsUrl('Message'), bearer(key));
    await command('key', 'revoke', id);
    const [closed] = await Promise.all([closing(socket), meWhen(key, refuses)]);
    expect(closed.code).toBe(4403);
  });
});

describe('a ticket', () => {
  test('opens one stream, over either transport, and no other', async () => {
    const { access } = await signUp();
    const [one, two] = [await ticketFor(access), await ticketFor(access)];
    using socket = await WsClient.subscribe(server.wsUrl(`Message?ticket=${one}`));
    using stream = await SseClient.subscribe(server.url(`Message?ticket=${two}`));
    expect([socket.isOpen, stream.status]).toEqual([true, 200]);
    for (const used of [one, two]) {
      expect((await refusedUpgrade(server.wsUrl(`Message?ticket=${used}`))).status).toBe(401);
      expect((await server.ask('GET', `Message?stream=sse&ticket=${used}`)).status).toBe(401);
    }
  });

  test('is for streams alone: it gets no other ticket and reads no list', async () => {
    const { access } = await signUp();
    const ticket = await ticketFor(access);
    expect((await server.ask('POST', `auth/ticket?ticket=${ticket}`)).status).toBe(401);
    expect((await server.ask('POST', 'auth/ticket', bearer(ticket))).status).toBe(401);
    using socket = await WsClient.subscribe(server.wsUrl(`Message?ticket=${ticket}`));
    expect(socket.isOpen).toBe(true);
  });

  test('made with a key ends with the key', async () => {
    const { key, id } = await makeKey();
    const [one, two] = [await ticketFor(key), await ticketFor(key)];
    using socket = await WsClient.subscribe(server.wsUrl(`Message?ticket=${one}`));
    await command('key', 'revoke', id);
    expect((await closing(socket)).code).toBe(4403);
    expect((await refusedUpgrade(server.wsUrl(`Message?ticket=${two}`))).status).toBe(401);
  });
});

describe('brute force', () => {
  let own: TestServer;
  beforeAll(async () => {
    own = await startServer({ schema: SCHEMA, config: `${CONFIG}${FEW}\n`, env: ENV });
  });
  afterEach(async () => {
    // Each of these uses up what its address may fail.
    await own.restart();
  });
  afterAll(() => own[Symbol.asyncDispose]());

  const statuses = async (times: number, ask: () => Promise<Answer>) => {
    const answers = await Promise.all(Array.from({ length: times }, ask));
    return answers.map(({ status }) => status).toSorted();
  };

  test('of passwords is refused after a few failures, also when they come at once and the name is unknown', async () => {
    const login = (name: string, password: string) => own.ask('POST', 'auth/login', { json: { name, password } });
    await own.ask('POST', 'auth/signup', { json: { name: 'Ada', password: 'correct horse' } });
    expect(await statuses(10, () => login('nobody', 'wrong horse'))).toEqual([
      ...Array(FEW).fill(401),
      ...Array(6).fill(429),
    ]);
    const answer = await login('Ada', 'correct horse');
    expect([answer.status, answer.record.code]).toEqual([429, 'TOO_MANY_ATTEMPTS']);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  });

  test('of keys is refused after a few failures, and does not keep out who has a good one', async () => {
    const { stdout } = await runCommand(['key', 'create', 'good', own.dir], '', ENV);
    const key = stdout.trim();
    const list = (text: string) => own.ask('GET', 'Message', bearer(text));
    const wrong = `${key.slice(0, -4)}0000`;
    expect(await statuses(6, () => list(wrong))).toEqual([401, 401, 401, 401, 429, 429]);
    const { status, headers } = await list(wrong);
    expect([status, headers.get('retry-after')]).toEqual([429, expect.stringMatching(/^\d+$/)]);
    expect((await refusedUpgrade(own.wsUrl('Message'), bearer(wrong))).status).toBe(429);
    expect((await list(key)).status).toBe(200);
    // A program with an old key does not keep the people at its address from logging in.
    const json = { name: 'Ada', password: 'wrong horse' };
    expect((await own.ask('POST', 'auth/login', { json })).status).toBe(401);
  });
});

test('the server goes on with writes while logins are checked', async () => {
  const { name, password } = await signUp();
  let done = false;
  const logins = meanwhile(() =>
    Promise.all(
      Array.from({ length: 4 }, () => server.ask('POST', 'auth/login', { json: { name, password } })),
    ).finally(() => {
      done = true;
    }),
  );
  let writes = 0;
  while (!done) {
    expect((await server.put(`Message/w-${writes}`, { title: 't', content: 'c' })).status).toBe(201);
    writes++;
  }
  for (const answer of await logins) read(answer);
  expect(writes).toBeGreaterThan(4);
});

test('a file that is no database of users stops the start in a sentence, and is left as it is', async () => {
  const text = 'these are no users, but more than a header of a database needs to be looked at. '.repeat(50);
  const { dir, root } = await makeApp({ config: `${CONFIG}4\n`, files: { 'data/auth.db': text } });
  const { code, stderr } = await runCommand(['start', dir], '', ENV);
  expect(readFileSync(join(dir, 'data/auth.db'), 'utf8')).toBe(text);
  rmSync(root ?? dir, { recursive: true });
  expect(code).toBe(1);
  expect(stderr).toMatch(/auth\.db is damaged, or no database\. It was left as it is\./);
  expect(stderr).not.toMatch(/^\s+at /m);
});

test('what is stored of a password is its hash', async () => {
  const { password } = await signUp();
  await until(
    async () =>
      readdirSync(join(server.dir, 'data'))
        .filter((name) => name.startsWith('auth.db'))
        .map((name) => readFileSync(join(server.dir, 'data', name), 'latin1'))
        .join(''),
    (text) => text.includes('$scrypt$ln=15,r=8,p=3$') && !text.includes(password),
  );
});
