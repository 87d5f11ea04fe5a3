import type {
  AppConfig,
  AuditConfig,
  ChannelsConfig,
  ClusterConfig,
  CompressionConfig,
  CorsConfig,
  DeadLettersConfig,
  IdempotencyConfig,
  Limits,
  LogRetentionConfig,
  MultiplexConfig,
  ServerConfig,
} from '../config.ts';
import { AUTH_KEYS, type AuthSettings, type JwtSettings } from './auth-keys.ts';
import { LIMIT_KEYS } from './limit-keys.ts';
import { STORE_KEYS } from './store-keys.ts';
import {
  booleanKey,
  type ConfigKey,
  choiceKey,
  countKey,
  durationKey,
  type KeyScope,
  MAX_RETENTION_MS,
  pathKey,
  portKey,
  sectionKey,
  sizeKey,
  textKey,
  textOrTextsKey,
  textsKey,
  tlsKey,
  toSnakeCase,
} from './values.ts';
import {
  answerHeadersKey,
  consoleKey,
  hostsKey,
  originsKey,
  policyKey,
  requestHeadersKey,
  switchOrTokenKey,
} from './web-values.ts';

type Group =
  | MultiplexConfig
  | Limits
  | ChannelsConfig
  | CompressionConfig
  | CorsConfig
  | ClusterConfig
  | DeadLettersConfig
  | LogRetentionConfig
  | IdempotencyConfig
  | AuditConfig
  | ServerConfig['logging']
  | AuthSettings
  | JwtSettings;

/** Key table with an entry for every member of a configuration: the compiler reports a missing or a mistyped one. */
export type Keys<T> = { readonly [K in keyof T]-?: T[K] extends Group ? Keys<T[K]> : ConfigKey<T[K]> };

/** Values of an application as written. The folder is not a key, and its name is the default of `appId`. */
export interface AppSettings extends Omit<AppConfig, 'dir' | 'appId' | 'auth'> {
  readonly appId: string | undefined;
  readonly auth: AuthSettings;
}

/**
 * Keys of an application in config.yaml. Parsing, suggestions, defaults and docs/reference/configuration.md come from this table and
 * SERVER_KEYS; in the file a name is in snake_case.
 */
export const APP_KEYS: Keys<AppSettings> = {
  appId: textKey(undefined, {
    what: 'First segment of every URL of the application',
    shownDefault: "the folder's name",
  }),
  default: booleanKey(false, {
    what: 'Whether addresses without `/{app_id}` are those of this application, where the server has several; without it, they are those of the first in the order of the folders',
  }),
  rest: booleanKey(undefined, { what: 'Whether the tables have REST handlers', shownDefault: 'on' }),
  sse: booleanKey(undefined, { what: 'Whether the tables have Server-Sent Events streams', shownDefault: 'on' }),
  ws: booleanKey(undefined, { what: 'Whether the tables have WebSocket channels', shownDefault: 'on' }),
  docs: booleanKey(true, { what: 'Whether `/_/docs`, `/_/openapi.json` and `/_/asyncapi.json` are served' }),
  schemas: textsKey(['schema.graphql'], {
    what: 'Files with the tables, inside the application folder',
  }),
  hooks: textOrTextsKey({ what: 'Modules with hooks, inside the application folder', shownDefault: 'none' }),
  hookTimeout: durationKey('5s', { what: 'How long a hook may take' }, { max: 600_000 }),
  routes: textOrTextsKey({ what: 'Modules with routes, inside the application folder', shownDefault: 'none' }),
  routesPrefix: pathKey('/api', {
    what: 'Path of the routes: behind `/{app_id}` and, for the default application, also without it',
  }),
  connectors: sectionKey({ what: 'Connections to clients and other systems, by name: see [Flows](flows.md)' }),
  flows: sectionKey({ what: 'Flows of events from one connector to others, by name: see [Flows](flows.md)' }),
  rooms: sectionKey({
    what: 'Rules for joining rooms, sending to them and seeing their members: see [Rooms](connectors/rooms.md#room-rules)',
  }),
  deadLetters: {
    retention: durationKey(
      '30d',
      { what: 'How long an event that a flow could not handle is kept' },
      { max: MAX_RETENTION_MS },
    ),
    maxCount: countKey(10_000, { what: 'Maximum number of such events; the oldest are removed first' }),
  },
  web: textKey(undefined, {
    what: 'Folder with static files, inside the application folder; scripts go into files, not into the HTML',
    shownDefault: '`web`, if it exists',
  }),
  webPolicy: policyKey(
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'",
    {
      what: 'Content-Security-Policy of the static files; `false` sends none',
    },
  ),
  dataDir: textKey('data', { what: 'Folder of the stored data, relative to the application folder or absolute' }),
  ...STORE_KEYS,
  realtime: {
    enabled: booleanKey(true, { what: 'Whether protocol v1 (`/_/live`) and the multiplexed protocol are served' }),
    path: pathKey('/api/v1/realtime', {
      what: 'Path of the multiplexed protocol, with `/ws` and `/subscribe` below it: behind `/{app_id}` and, for the default application, also without it',
    }),
  },
  auth: AUTH_KEYS,
};

/** Sections that can also be a single word. */
const WORDS: Readonly<Record<string, ConfigKey<unknown>>> = {
  auth: choiceKey(['none'], undefined, {
    what: 'Confirms that the API is public, without authentication; otherwise a section with the keys below',
    shownDefault: 'none, on loopback only',
  }),
};

const CHANNEL_KEYS: Keys<ChannelsConfig> = {
  pingInterval: durationKey('5s', { what: 'How often a WebSocket is pinged' }),
  pongTimeout: durationKey('10s', { what: 'Silence after which a WebSocket is closed' }),
  ssePingInterval: durationKey('15s', { what: 'How often a Server-Sent Events stream sends a ping' }),
  heartbeatInterval: durationKey('30s', {
    what: 'How often a connection of the multiplexed protocol receives a heartbeat message',
  }),
  slowClientTimeout: durationKey('30s', {
    what: 'Time after which a client that reads nothing while frames wait is disconnected',
  }),
  clientBuffer: sizeKey('256KiB', {
    what: 'Bytes in memory for one slow client; beyond it, the client is served from the log',
  }),
};

export const SERVER_KEYS: Keys<ServerConfig> = {
  host: textKey('127.0.0.1', { what: 'Address to listen on; any but a loopback one needs `auth` in each application' }),
  port: portKey(9996, { what: 'Port to listen on; 0 chooses a free one' }),
  tls: tlsKey({
    what: 'Certificate for https and wss; `auto` creates one for localhost, `false` turns TLS off',
    shownDefault: 'with plain HTTP on loopback, else off',
  }),
  trustProxy: booleanKey(false, { what: 'Whether X-Forwarded-* of the one proxy in front is trusted' }),
  allowedHosts: hostsKey({ what: 'Names by which clients may call the server, in addition to those of loopback' }),
  cors: {
    origins: originsKey({ what: 'Pages of these origins may read responses and open streams; `*` for all' }),
    credentials: booleanKey(false, { what: 'Whether they may do so with cookies; not with `*`' }),
    allowedHeaders: requestHeadersKey({
      what: 'Request headers that they may send, in addition to those that the server uses',
    }),
    exposedHeaders: answerHeadersKey({
      what: 'Response headers that they may read, in addition to those that the server sends',
    }),
  },
  metrics: switchOrTokenKey({
    what: 'Whether `/metrics` is served, or the bearer token that it requires',
    shownDefault: 'on loopback only',
  }),
  console: consoleKey({
    what: 'Whether the console (`/_console/`) and the admin API are served, or the networks from which they can be reached and the time without input after which administrators are logged out',
  }),
  logging: {
    level: choiceKey(['debug', 'info', 'warn', 'error', 'silent'], 'info', {
      what: 'Level from which events are logged',
    }),
    format: choiceKey(['auto', 'json', 'pretty'], 'auto', {
      what: 'Lines of JSON, or lines for a person; `auto` is `pretty` at a terminal and `json` elsewhere',
    }),
    requests: booleanKey(false, { what: 'Whether every request is logged' }),
  },
  compression: {
    enabled: booleanKey(true, {
      what: 'Whether responses are compressed for clients that accept it; streams never are',
    }),
    threshold: sizeKey('1KiB', { what: 'Responses smaller than this are not compressed' }),
  },
  limits: LIMIT_KEYS,
  channels: CHANNEL_KEYS,
};

export interface ListedKey {
  /** Path in the file: `limits.json_depth`. */
  readonly path: string;
  readonly scope: KeyScope;
  readonly key: ConfigKey<unknown>;
}

export function isKey(entry: unknown): entry is ConfigKey<unknown> {
  return typeof entry === 'object' && entry !== null && 'read' in entry && typeof entry.read === 'function';
}

function listSection(section: object, scope: KeyScope, prefix: string): ListedKey[] {
  return Object.entries(section).flatMap(([name, entry]) => {
    const path = prefix + toSnakeCase(name);
    if (isKey(entry)) return [{ path, scope, key: entry }];
    const word = WORDS[path];
    return [...(word === undefined ? [] : [{ path, scope, key: word }]), ...listSection(entry, scope, `${path}.`)];
  });
}

/** All keys, in the order of the documentation. */
export const CONFIG_KEYS: readonly ListedKey[] = [
  ...listSection(APP_KEYS, 'app', ''),
  ...listSection(SERVER_KEYS, 'server', ''),
];
