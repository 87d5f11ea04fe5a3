import { describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import { runCommand } from '../support/cli.ts';
import type { Json } from '../support/frames.ts';
import { SECRET } from '../support/tokens.ts';

const CONFIG = `${BASE_CONFIG}auth: {jwt: {secret: ${SECRET}}, users: true}\n`;
const SCHEMA = 'type Note @table @export(public: [read, create]) { id: ID! @primaryKey, text: String }';
const PASSWORD = 'correct horse battery';

async function logIn(server: TestServer, name: string): Promise<Record<string, string>> {
  const { record } = await server.ask('POST', '_/auth/login', { json: { name, password: PASSWORD } });
  return { authorization: `Bearer ${record.access_token}` };
}

describe('the admin API of a server', () => {
  test('tells administrators what there is, with nothing that opens an account', async () => {
    await using server = await startServer({ schema: SCHEMA, config: CONFIG });

    const add = (name: string, role: string) =>
      runCommand(['user', 'add', name, server.dir, '--role', role, '--password-stdin'], PASSWORD);
    expect([(await add('Root', 'admin')).code, (await add('Ada', 'editor')).code]).toEqual([0, 0]);
    expect((await runCommand(['key', 'create', 'robot', server.dir, '--role', 'bot'], '')).code).toBe(0);
    const [root, ada] = [await logIn(server, 'Root'), await logIn(server, 'Ada')];
    await server.ask('POST', 'Note', { json: { id: 'a', text: 'x' } });
    const users = await server.ask('GET', '_/admin/users', { headers: root });
    expect([users.status, users.headers.get('cache-control')]).toEqual([200, 'no-store']);
    expect(users.record.users).toEqual([
      expect.objectContaining({ name: 'Ada', roles: ['editor'], disabled: false }),
      expect.objectContaining({ name: 'Root', roles: ['admin'] }),
    ]);
    const keys = await server.ask('GET', '_/admin/keys', { headers: root });
    expect(keys.record.keys).toEqual([expect.objectContaining({ roles: ['bot'], revoked_at: null })]);
    expect(users.text + keys.text).not.toMatch(/password|hash|secret|scrypt/i);
    const log = await server.ask('GET', '_/admin/log?table=Note', { headers: root });
    expect((log.record.entries as Json[]).map(({ op, id }) => [op, id])).toEqual([['create', 'a']]);
    for (const name of ['schema', 'log', 'users', 'keys', 'rooms']) {
      expect((await server.ask('GET', `_/admin/${name}`, { headers: ada })).status).toBe(403);
      expect((await server.ask('GET', `_/admin/${name}`)).status).toBe(401);
    }
  });
});
