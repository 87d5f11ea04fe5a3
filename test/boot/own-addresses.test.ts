import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startServer } from '../../src/index.ts';
import { ask } from '../support/http.ts';

const SCHEMA = 'type Message @table @export(public: [read, create, subscribe]) { id: ID! @primaryKey, title: String }';
const AUTH = 'auth: {jwt: {secret: a-secret-that-has-at-least-32-bytes}, users: true}\n';

function makeFolder(files: Readonly<Record<string, string>>): string {
  const dir = mkdtempSync(join(tmpdir(), 'tablecast-own-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  }
  return dir;
}

async function start(files: Readonly<Record<string, string>>) {
  const server = await startServer({ dir: makeFolder(files), env: {}, allowDestructive: false });
  onTestFinished(() => server.close());
  return server;
}

async function mistakesOf(files: Readonly<Record<string, string>>): Promise<string> {
  try {
    await start({ 'config.yaml': 'port: 0\nlogging: {level: silent}\n', ...files });
  } catch (error) {
    return String(error);
  }
  return 'none';
}

async function statusOf(url: string, method = 'GET'): Promise<number> {
  return (await ask(method, url)).status;
}

describe('the addresses of the server', () => {
  test('are below _, and their aliases answer alike', async () => {
    const { url } = await start({
      'schema.graphql': SCHEMA.replace('@table', '@table @audit'),
      'config.yaml': `app_id: my-app\nport: 0\nlogging: {level: silent}\n${AUTH}`,
    });
    const app = `${url}/my-app`;
    for (const name of ['openapi.json', 'asyncapi.json', 'docs', 'docs/', 'client.js', 'auth/me', 'audit']) {
      const [own, alias] = await Promise.all([ask('GET', `${app}/_/${name}`), ask('GET', `${app}/${name}`)]);
      expect([own.status, own.headers.get('content-type')], name).toEqual([
        alias.status,
        alias.headers.get('content-type'),
      ]);
      expect(own.status, name).not.toBe(404);
    }
    for (const name of ['health/live', 'health/ready', 'metrics']) {
      expect(await statusOf(`${url}/_/${name}`), name).toBe(200);
      expect(await statusOf(`${url}/${name}`), name).toBe(200);
    }
    for (const path of ['/my-app/_/auth/login', '/my-app/auth/login', '/auth/login']) {
      expect(await statusOf(url + path, 'POST'), path).toBe(400);
    }
    expect(await statusOf(`${app}/_/realtime/subscribe`)).toBe(401);
  });

  test('have documents whose relative server is the application', async () => {
    const { url } = await start({ 'schema.graphql': SCHEMA, 'config.yaml': 'app_id: my-app\nport: 0\n' });
    for (const path of ['/my-app/_/openapi.json', '/my-app/openapi.json']) {
      const { servers } = (await ask('GET', url + path)).record as unknown as { servers: { url: string }[] };
      expect(servers.map((server) => new URL(server.url, url + path).href)).toEqual([`${url}/my-app`, `${url}/my-app`]);
    }
  });

  test('are no names for tables, applications and routes', async () => {
    const table = SCHEMA.replace('@export(', '@export(name: "_posts", ');
    expect(await mistakesOf({ 'schema.graphql': table })).toMatch(/"_posts" is reserved.*@export\(name: "posts"\)/s);
    const app = 'app_id: _shop\nport: 0\n';
    const appMistake = await mistakesOf({ 'schema.graphql': SCHEMA, 'config.yaml': app });
    expect(appMistake).toMatch(/app_id "_shop" is reserved.*`app_id: shop`/s);
    for (const key of ['routes_prefix: /_/api', 'realtime: {path: /_live}']) {
      const found = await mistakesOf({ 'schema.graphql': SCHEMA, 'config.yaml': `${key}\nport: 0\n` });
      expect(found, key).toMatch(/is reserved: paths that begin with "_" are the server's own/);
    }
    const type = SCHEMA.replace('type Message', 'type _Message');
    expect((await mistakesOf({ 'schema.graphql': type })).match(/reserved/g)).toHaveLength(1);
  });
});

describe('short addresses', () => {
  const FILES = {
    'config.yaml': 'port: 0\nlogging: {level: silent}\n',
    'beta/schema.graphql': SCHEMA,
    'beta/config.yaml': AUTH,
  };

  test('are those of the first application, whatever comes after it', async () => {
    const one = await start(FILES);
    const two = await start({ ...FILES, 'gamma/schema.graphql': SCHEMA });
    for (const { url } of [one, two]) {
      for (const path of ['/auth/me', '/api/v1/realtime/subscribe']) expect(await statusOf(url + path), path).toBe(401);
    }
  });

  test('are those of the application with default: true, whatever comes before it', async () => {
    const files = {
      ...FILES,
      'beta/config.yaml': `default: true\n${AUTH}`,
      'alpha/schema.graphql': SCHEMA.replaceAll('Message', 'Other'),
      'alpha/config.yaml': 'auth: none\n',
    };
    const { url } = await start(files);
    for (const path of ['/auth/me', '/api/v1/realtime/subscribe']) expect(await statusOf(url + path), path).toBe(401);
  });

  test('give way to the id of an application', async () => {
    const { url } = await start({
      ...FILES,
      'beta/config.yaml': `default: true\nrealtime: {path: /alpha}\n${AUTH}`,
      'alpha/schema.graphql': SCHEMA,
    });
    expect(await statusOf(`${url}/beta/alpha/subscribe`)).toBe(401);
    expect(await statusOf(`${url}/alpha/subscribe`)).toBe(404);
  });

  test('are not claimed by two applications', async () => {
    const twice = {
      ...FILES,
      'beta/config.yaml': 'default: true\n',
      'alpha/schema.graphql': SCHEMA,
      'alpha/config.yaml': 'default: true\n',
    };
    expect(await mistakesOf(twice)).toMatch(/beta\/config.yaml:1.*alpha is the default application already/s);
  });
});
