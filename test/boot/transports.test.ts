import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { TRANSPORTS, type TransportEntry } from '../../src/boot/transports.ts';
import { startServer } from '../../src/index.ts';
import type { MountedApp } from '../../src/transports/transport.ts';
import { ask } from '../support/http.ts';

const SCHEMA = 'type Message @table @export(public: [read, create]) { id: ID! @primaryKey, title: String! }';

/** Adds a transport to the map for the duration of a test. */
function addTransport(name: string, entry: TransportEntry): void {
  const entries = TRANSPORTS as Record<string, TransportEntry>;
  entries[name] = entry;
  onTestFinished(() => {
    delete entries[name];
  });
}

async function start() {
  const dir = mkdtempSync(join(tmpdir(), 'tablecast-transports-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  writeFileSync(join(dir, 'schema.graphql'), SCHEMA);
  writeFileSync(join(dir, 'config.yaml'), 'app_id: my-app\nport: 0\nlogging: {level: silent}\n');
  return startServer({ dir, env: {}, allowDestructive: false });
}

test('a transport that is added to the map is registered, started, counted and stopped like every other', async () => {
  const calls: string[] = [];
  addTransport('echo', {
    accepts: ({ config }) => config.appId === 'my-app',
    load: async () => (context) => ({
      name: 'echo',
      register: (server, apps: readonly MountedApp[]) => {
        calls.push(`register ${apps.map(({ config }) => config.appId)}`);
        for (const { config, resources } of apps) {
          server.get(`/${config.appId}/echo`, () => ({
            tables: [...resources.keys()],
            shutdown: context.config.limits.shutdown,
          }));
        }
      },
      start: async () => void calls.push('start'),
      status: () => ({ connections: 3 }),
      stop: () => void calls.push('stop'),
      abort: () => void calls.push('abort'),
      settled: async () => void calls.push('settled'),
    }),
  });
  const server = await start();
  expect((await ask('GET', `${server.url}/my-app/echo`)).record).toEqual({ tables: ['Message'], shutdown: 10_000 });
  expect((await ask('GET', `${server.url}/metrics`)).text).toContain('tablecast_connections{transport="echo"} 3');
  await server.close();
  expect(calls).toEqual(['register my-app', 'start', 'stop', 'settled']);
});

test('a transport that accepts no application is not loaded', async () => {
  let loaded = false;
  addTransport('unused', {
    accepts: () => false,
    load: async () => {
      loaded = true;
      throw new Error('loaded');
    },
  });
  const server = await start();
  await server.close();
  expect(loaded).toBe(false);
});
