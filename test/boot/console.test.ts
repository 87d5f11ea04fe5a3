import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { describeOmitted } from '../../src/boot/console-page.ts';
import { startServer } from '../../src/index.ts';
import { ask } from '../support/http.ts';

const SCHEMA = 'type Message @table @export(public: [read]) { id: ID! @primaryKey, title: String }';
const QUIET = 'port: 0\nlogging: {level: silent}\n';
const AUTH =
  'auth: {jwt: {secret: a-secret-that-has-at-least-32-bytes}, users: true, signup: true, admin_role: owner}\n';

async function start(files: Readonly<Record<string, string>>): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'tablecast-console-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  }
  const server = await startServer({ dir, env: {}, allowDestructive: false });
  onTestFinished(() => server.close());
  return server.url;
}

function startOne(config: string, files: Readonly<Record<string, string>> = {}): Promise<string> {
  return start({ 'schema.graphql': SCHEMA, 'config.yaml': `app_id: my-app\n${QUIET}${config}`, ...files });
}

async function appsAt(url: string): Promise<unknown> {
  const { status, text } = await ask('GET', `${url}/_console/apps.json`);
  const body = JSON.parse(text) as { apps: unknown; detail: string };
  return status === 200 ? body.apps : [status, body.detail];
}

describe('the console', () => {
  test('is served on loopback without authentication, and wherever callers are authenticated', async () => {
    const app = { app_id: 'my-app', auth: 'none', signup: false, page: false, docs: true };
    expect(await appsAt(await startOne(''))).toEqual([app]);
    const users = { ...app, auth: 'users', signup: true, admin_role: 'owner' };
    expect(await appsAt(await startOne(`trust_proxy: true\n${AUTH}`))).toEqual([users]);
    expect(await appsAt(await startOne(`trust_proxy: true\ndocs: false\n${AUTH}`))).toEqual([]);
  });

  test('is not served where other machines can connect and nothing asks who they are', async () => {
    const refusal =
      'The console is not served here: authentication is off, and other machines can connect. Configure `auth`.';
    const url = await startOne('trust_proxy: true\nauth: none\n');
    expect(await appsAt(url)).toEqual([404, refusal]);
    expect((await ask('GET', `${url}/_console/my-app/Message`)).status).toBe(404);
  });

  test('shows of several applications those with authentication', async () => {
    const url = await start({
      'config.yaml': `${QUIET}trust_proxy: true\n`,
      'open/schema.graphql': SCHEMA,
      'open/config.yaml': 'auth: none\n',
      'safe/schema.graphql': SCHEMA,
      'safe/config.yaml': AUTH,
    });
    expect(await appsAt(url)).toEqual([
      { app_id: 'safe', auth: 'users', signup: true, admin_role: 'owner', page: false, docs: true },
    ]);
    expect((await fetch(`${url}/safe/console`, { redirect: 'manual' })).headers.get('location')).toBe(
      '../_console/safe/',
    );
    expect((await fetch(`${url}/open/console`, { redirect: 'manual' })).status).toBe(404);
  });

  test('is off with console: false', async () => {
    const url = await startOne('console: false\n');
    expect(await appsAt(url)).toEqual([404, 'There is nothing at this address.']);
    expect((await fetch(`${url}/my-app/console`, { redirect: 'manual' })).status).toBe(404);
  });

  test('leaves an address of the application to the application', async () => {
    const table = await startOne('', { 'schema.graphql': SCHEMA.replace('(public', '(name: "console", public') });
    expect((await ask('GET', `${table}/my-app/console`)).text).toBe('[]');
    const file = await startOne('', { 'web/console/index.html': '<p>own</p>' });
    expect((await fetch(`${file}/my-app/console/`)).status).toBe(200);
  });

  test('says in the log which application it does not show, and why', () => {
    const base = { host: '192.0.2.1', trustProxy: false, console: { enabled: true, allow: undefined } };
    const opened = [
      { config: { appId: 'open' }, auth: undefined },
      { config: { appId: 'safe' }, auth: {} },
    ] as unknown as Parameters<typeof describeOmitted>[0];
    const sentenceFor = (config: object) => describeOmitted(opened, { ...base, ...config } as never);
    const [start, proxy] = ['the console does not show open: authentication is off, and ', { trustProxy: true }];
    expect(sentenceFor({})).toBe(`${start}other machines can connect`);
    expect(sentenceFor({ host: '127.0.0.1', ...proxy })).toBe(`${start}a proxy forwards requests of other machines`);
    expect(sentenceFor({ host: '127.0.0.1' })).toBeUndefined();
    expect(sentenceFor({ console: { enabled: false, allow: undefined } })).toBeUndefined();
  });
});
