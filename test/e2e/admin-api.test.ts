import { describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer } from '../support/app.ts';
import type { Json } from '../support/frames.ts';
import { SECRET, tokenOf } from '../support/tokens.ts';

const CONFIG = `${BASE_CONFIG}auth: {jwt: {secret: ${SECRET}}}\n`;
const SCHEMA = 'type Note @table @export(public: [read, create]) { id: ID! @primaryKey, text: String }';
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

describe('the admin API of a server', () => {
  test('tells administrators what there is, and nobody else', async () => {
    await using server = await startServer({ schema: SCHEMA, config: CONFIG });
    const root = bearer(tokenOf('root', { roles: ['admin'] }));
    const user = bearer(tokenOf('u1', { roles: ['editor'] }));
    await server.ask('POST', 'Note', { json: { id: 'a', text: 'x' } });
    const log = await server.ask('GET', '_/admin/log?table=Note', root);
    expect([log.status, log.headers.get('cache-control')]).toEqual([200, 'no-store']);
    const entries = log.record.entries as Json[];
    expect(entries.map(({ op, id }) => [op, id])).toEqual([['create', 'a']]);
    const past = await server.ask('GET', `_/admin/at?table=Note&id=a&seq=${entries[0]?.seq}`, root);
    expect(past.record.record).toEqual({ id: 'a', text: 'x' });
    for (const name of ['schema', 'log', 'users', 'keys', 'rooms']) {
      expect((await server.ask('GET', `_/admin/${name}`, root)).status).toBe(200);
      expect((await server.ask('GET', `_/admin/${name}`, user)).status).toBe(403);
      expect((await server.ask('GET', `_/admin/${name}`)).status).toBe(401);
    }
  });
});
