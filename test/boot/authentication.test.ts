import { describe, expect, onTestFinished, test } from 'vitest';
import { startServer } from '../../src/index.ts';
import { makeFolder } from '../config/folders.ts';
import { ask } from '../support/http.ts';
import { SECRET, tokenOf } from '../support/tokens.ts';
import { WsClient } from '../support/ws-client.ts';

const SCHEMA =
  'type Note @table @export(public: [read, create, update, subscribe]) { id: ID! @primaryKey type: String token: String }';
const OTHER = 'Zq81-another_secret.of-our-own-0xPw';

/** Starts two applications with `auth`, each with its own secret, and one without. */
async function start(): Promise<string> {
  const dir = makeFolder({
    'config.yaml': 'port: 0\nlogging: {level: silent}\n',
    'one/schema.graphql': SCHEMA,
    'one/config.yaml': `auth: {jwt: {secret: ${SECRET}}}\n`,
    'two/schema.graphql': SCHEMA,
    'two/config.yaml': `auth: {jwt: {secret: ${OTHER}}}\n`,
    'open/schema.graphql': SCHEMA,
  });
  const server = await startServer({ dir, env: {}, allowDestructive: false });
  onTestFinished(() => server.close());
  return server.url;
}

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

describe('several applications in one server', () => {
  test('each accept their own tokens, and one without auth needs none', async () => {
    const url = await start();
    const status = async (path: string, options = {}) => (await ask('GET', `${url}/${path}`, options)).status;
    const [one, two] = [tokenOf('ann'), tokenOf('ann', {}, OTHER)];
    expect(await status('one/auth/me', bearer(one))).toBe(200);
    expect(await status('two/auth/me', bearer(two))).toBe(200);
    for (const path of ['Note', 'Note/a', 'auth/me', 'Note?stream=sse']) {
      expect([path, await status(`one/${path}`, bearer(two))]).toEqual([path, 401]);
      expect([path, await status(`two/${path}`, bearer(one))]).toEqual([path, 401]);
    }
    expect(await status('open/Note', bearer('nonsense'))).toBe(200);
    expect(await status('open/auth/me', bearer(one))).toBe(404);
  });

  test('without auth, a record may look like a message with a token', async () => {
    const url = (await start()).replace('http', 'ws');
    using open = await WsClient.subscribe(`${url}/open/Note`);
    open.send({ id: 'a', type: 'auth', token: 'x' });
    expect((await open.next()).data).toEqual({ id: 'a', type: 'auth', token: 'x' });
    using asked = await WsClient.subscribe(`${url}/one/Note`);
    asked.send({ message_type: 'Update', data: { id: 'a', type: 'auth', token: 'x' } });
    expect((await asked.next()).data).toEqual({ id: 'a', type: 'auth', token: 'x' });
    asked.send({ id: 'b', type: 'auth', token: 'x' });
    expect(await asked.control('error')).toMatchObject({ code: 'INVALID_MESSAGE' });
  });
});
