import { expect, test } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import { describePlan, describeSwitchedOff } from '../../src/schema/print.ts';
import { makeApp } from '../config/folders.ts';
import { planOf, tableOf } from './mistakes.ts';

function configOf(yaml: string): Config {
  return loadConfig(makeApp(yaml), {});
}

test('the plan names stored tables, URLs, channels, transports that are off, access and expiration', () => {
  const config = configOf('sse: false\ntls: auto\nport: 7000\n');
  const sdl = `type Message @table(database: "realtime-demo", expiration: "7d") @compositeIndex(fields: ["until", "id"], unique: true) @export(name: "m", ws: false, public: [read]) {
      id: ID! @primaryKey
      tags: [String!]! @indexed(type: "fulltext")
      until: Date @expiresAt
      tagCount: Int @computed(from: "length(tags)")
    }
    type Secret @table @export(public: []) { key: Int! @primaryKey }
    type Inner @table { id: ID! @primaryKey }`;
  expect(describePlan(planOf(sdl, config.app), config)).toEqual([
    `my-app: 3 tables in ${config.app.dataDir} (durability full)`,
    '  realtime https://127.0.0.1:7000/my-app/api/v1/realtime/ws and /subscribe: many tables over one connection',
    '  docs     https://127.0.0.1:7000/my-app/_/docs, openapi.json and asyncapi.json beside it',
    '',
    'Message',
    '  stored   realtime-demo.Message, primary key id',
    '  fields   id: ID!, tags: [String!]!, until: Date, tagCount: Int',
    '  computed tagCount = length(tags)',
    '  index    until, id, unique',
    '  words    tags',
    '  REST     https://127.0.0.1:7000/my-app/m and https://127.0.0.1:7000/my-app/m/{id}',
    '  off      SSE of Message is off: sse: false in config.yaml',
    '  off      WebSocket of Message is off: @export(ws: false)',
    '  anyone   read',
    '  removed  7d after the last change, or when until has passed',
    '',
    'Secret',
    '  stored   data.Secret, primary key key',
    '  fields   key: Int!',
    '  REST     https://127.0.0.1:7000/my-app/Secret and https://127.0.0.1:7000/my-app/Secret/{id}',
    '  WS       wss://127.0.0.1:7000/my-app/Secret and wss://127.0.0.1:7000/my-app/Secret/{id}',
    '  off      SSE of Secret is off: sse: false in config.yaml',
    '  anyone   nothing',
    '',
    'Inner',
    '  stored   data.Inner, primary key id',
    '  fields   id: ID!',
    '  no URL   it has no @export',
  ]);
});

test('authentication is described before the tables, without any secret', () => {
  const sdl = 'type A @table @export { id: ID! @primaryKey }';
  const auth = 'auth: {users: true, jwt: {secret: k3Jx0-qTz8vLw2_NpYd7RbHs5UfGm1Ac}}\n';
  const config = configOf(`docs: false\nrealtime: {enabled: false}\n${auth}`);
  expect(describePlan(planOf(sdl, config.app), config).slice(1, 3)).toEqual([
    '  auth     HS256 tokens by a secret, built-in users',
    '',
  ]);
});

test('the audit log is described with its readers and its retention', () => {
  const sdl = 'type A @table @audit @export(public: []) { id: ID! @primaryKey }';
  const open = configOf('audit: {max_count: 5}\n');
  const lines = describePlan(planOf(sdl, open.app), open);
  const url = 'http://127.0.0.1:9996/my-app/_/audit';
  expect(lines).toContain(`  audit    ${url} for every caller on this machine; kept 90d, 5 entries at most`);
  expect(lines.at(-1)).toBe('  audited  every change is in the audit log');
  const secured = configOf(
    'audit: {retention: 36h}\nauth: {admin_role: root, jwt: {secret: k3Jx0-qTz8vLw2_NpYd7RbHs5UfGm1Ac}}\n',
  );
  expect(describePlan(planOf(sdl, secured.app), secured)).toContain(
    `  audit    ${url} for the role root; kept 36h, 1000000 entries at most`,
  );
  const proxied = configOf('trust_proxy: true\n');
  expect(describePlan(planOf(sdl, proxied.app), proxied).join('\n')).toContain(
    'denied to all callers, since there is no auth',
  );
  const none = describePlan(planOf(sdl.replace('@audit', ''), open.app), open);
  expect(none.filter((line) => line.includes('audit'))).toEqual([]);
});

test('an address of version 6 stands in brackets', () => {
  const config = configOf('host: "::1"\n');
  const lines = describePlan(planOf('type A @table @export { id: ID! @primaryKey }', config.app), config);
  expect(lines).toContain(
    '  SSE      http://[::1]:9996/my-app/A?stream=sse and http://[::1]:9996/my-app/A/{id}?stream=sse',
  );
});

test('a table with every transport has nothing to explain', () => {
  expect(describeSwitchedOff(tableOf('type A @table @export { id: ID! @primaryKey }'))).toEqual([]);
});
