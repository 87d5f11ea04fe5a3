import { afterEach, describe, expect, test } from 'vitest';
import { type Client, connect } from '../../src/client/index.ts';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import { SECRET } from '../support/tokens.ts';

const SCHEMA = `type Note @table @export(public: []) @access(read: "owner==$auth.sub", create: "authenticated") {
  id: ID! @primaryKey
  owner: String
}`;
const CONFIG = `${BASE_CONFIG}auth:
  users: true
  signup: true
  jwt:
    secret: \${JWT_SECRET}
limits:
  signups_per_minute: 100
  logins_per_minute: 100
`;
type Tables = { Note: { id: string; owner: string | null } };

const clients: Client<Tables>[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

/** Storage that several clients share, as the tabs of a browser do. */
class SharedStorage {
  readonly #items = new Map<string, string>();
  getItem(key: string) {
    return this.#items.get(key) ?? null;
  }
  setItem(key: string, text: string) {
    this.#items.set(key, text);
  }
  removeItem(key: string) {
    this.#items.delete(key);
  }
}

const start = () => startServer({ schema: SCHEMA, config: CONFIG, env: { JWT_SECRET: SECRET } });

function open(server: TestServer, options: Parameters<typeof connect>[1] = {}): Client<Tables> {
  const client = connect<Tables>(server.url(''), options);
  clients.push(client);
  return client;
}

describe('the login of a client', { timeout: 120_000 }, () => {
  test('gives its user to every request, and begins live lists again', async () => {
    await using server = await start();
    const client = open(server);
    const users: (string | undefined)[] = [];
    client.auth.onChange((user) => void users.push(user?.name));
    expect([client.auth.user, client.status]).toEqual([undefined, 'idle']);
    const ada = await client.auth.signup('ada', 'correct horse');
    const list = client.tables.Note.live();
    await list.ready;
    await client.tables.Note.create({ id: 'a', owner: ada.id });
    await expect.poll(() => list.records).toEqual([{ id: 'a', owner: ada.id }]);
    expect(client.status).toBe('live');
    await client.auth.signup('bob', 'battery staple');
    await expect.poll(() => [list.records, list.status]).toEqual([[], 'live']);
    await client.auth.login('ada', 'correct horse');
    await expect.poll(() => list.records).toEqual([{ id: 'a', owner: ada.id }]);
    await expect(client.auth.login('ada', 'wrong')).rejects.toMatchObject({ code: 'INVALID_CREDENTIALS' });
    expect(client.auth.user?.name).toBe('ada');
    await client.auth.logout();
    // Nothing of it is for a caller who is not logged in.
    await expect(list.ended).rejects.toMatchObject({ status: 401 });
    expect(users).toEqual(['ada', 'bob', 'ada', undefined]);
  });

  test('is kept in its storage, and ends for all who share it', async () => {
    await using server = await start();
    const storage = new SharedStorage();
    const first = open(server, { storage });
    await first.auth.signup('ada', 'correct horse');
    const second = open(server, { storage });
    expect(second.auth.user?.name).toBe('ada');
    const ended = new Promise((resolve) => second.auth.onChange(resolve));
    await first.auth.logout();
    expect(await ended).toBeUndefined();
    expect(open(server, { storage }).auth.user).toBeUndefined();
  });

  test('is refreshed once for all requests that need it, and over when the server refuses', async () => {
    await using server = await start();
    const storage = new SharedStorage();
    let refreshes = 0;
    const counted: typeof fetch = (input, init) => {
      if (String(input).endsWith('/refresh')) refreshes++;
      return fetch(input, init);
    };
    await open(server, { storage }).auth.signup('ada', 'correct horse');
    /** Makes the tokens old, as they are when a page is opened again. */
    const age = (change: object) => {
      const key = `tablecast:${server.url('')}`;
      const session = { ...JSON.parse(storage.getItem(key) ?? ''), obtained: 0, ...change };
      storage.setItem(key, JSON.stringify(session));
    };
    age({});
    const client = open(server, { storage, fetch: counted });
    await Promise.all([client.tables.Note.list(), client.tables.Note.list(), client.tables.Note.live().ready]);
    expect([refreshes, client.auth.user?.name]).toEqual([1, 'ada']);
    age({ refresh_token: 'over' });
    const late = open(server, { storage, fetch: counted });
    await expect(late.tables.Note.create({ id: 'b' })).rejects.toMatchObject({ status: 401 });
    expect([refreshes, late.auth.user]).toEqual([2, undefined]);
  });
});
