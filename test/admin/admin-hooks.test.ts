import { describe, expect, test } from 'vitest';
import { tokenOf } from '../support/tokens.ts';
import { ADMIN, AUTH, start, USER } from './running.ts';

const SCHEMA = 'type Note @table @export(public: [read]) { id: ID! @primaryKey, text: String }';
const READS = ['schema', 'log', 'at?table=Note&seq=1', 'connections', 'rooms', 'users', 'keys'];

describe('the admin API', () => {
  test('is for the admin role where callers are authenticated, and is never kept', async () => {
    const app = await start(SCHEMA, AUTH);
    for (const path of READS) {
      const [nobody, user, admin] = [await app.admin(path), await app.admin(path, USER), await app.admin(path, ADMIN)];
      expect([path, nobody.status, nobody.body.code]).toEqual([path, 401, 'UNAUTHORIZED']);
      expect([path, user.status, user.body.code]).toEqual([path, 403, 'FORBIDDEN']);
      expect([path, admin.status < 500 && admin.status !== 401 && admin.status !== 403]).toEqual([path, true]);
      for (const { headers } of [nobody, user, admin]) expect(headers.get('cache-control')).toBe('no-store');
    }
  });

  test('is not for an admin of one account', async () => {
    const schema = 'type Note @table @export @account(field: "org", claim: "org") { id: ID! @primaryKey, org: String }';
    const app = await start(schema, AUTH);
    const { status, body } = await app.admin('schema', tokenOf('a', { roles: ['admin'], org: 'o1' }));
    expect([status, body.detail]).toEqual([
      403,
      'Not allowed: the admin API. It is for admins that are not limited to one account.',
    ]);
    expect((await app.admin('schema', ADMIN)).status).toBe(200);
  });

  test('is open without authentication on a server that only this machine can reach', async () => {
    expect((await (await start(SCHEMA)).admin('schema')).status).toBe(200);
    const behind = await (await start(SCHEMA, 'trust_proxy: true\nauth: none\n')).admin('schema');
    expect([behind.status, behind.body.code]).toEqual([403, 'FORBIDDEN']);
  });

  test('is off with the console, and looks at the address first', async () => {
    expect((await (await start(SCHEMA, 'console: false\n')).admin('schema')).status).toBe(404);
    const app = await start(SCHEMA, `console: {allow: [192.0.2.0/24]}\n${AUTH}`);
    const { status, body } = await app.admin('schema', ADMIN);
    expect([status, body.detail]).toEqual([403, 'The admin API is not for clients at this address.']);
  });

  test('is in no document of the API, only read, and has no other parameters', async () => {
    const app = await start(SCHEMA);
    for (const name of ['openapi.json', 'asyncapi.json']) {
      expect(JSON.stringify((await app.send('GET', `_/${name}`)).body)).not.toContain('/admin');
    }
    expect((await app.send('POST', '_/admin/schema')).status).toBe(405);
    const wrong = await app.admin('rooms?limt=3');
    expect([wrong.status, wrong.body.code, wrong.body.detail]).toEqual([
      400,
      'INVALID_QUERY',
      'limt: is not a parameter; there are none here',
    ]);
  });
});
