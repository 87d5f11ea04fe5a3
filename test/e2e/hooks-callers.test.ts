import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BASE_CONFIG, IN_PROCESS, startServer, type TestServer } from '../support/app.ts';
import { accessToken, bearer } from '../support/auth-app.ts';
import { SECRET } from '../support/tokens.ts';
import { until } from '../support/wait.ts';
import { refusedUpgrade, WsClient } from '../support/ws-client.ts';

const SCHEMA = `type Task @table @export
  @access(read: "ownerId==$auth.sub", create: "authenticated", update: "ownerId==$auth.sub", delete: "ownerId==$auth.sub") {
  id: ID! @primaryKey
  ownerId: String
  text: String
  checked: Boolean @access(write: ["reviewer"])
}
type Order @table @export @account(field: "org", claim: "org")
  @access(read: "authenticated", create: "authenticated", update: "authenticated") {
  id: ID! @primaryKey
  org: String
}
type Log @table @export(public: [read]) {
  id: ID! @primaryKey
  what: String!
  userId: String
  accountId: String
}`;

const HOOKS = `import type { Hooks } from 'tablecast';
const log = (what: string): Hooks['onRealtimeConnect'] => async ({ tables, userId, accountId, collection }) => {
  await tables.Log!.create({ what: \`\${what} \${collection}\`, userId, accountId });
};
export default {
  onRealtimeConnect: log('connect'),
  onRealtimeDisconnect: log('disconnect'),
  tables: {
    Task: {
      beforeCreate: async ({ record, identity, tables }) => {
        await tables.Log!.create({ what: \`create \${record.text}\` });
        if (record.text === 'checked') record.checked = true;
        if (identity.type === 'principal') record.ownerId ??= identity.sub;
        // What a hook writes is not shown to hooks: this does not come to an end otherwise.
        if (record.text === 'twice') await tables.Task!.create({ text: 'twice' });
      },
      beforeUpdate: async ({ id, tables }) => {
        await tables.Log!.create({ what: \`update \${id}\` });
      },
      beforeDelete: async ({ id, tables }) => {
        await tables.Log!.create({ what: \`delete \${id}\` });
      },
    },
  },
} satisfies Hooks;
`;

let server: TestServer;
beforeAll(async () => {
  server = await startServer({
    schema: SCHEMA,
    config: `${BASE_CONFIG}hooks: [hooks.ts]\nauth:\n  jwt:\n    secret: \${JWT_SECRET}\n`,
    files: { 'hooks.ts': HOOKS },
    env: { JWT_SECRET: SECRET },
  });
});
afterAll(async () => server?.[Symbol.asyncDispose]());

const as = (sub: string, claims = {}) => bearer(accessToken(sub, claims));
const logged = async () => (await server.ask('GET', 'Log?sort=id&limit=1000')).records;
const told = async () => (await logged()).map(({ what }) => what);

describe('hooks and who is asking', () => {
  test('hear only of writes that their caller may make', async () => {
    const put = (sub: string, json: object) => server.ask('PUT', 'Task/mine', { json, ...as(sub) });
    expect((await server.ask('PUT', 'Task/mine', { json: { text: 'nobody' } })).status).toBe(401);
    expect((await put('ann', { text: 'mine' })).record).toMatchObject({ ownerId: 'ann', text: 'mine' });
    expect((await put('bob', { text: 'his', ownerId: 'bob' })).status).toBe(404);
    expect((await server.ask('PATCH', 'Task/mine', { json: { text: 'his' }, ...as('bob') })).status).toBe(404);
    expect((await server.ask('DELETE', 'Task/mine', as('bob'))).status).toBe(404);
    expect(await told()).toEqual(['create mine']);
    expect((await server.ask('PATCH', 'Task/mine', { json: { text: 'more' }, ...as('ann') })).status).toBe(200);
    expect((await server.ask('DELETE', 'Task/mine', as('ann'))).status).toBe(204);
    expect(await told()).toEqual(['create mine', 'update mine', 'delete mine']);
  });

  test('cannot write for a caller what that caller may not write', async () => {
    const json = { text: 'checked' };
    expect((await server.ask('POST', 'Task', { json, ...as('ann') })).record).toMatchObject({ code: 'FORBIDDEN' });
    expect((await server.ask('POST', 'Task', { json, ...as('rob', { roles: ['reviewer'] }) })).status).toBe(201);
  });

  test('do not hear of what hooks write', async () => {
    const before = (await told()).length;
    const answer = await server.ask('POST', 'Task', { json: { text: 'twice' }, ...as('ann') });
    expect(answer.status).toBe(201);
    expect((await told()).slice(before)).toEqual(['create twice']);
  });

  test('are told user and account, and of the end also when the server stops', async () => {
    const { headers } = as('ann', { org: 'acme' });
    await WsClient.subscribe(server.wsUrl('Order'), { headers });
    const mine = async () => (await logged()).filter(({ what }) => String(what).endsWith(' Order'));
    expect(await mine()).toMatchObject([{ what: 'connect Order', userId: 'ann', accountId: 'acme' }]);
    await server.restart();
    expect(await mine()).toMatchObject([
      { what: 'connect Order', userId: 'ann', accountId: 'acme' },
      { what: 'disconnect Order', userId: 'ann', accountId: 'acme' },
    ]);
  });

  test('are not asked about connections that are refused anyway', async () => {
    const before = (await told()).length;
    expect((await refusedUpgrade(server.wsUrl('Order'))).status).toBe(401);
    expect((await refusedUpgrade(server.wsUrl('Order?nonsense=1'), as('ann', { org: 'acme' }))).status).toBe(400);
    expect(await told()).toHaveLength(before);
  });
});

// It counts refusals by the metrics of a process of its own.
test.skipIf(IN_PROCESS)('connections that wait for hooks take no places that there are not', async () => {
  await using full = await startServer({
    config: `${BASE_CONFIG}hooks: hooks.mjs\nlimits:\n  connections: 1\n`,
    files: {
      'hooks.mjs': `export const onRealtimeConnect = () => new Promise((done) => setTimeout(done, 200));
export const onRealtimeDisconnect = () => console.log(JSON.stringify({ msg: 'gone' }));`,
    },
  });
  const opened = await Promise.allSettled([1, 2, 3].map(() => WsClient.open(full.wsUrl('Message'))));
  expect(opened.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  const countGone = async () => full.stdout.split('"gone"').length - 1;
  await until(countGone, (gone) => gone === 2, { what: 'the ends of the two that were refused' });
  for (const client of opened) if (client.status === 'fulfilled') client.value.terminate();
  await until(countGone, (gone) => gone === 3, { what: 'the end of the third' });
});
