import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Account } from '../../src/auth/accounts/accounts.ts';
import { type AppAuth, openAuth } from '../../src/auth/app-auth.ts';
import { openApplication } from '../../src/boot/application.ts';
import { loadProject } from '../../src/boot/project.ts';
import { TRANSPORTS, type TransportEntry } from '../../src/boot/transports.ts';
import type { AuthConfig } from '../../src/config/config.ts';
import type { Application } from '../../src/resources/application.ts';
import { registerAuthentication } from '../../src/server/auth/authentication.ts';
import { registerAuthMe } from '../../src/server/auth/routes.ts';
import { createHttpServer } from '../../src/server/http-server.ts';
import { Admission } from '../../src/server/limits/admission.ts';
import { createLog } from '../../src/server/operations/log.ts';
import { makeFolder } from '../config/folders.ts';
import { MemoryAccounts } from '../support/accounts.ts';
import { ask } from '../support/http.ts';
import { mountedApp } from '../support/mounted-app.ts';
import { SseClient } from '../support/sse-client.ts';
import { SECRET, tokenOf } from '../support/tokens.ts';
import { refusedUpgrade, WsClient } from '../support/ws-client.ts';

const SCHEMA = `type Note @table @export(public: [read, create, update, subscribe]) { id: ID! @primaryKey text: String }
type Draft @table @export(public: [create, update]) @access(read: ["editor", "viewer & text==$auth.team"]) { id: ID! @primaryKey text: String }
type Locked @table @export(public: []) { id: ID! @primaryKey }`;
const CONFIG = `logging: {level: silent}\nauth: {users: true, jwt: {secret: ${SECRET}}}\n`;

const ANN: Account = { sub: 'ann', name: 'Ann', roles: ['editor'], claims: { team: 'red' } };
const KEY = 'tck_abcdefgh_secret';

let accounts: MemoryAccounts;
let auth: AppAuth;
let admission: Admission;
let origin: string;
let close: () => Promise<void>;

/** The transports of one application, with users, keys and tickets that a test can change. */
beforeEach(async () => {
  const dir = makeFolder({ 'schema.graphql': SCHEMA, 'config.yaml': CONFIG });
  const { server: config, apps } = loadProject(dir, {});
  const [{ config: app, plan } = { config: undefined, plan: undefined }] = apps;
  if (app === undefined) throw new Error('there is no application');
  const onError = (error: unknown) => {
    throw error;
  };
  const application: Application = await openApplication({
    app,
    server: config,
    plan,
    allowDestructive: false,
    onError,
  });
  accounts = new MemoryAccounts();
  accounts.users.set('ann', ANN);
  accounts.users.set('robot', { sub: 'robot', name: 'Robot', roles: [], claims: {} });
  auth = await openAuth(app.auth as AuthConfig, {
    accounts,
  });
  const log = createLog(config);
  const server = await createHttpServer(config, { dataDir: dir, lifecycle: { ready: true, stopping: false }, log });
  registerAuthMe(server, '/my-app/auth', auth);
  const tables = [...application.resources].map(([name, resource]) => ({ path: `/my-app/${name}`, resource }));
  registerAuthentication(
    server,
    tables.map(({ path, resource: { table } }) => ({ path, table, auth })),
  );
  admission = new Admission({ ...config.limits, connections: 100 });
  const transports = await Promise.all(
    ['rest', 'sse', 'ws'].map(async (name) => {
      const { load } = TRANSPORTS[name] as TransportEntry;
      const transport = (await load())({ config, admission, showsDetails: true, onError });
      await transport.register(server, [mountedApp(app, application, { auth })]);
      return transport;
    }),
  );
  await server.listen({ host: '127.0.0.1', port: 0 });
  origin = `http://127.0.0.1:${(server.server.address() as AddressInfo).port}/my-app`;
  close = async () => {
    auth.close();
    for (const transport of transports) transport.abort();
    await server.close();
    await application.close();
  };
});
afterEach(() => close());

const wsUrl = (path: string) => `${origin}/${path}`.replace(/^http/, 'ws');
const bearer = (text: string) => ({ headers: { authorization: `Bearer ${text}` } });
const write = (text: string) => ask('PUT', `${origin}/Note/a`, { json: { text } });

describe('a key', () => {
  test('opens every transport', async () => {
    const me = await ask('GET', `${origin}/auth/me`, bearer(KEY));
    expect(me.record).toEqual({
      sub: 'robot',
      roles: ['writer'],
      claims: { sub: 'robot', roles: ['writer'] },
      expires_at: null,
    });
    using stream = await SseClient.subscribe(`${origin}/Note`, bearer(KEY));
    using socket = await WsClient.subscribe(wsUrl('Note'), { protocols: [`bearer.${KEY}`, 'tablecast.json'] });
    expect([stream.status, socket.socket.protocol, auth.connections.size]).toEqual([200, 'tablecast.json', 2]);
  });

  test('that is revoked ends what it opened', async () => {
    using stream = await SseClient.subscribe(`${origin}/Note`, bearer(KEY));
    using socket = await WsClient.subscribe(wsUrl('Note'), bearer(KEY));
    using other = await WsClient.subscribe(wsUrl('Note'), bearer(tokenOf('ann')));
    accounts.keys.clear();
    accounts.changed();
    expect(await socket.closed).toEqual({ code: 4403, reason: 'no longer allowed' });
    expect((await stream.next('error')).json).toEqual({
      code: 'FORBIDDEN',
      message: 'The rights of this connection have ended.',
    });
    await stream.ended;
    await write('after');
    expect((await other.next()).data.text).toBe('after');
    expect([stream.all('update'), socket.changes.items]).toEqual([[], []]);
    expect((await ask('GET', `${origin}/auth/me`, bearer(KEY))).status).toBe(401);
  });
});

describe('a user', () => {
  test('a disabled user is disconnected on every transport, though the token is valid', async () => {
    const token = tokenOf('ann', { roles: ['admin'] });
    expect((await ask('GET', `${origin}/auth/me`, bearer(token))).record).toMatchObject({ roles: ['editor'] });
    using stream = await SseClient.subscribe(`${origin}/Note`, bearer(token));
    using socket = await WsClient.subscribe(wsUrl('Note'), { protocols: [token] });
    accounts.users.delete('ann');
    accounts.changed();
    expect((await socket.closed).code).toBe(4403);
    expect((await stream.next('error')).json.code).toBe('FORBIDDEN');
    expect((await ask('GET', `${origin}/Note`, bearer(token))).status).toBe(401);
    expect((await ask('GET', `${origin}/Note?stream=sse`, bearer(token))).status).toBe(401);
    expect((await refusedUpgrade(wsUrl('Note'), { protocols: [token] })).status).toBe(401);
    expect((await ask('GET', `${origin}/Note`)).status).toBe(200);
  });

  test('whose roles change has the new ones on open connections', async () => {
    using socket = await WsClient.subscribe(wsUrl('Note'), bearer(tokenOf('ann')));
    accounts.users.set('ann', { ...ANN, roles: ['viewer'] });
    accounts.changed();
    await write('still');
    expect((await socket.next()).data.text).toBe('still');
  });

  test('whose rights change sees what they allow from then on, and nothing when none is left', async () => {
    for (const text of ['red', 'blue']) await ask('PUT', `${origin}/Draft/${text}`, { json: { text } });
    using stream = await SseClient.subscribe(`${origin}/Draft?retained=true`, bearer(tokenOf('ann')));
    using socket = await WsClient.subscribe(`${wsUrl('Draft')}?retained=true`, bearer(tokenOf('ann')));
    expect(socket.changes.items.map(({ id }) => id)).toEqual(['blue', 'red']);
    socket.changes.items.length = 0;
    accounts.users.set('ann', { ...ANN, roles: ['viewer'] });
    accounts.changed();
    expect((await stream.next('reset')).json).toMatchObject({ type: 'reset', reason: 'rights_changed' });
    await ask('PUT', `${origin}/Draft/blue`, { json: { text: 'still blue' } });
    await ask('PUT', `${origin}/Draft/more`, { json: { text: 'red' } });
    await expect
      .poll(() => socket.changes.items.map(({ message_type: type, id }) => `${type} ${id}`))
      .toEqual(['Retained red', 'Update more']);
    accounts.users.set('ann', { ...ANN, roles: [] });
    accounts.changed();
    expect((await socket.closed).code).toBe(4403);
    expect((await stream.next('error')).json.code).toBe('FORBIDDEN');
    expect(stream.all('update')).toMatchObject([{ id: 'more' }]);
  });
});

describe('a ticket', () => {
  test('opens one stream, once', async () => {
    const principal = await auth.authenticator.authenticate({ type: 'bearer', text: tokenOf('ann') });
    accounts.tickets.set('tct_1', principal);
    accounts.tickets.set('tct_2', principal);
    using stream = await SseClient.subscribe(`${origin}/Note?ticket=tct_1&retained=true`);
    using socket = await WsClient.subscribe(`${wsUrl('Note')}?ticket=tct_2`);
    expect([stream.status, socket.isOpen, auth.connections.size]).toEqual([200, true, 2]);
    expect((await ask('GET', `${origin}/Note?stream=sse&ticket=tct_1`)).status).toBe(401);
    expect((await refusedUpgrade(`${wsUrl('Note')}?ticket=tct_2`)).status).toBe(401);
  });

  test('is no credential of REST', async () => {
    const answer = await ask('GET', `${origin}/Note?ticket=tct_1`);
    expect([answer.status, answer.record.code]).toEqual([400, 'INVALID_QUERY']);
  });
});

test('a connection that is closed is forgotten', async () => {
  using stream = await SseClient.subscribe(`${origin}/Note`, bearer(KEY));
  using socket = await WsClient.subscribe(wsUrl('Note'), bearer(KEY));
  using nobody = await WsClient.subscribe(wsUrl('Note'));
  expect([nobody.isOpen, auth.connections.size, admission.open]).toEqual([true, 2, 3]);
  await socket.close();
  stream.close();
  await expect.poll(() => [auth.connections.size, admission.open]).toEqual([0, 1]);
});

test('a caller without the right gets 403 on each transport, an anonymous one 401', async () => {
  const statuses = async (options: ReturnType<typeof bearer> | Record<string, never>) => [
    (await ask('GET', `${origin}/Locked`, options)).status,
    (await ask('GET', `${origin}/Locked/a?stream=sse`, options)).status,
    (await refusedUpgrade(wsUrl('Locked'), options)).status,
  ];
  expect(await statuses({})).toEqual([401, 401, 401]);
  expect(await statuses(bearer(KEY))).toEqual([403, 403, 403]);
});
