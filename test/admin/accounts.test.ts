import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { KEY_FORM, makeSecret } from '../../src/auth/credentials/secrets.ts';
import { loadEngine } from '../../src/store/index.ts';
import type { Json } from '../support/frames.ts';
import { SECRET } from '../support/tokens.ts';
import { until } from '../support/wait.ts';
import { start } from './running.ts';

const SCHEMA = 'type Note @table @export(public: [read]) { id: ID! @primaryKey, text: String }';
const CONFIG = `auth: {jwt: {secret: ${SECRET}}, users: true, signup: true}\n`;

describe('users and keys', () => {
  test('are listed without what they are made of', async () => {
    const app = await start(SCHEMA, CONFIG);
    const signUp = async (name: string) => {
      const { body } = await app.send('POST', '_/auth/signup', { name, password: 'correct horse battery' });
      return { token: String(body.access_token), id: String((body.user as Json).id) };
    };
    const [root, ada] = [await signUp('Root'), await signUp('Ada')];
    const store = await (await loadEngine()).openAccounts({
      dir: join(app.dir, 'data'),
      busyTimeout: 5000,
    });
    onTestFinished(() => void store.close());
    const { id, hash, text } = makeSecret(KEY_FORM);
    await store.addKey({
      id,
      hash,
      name: 'robot',
      sub: 'bot',
      roles: ['bot'],
      claims: {},
      created: 0,
      revoked: undefined,
    });
    await store.setRoles(root.id, ['admin']);
    await until(
      async () => (await app.admin('users', root.token)).status,
      (status) => status === 200,
    );
    const users = await app.admin('users', root.token);
    expect(users.body.users).toEqual([
      { sub: ada.id, name: 'Ada', roles: [], claims: {}, disabled: false, created_at: expect.any(String) },
      { sub: root.id, name: 'Root', roles: ['admin'], claims: {}, disabled: false, created_at: expect.any(String) },
    ]);
    const keys = await app.admin('keys', root.token);
    expect(keys.body.keys).toEqual([expect.objectContaining({ id, name: 'robot', sub: 'bot', revoked_at: null })]);
    expect(JSON.stringify([users.body, keys.body])).not.toContain(text.split('_')[2]);
    expect((await app.admin('users', ada.token)).status).toBe(403);
  });

  test('are none without authentication', async () => {
    const { status, body } = await (await start(SCHEMA)).admin('keys');
    expect([status, body.detail]).toEqual([404, 'There are no users and keys: authentication is off.']);
  });
});
