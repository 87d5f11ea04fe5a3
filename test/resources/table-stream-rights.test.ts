import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Account } from '../../src/auth/accounts/accounts.ts';
import { type AppAuth, openAuth } from '../../src/auth/app-auth.ts';
import { openApplication } from '../../src/boot/application.ts';
import { loadProject } from '../../src/boot/project.ts';
import type { AuthConfig } from '../../src/config/config.ts';
import type { Application } from '../../src/resources/application.ts';
import type { TableHandle } from '../../src/resources/table/handle.ts';
import { makeHandle } from '../../src/resources/table/make-handle.ts';
import type { TableResource } from '../../src/resources/table/resource.ts';
import { makeFolder } from '../config/folders.ts';
import { MemoryAccounts } from '../support/accounts.ts';
import { inSeconds, SECRET, tokenOf } from '../support/tokens.ts';

const SCHEMA = `type Draft @table @export(public: []) @access(read: ["editor", "viewer & text==$auth.team"]) { id: ID! @primaryKey text: String }`;
const CONFIG = `logging: {level: silent}\nauth: {users: true, jwt: {secret: ${SECRET}}}\n`;
const ANN: Account = { sub: 'ann', name: 'Ann', roles: ['editor'], claims: { team: 'red' } };

let accounts: MemoryAccounts;
let auth: AppAuth;
let application: Application;
let everything: TableHandle;

beforeEach(async () => {
  const dir = makeFolder({ 'schema.graphql': SCHEMA, 'config.yaml': CONFIG });
  const { server, apps } = loadProject(dir, {});
  const [app] = apps;
  if (app === undefined) throw new Error('there is no application');
  const onError = (error: unknown) => {
    throw error;
  };
  application = await openApplication({ ...app, app: app.config, server, allowDestructive: false, onError });
  accounts = new MemoryAccounts();
  accounts.users.set('ann', ANN);
  auth = await openAuth(app.config.auth as AuthConfig, { accounts });
  application.streams.follow(auth.connections);
  everything = makeHandle(draft());
});
afterEach(async () => {
  vi.useRealTimers();
  auth.close();
  await application.close();
  expect([application.hub.size, application.streams.size, auth.connections.size]).toEqual([0, 0, 0]);
});

const draft = () => application.resources.get('Draft') as TableResource;

async function as(token: string): Promise<TableHandle> {
  return makeHandle(draft(), await auth.authenticator.authenticate({ type: 'bearer', text: token }));
}

describe('a subscription with the rights of a caller', () => {
  test('is authorized when it is opened', async () => {
    accounts.users.set('ann', { ...ANN, roles: [] });
    const table = await as(tokenOf('ann'));
    expect(() => table.subscribe()).toThrow(expect.objectContaining({ code: 'FORBIDDEN' }));
    const anonymous = makeHandle(draft(), { type: 'anonymous' });
    expect(() => anonymous.subscribe()).toThrow(expect.objectContaining({ code: 'UNAUTHORIZED' }));
    expect([application.hub.size, auth.connections.size]).toEqual([0, 0]);
  });

  test('follows changed rights, and ends when none is left', async () => {
    for (const text of ['blue', 'red']) await everything.create({ id: text, text });
    const subscription = (await as(tokenOf('ann'))).subscribe('retained=true');
    const nextFrame = async () => {
      const { value } = await subscription.next();
      return value?.message_type === undefined ? value?.type : `${value.message_type} ${value.id}`;
    };
    expect(await nextFrame()).toBe('Retained blue');
    // Frames in the queue were for the previous rights, and are not read any more.
    accounts.users.set('ann', { ...ANN, roles: ['viewer'] });
    accounts.changed();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([await nextFrame(), await nextFrame(), await nextFrame()]).toEqual(['reset', 'Retained red', 'ready']);
    await everything.patch('blue', { text: 'still blue' });
    await everything.create({ id: 'more', text: 'red' });
    expect(await nextFrame()).toBe('Update more');
    const next = subscription.next();
    accounts.users.set('ann', { ...ANN, roles: [] });
    accounts.changed();
    await expect(next).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(await subscription.next()).toEqual({ done: true, value: undefined });
  });

  test('continues unchanged when other rights allow the same records', async () => {
    const subscription = (await as(tokenOf('ann'))).subscribe('retained=true');
    await everything.create({ id: 'a', text: 'x' });
    accounts.users.set('ann', { ...ANN, name: 'Anna', claims: { team: 'blue' } });
    accounts.changed();
    await new Promise((resolve) => setTimeout(resolve, 20));
    const frames = [await subscription.next(), await subscription.next()].map(({ value }) => value);
    expect(frames).toMatchObject([{ type: 'ready' }, { message_type: 'Update', id: 'a' }]);
  });

  test('ends when the token expires, and delivers nothing after that', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const subscription = (await as(tokenOf('ann', { exp: inSeconds(60) }))).subscribe();
    expect((await subscription.next()).value).toMatchObject({ type: 'ready' });
    const next = subscription.next();
    vi.setSystemTime(Date.now() + 61_000);
    await everything.create({ id: 'a', text: 'x' });
    await expect(next).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
    expect(await subscription.next()).toEqual({ done: true, value: undefined });
  });
});
