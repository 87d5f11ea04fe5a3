import type { AppConfig, Channels, EventLog, Idempotency, Limits, Realtime, ServerConfig } from './config.ts';
import {
  booleanKey,
  choiceKey,
  countKey,
  durationKey,
  type Key,
  pathKey,
  portKey,
  type Scope,
  sizeKey,
  textKey,
  textsKey,
  tlsKey,
} from './values.ts';

type Section = Realtime | Limits | Channels | EventLog | Idempotency | ServerConfig['logging'];

/** One entry for every member of a configuration: the compiler refuses a missing or a mistyped one. */
export type Keys<T> = { readonly [K in keyof T]-?: T[K] extends Section ? Keys<T[K]> : Key<T[K]> };

const YEARS = 10 * 365 * 86_400_000;

/** What is read of an application; the folder itself is no key, and gives the name when none is written. */
export interface AppSettings extends Omit<AppConfig, 'dir' | 'appId'> {
  readonly appId: string | undefined;
}

/**
 * Every key of config.yaml. Parsing, suggestions, defaults and docs/configuration.md come from these two tables;
 * in the file a name is written in snake_case.
 */
export const APP_KEYS: Keys<AppSettings> = {
  appId: textKey(undefined, {
    what: 'First segment of every URL of the application',
    shownDefault: "the folder's name",
  }),
  rest: booleanKey(undefined, { what: 'Whether the tables have REST handlers', shownDefault: 'on' }),
  sse: booleanKey(undefined, { what: 'Whether the tables have Server-Sent Events streams', shownDefault: 'on' }),
  ws: booleanKey(undefined, { what: 'Whether the tables have WebSocket channels', shownDefault: 'on' }),
  docs: booleanKey(true, { what: 'Whether `/docs`, `/openapi.json` and `/asyncapi.json` are served' }),
  schemas: textsKey(['schema.graphql'], { what: 'Files with the tables, inside the application folder' }),
  web: textKey(undefined, {
    what: 'Folder with static files, inside the application folder',
    shownDefault: '`web`, if it exists',
  }),
  dataDir: textKey('data', { what: 'Folder of the stored data, relative to the application folder or absolute' }),
  durability: choiceKey(['full', 'normal'], 'full', {
    what: 'Whether a write is answered only when it would survive a loss of power',
  }),
  busyTimeout: durationKey('2s', { what: 'How long a write waits while another process holds the store' }, { min: 0 }),
  events: {
    retention: durationKey('24h', { what: 'How long a change can be resumed from' }, { max: YEARS }),
    maxCount: countKey(100_000, { what: 'How many changes of each table are kept at most' }),
    replayPage: countKey(
      500,
      { what: 'How many changes are read at once for a client that is behind' },
      { max: 10_000 },
    ),
  },
  idempotency: {
    retention: durationKey(
      '24h',
      { what: 'How long a request with an Idempotency-Key can be repeated' },
      { max: YEARS },
    ),
    maxCount: countKey(100_000, { what: 'How many keys are kept at most; the oldest go first' }),
  },
  realtime: {
    enabled: booleanKey(true, { what: 'Whether the multiplexed protocol is served' }),
    path: pathKey('/api/v1/realtime', {
      what: 'Where the multiplexed protocol is: `/ws` and `/subscribe` below it, behind `/{app_id}` and, with one application, also alone',
    }),
  },
};

const LIMIT_KEYS: Keys<Limits> = {
  body: sizeKey('1MiB', { what: 'Body of a request' }),
  jsonDepth: countKey(64, { what: 'Nesting of a JSON value' }, { max: 1000 }),
  jsonKeys: countKey(1000, { what: 'Keys of one JSON object' }),
  batch: countKey(1000, { what: 'Records in one request' }),
  bulk: countKey(10_000, { what: 'Records that one request by filter changes' }, { max: 1_000_000 }),
  url: sizeKey('8KiB', { what: 'Length of a URL' }),
  headers: sizeKey('16KiB', { what: 'All header fields of a request' }),
  headerCount: countKey(100, { what: 'Number of header fields' }),
  headersTimeout: durationKey('10s', { what: 'Time to send the header fields' }),
  requestTimeout: durationKey('30s', { what: 'Time to send a whole request' }),
  keepAlive: durationKey('72s', { what: 'How long an idle HTTP connection is kept' }),
  pageDefault: countKey(100, { what: 'Records of a list when the request names no limit' }),
  pageMax: countKey(1000, { what: 'Records of a list at most' }),
  scan: countKey(100_000, { what: 'Records of a table that a filter or sort without an index may look at' }),
  filterLength: sizeKey('4KiB', { what: 'Characters of all conditions of a query together' }),
  filterConditions: countKey(32, { what: 'Conditions in one filter' }, { max: 1000 }),
  filterDepth: countKey(5, { what: 'Nesting of a filter' }, { max: 100 }),
  filterValues: countKey(200, { what: 'Values in one list of a filter' }, { max: 10_000 }),
  filterPattern: countKey(128, { what: 'Characters of a pattern in a filter' }, { max: 10_000 }),
  id: countKey(256, { what: 'Characters of an id' }, { max: 4096 }),
  connections: countKey(10_000, { what: 'Open connections' }),
  subscriptions: countKey(
    100,
    { what: 'Subscriptions of one connection of the multiplexed protocol' },
    { max: 10_000 },
  ),
  message: sizeKey('512KiB', { what: 'One message of a WebSocket client' }),
  messageFragments: countKey(1024, { what: 'Fragments of one message' }),
  messageChunks: countKey(4096, { what: 'Buffered pieces of one message' }),
  messagesPerSecond: countKey(50, { what: 'Messages per second of one connection, in the long run' }),
  messagesBurst: countKey(100, { what: 'Messages of one connection in one go' }),
  shutdown: durationKey('10s', { what: 'How long a stopping server waits for requests to finish' }),
};

const CHANNEL_KEYS: Keys<Channels> = {
  pingInterval: durationKey('5s', { what: 'How often a WebSocket is pinged' }),
  pongTimeout: durationKey('10s', { what: 'A WebSocket from which nothing came for so long is ended' }),
  ssePingInterval: durationKey('15s', { what: 'How often a Server-Sent Events stream sends a ping' }),
  heartbeatInterval: durationKey('30s', {
    what: 'How often a connection of the multiplexed protocol gets a heartbeat message',
  }),
  slowClientTimeout: durationKey('30s', {
    what: 'A client that reads nothing for so long while frames wait is closed',
  }),
  clientBuffer: sizeKey('256KiB', { what: 'Most that waits in memory for one client; beyond it, the log serves it' }),
};

export const SERVER_KEYS: Keys<ServerConfig> = {
  host: textKey('127.0.0.1', { what: 'Address to listen on; any but a loopback one also needs `auth: none`' }),
  port: portKey(9996, { what: 'Port to listen on; 0 takes a free one' }),
  tls: tlsKey({ what: 'Certificate for https and wss; `auto` makes one for localhost', shownDefault: 'off' }),
  auth: choiceKey(['none'], undefined, {
    what: 'Says in words that nobody is asked who they are',
    shownDefault: 'none, on loopback only',
  }),
  trustProxy: booleanKey(false, { what: 'Whether X-Forwarded-* of a proxy in front is believed' }),
  logging: {
    level: choiceKey(['debug', 'info', 'warn', 'error', 'silent'], 'info', { what: 'What is logged' }),
    requests: booleanKey(false, { what: 'Whether every request is logged' }),
  },
  limits: LIMIT_KEYS,
  channels: CHANNEL_KEYS,
};

export interface ListedKey {
  /** As written in the file: `limits.json_depth`. */
  readonly path: string;
  readonly scope: Scope;
  readonly key: Key<unknown>;
}

/** `jsonDepth` → `json_depth`. */
export function toSnakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

export function isKey(entry: unknown): entry is Key<unknown> {
  return typeof entry === 'object' && entry !== null && 'read' in entry && typeof entry.read === 'function';
}

function listSection(section: object, scope: Scope, prefix: string): ListedKey[] {
  return Object.entries(section).flatMap(([name, entry]) => {
    const path = prefix + toSnakeCase(name);
    return isKey(entry) ? [{ path, scope, key: entry }] : listSection(entry, scope, `${path}.`);
  });
}

/** Every key in the order of the documentation. */
export const CONFIG_KEYS: readonly ListedKey[] = [
  ...listSection(APP_KEYS, 'app', ''),
  ...listSection(SERVER_KEYS, 'server', ''),
];
