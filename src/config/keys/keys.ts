import type {
  AppConfig,
  AuditConfig,
  AuthConfig,
  ChannelsConfig,
  CompressionConfig,
  CorsConfig,
  DeadLettersConfig,
  IdempotencyConfig,
  JwtConfig,
  Limits,
  LogRetentionConfig,
  MultiplexConfig,
  ServerConfig,
  TokenAlgorithm,
} from '../config.ts';
import { algorithmKey, jwksUrlKey, secretKey } from './auth-values.ts';
import { toSnakeCase } from './snake-case.ts';
import {
  booleanKey,
  type ConfigKey,
  choiceKey,
  countKey,
  durationKey,
  type KeyScope,
  pathKey,
  portKey,
  sectionKey,
  sizeKey,
  textKey,
  textOrTextsKey,
  textsKey,
  tlsKey,
} from './values.ts';
import {
  answerHeadersKey,
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
  | DeadLettersConfig
  | LogRetentionConfig
  | IdempotencyConfig
  | AuditConfig
  | ServerConfig['logging']
  | AuthSettings
  | JwtSettings;

/** One entry for every member of a configuration: the compiler refuses a missing or a mistyped one. */
export type Keys<T> = { readonly [K in keyof T]-?: T[K] extends Group ? Keys<T[K]> : ConfigKey<T[K]> };

const YEARS = 10 * 365 * 86_400_000;
const LIFETIME = { min: 1000, max: YEARS };

/** As written: `publicKey` is a path, and the algorithm may be left to the key. */
export interface JwtSettings extends Omit<JwtConfig, 'algorithm'> {
  readonly algorithm: TokenAlgorithm | undefined;
}

export interface AuthSettings extends Omit<AuthConfig, 'jwt'> {
  readonly jwt: JwtSettings;
}

/** What is read of an application; the folder itself is no key, and gives the name when none is written. */
export interface AppSettings extends Omit<AppConfig, 'dir' | 'appId' | 'auth'> {
  readonly appId: string | undefined;
  readonly auth: AuthSettings;
}

const AUTH_KEYS: Keys<AuthSettings> = {
  jwt: {
    secret: secretKey({ what: 'Secret that tokens are signed with; at least 32 bytes', shownDefault: 'none' }),
    publicKey: textKey(undefined, {
      what: 'File with the public key (PEM) of who signs the tokens, relative to the application folder or absolute',
      shownDefault: 'none',
    }),
    jwksUrl: jwksUrlKey({ what: 'Address of the public keys (JWKS) of who signs the tokens', shownDefault: 'none' }),
    algorithm: algorithmKey({
      what: 'The only algorithm of a signature that is taken',
      shownDefault: 'as the key; `RS256` with `jwks_url`',
    }),
    issuer: textKey(undefined, { what: 'The `iss` that tokens must have', shownDefault: 'any' }),
    audience: textKey(undefined, { what: 'The `aud` that tokens must have', shownDefault: 'any' }),
    rolesClaim: textKey('roles', {
      what: 'Claim with the roles: a list, one text, or as `scope` a text with spaces; dots lead into objects',
    }),
    leeway: durationKey('5s', { what: 'How much too early a token may be (`nbf`)' }, { min: 0, max: 60_000 }),
  },
  accessTokenLifetime: durationKey('1h', { what: 'How long a token that the server issues is valid' }, LIFETIME),
  refreshTokenLifetime: durationKey('30d', { what: 'How long a session can be renewed without a password' }, LIFETIME),
  refreshTokenGrace: durationKey(
    '30s',
    { what: 'How long a refresh token that was used is answered with the same new tokens again; 0: not at all' },
    { min: 0, max: 300_000 },
  ),
  ticketLifetime: durationKey('60s', { what: 'How long a ticket for a stream is valid' }, { min: 1000, max: 60_000 }),
  users: booleanKey(false, { what: 'Whether the server keeps users; it then needs `auth.jwt.secret`' }),
  signup: booleanKey(false, { what: 'Whether anybody may make an account' }),
  adminRole: textKey('admin', { what: 'Role of those who may do everything' }),
  queryToken: booleanKey(false, { what: 'Whether the channels of tables also take `?token=`' }),
};

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
  hooks: textOrTextsKey({ what: 'Modules with hooks, inside the application folder', shownDefault: 'none' }),
  hookTimeout: durationKey('5s', { what: 'How long a hook may take' }, { max: 600_000 }),
  routes: textOrTextsKey({ what: 'Modules with routes, inside the application folder', shownDefault: 'none' }),
  routesPrefix: pathKey('/api', {
    what: 'Where routes are, behind `/{app_id}` and, with one application, also alone',
  }),
  connectors: sectionKey({ what: 'Links to clients and other systems, by name: see flows.md' }),
  flows: sectionKey({ what: 'What goes from one connector to others, by name: see flows.md' }),
  deadLetters: {
    retention: durationKey('30d', { what: 'How long an event that a flow could not do is kept' }, { max: YEARS }),
    maxCount: countKey(10_000, { what: 'How many of them are kept at most; the oldest go first' }),
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
      { what: 'How long a write with an Idempotency-Key, or a `ref` of a named client, can be repeated' },
      { max: YEARS },
    ),
    maxCount: countKey(100_000, { what: 'How many keys are kept at most; the oldest go first' }),
    maxSize: sizeKey('256MiB', { what: 'Bytes of all answers kept for them; the oldest go first' }),
  },
  audit: {
    retention: durationKey('90d', { what: 'How long an entry of the audit log is kept' }, { max: YEARS }),
    maxCount: countKey(1_000_000, { what: 'How many entries are kept at most; the oldest go first' }),
  },
  realtime: {
    enabled: booleanKey(true, { what: 'Whether the multiplexed protocol is served' }),
    path: pathKey('/api/v1/realtime', {
      what: 'Where the multiplexed protocol is: `/ws` and `/subscribe` below it, behind `/{app_id}` and, with one application, also alone',
    }),
  },
  auth: AUTH_KEYS,
};

/** Sections that may also be said in one word. */
const WORDS: Readonly<Record<string, ConfigKey<unknown>>> = {
  auth: choiceKey(['none'], undefined, {
    what: 'Says in words that nobody is asked who they are; otherwise the keys below it',
    shownDefault: 'none, on loopback only',
  }),
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
  lingerSize: sizeKey('64MiB', { what: 'Bytes of a request that are read and discarded after an early answer' }),
  lingerTime: durationKey('30s', { what: 'How long the rest of a request is discarded after an early answer' }),
  lingerConnections: countKey(1000, {
    what: 'Connections that discard the rest of a request after an early answer; beyond it the oldest is closed',
  }),
  pageDefault: countKey(100, { what: 'Records of a list when the request names no limit' }),
  pageMax: countKey(1000, { what: 'Records of a list at most' }),
  scan: countKey(100_000, { what: 'Records of a table that a filter or sort without an index may look at' }),
  filterLength: sizeKey('4KiB', { what: 'Characters of all conditions of a query together' }),
  filterConditions: countKey(32, { what: 'Conditions in one filter' }, { max: 1000 }),
  filterDepth: countKey(5, { what: 'Nesting of a filter' }, { max: 100 }),
  filterValues: countKey(200, { what: 'Values in one list of a filter' }, { max: 10_000 }),
  filterPattern: countKey(128, { what: 'Characters of a pattern in a filter' }, { max: 10_000 }),
  id: countKey(256, { what: 'Characters of an id' }, { max: 4096 }),
  listCache: sizeKey(
    '16MiB',
    { what: 'Memory of an application for pages of lists that are read again and have not changed; 0: none are kept' },
    { min: 0 },
  ),
  recordCache: sizeKey(
    '16MiB',
    { what: 'Memory of an application for records that were read last; 0: none are kept' },
    { min: 0 },
  ),
  connections: countKey(10_000, { what: 'Open streams (WebSocket and Server-Sent Events)' }),
  connectionsPerAddress: countKey(200, { what: 'Open streams of one address; 0: no limit' }, { min: 0 }),
  connectionsPerPrincipal: countKey(50, { what: 'Open streams of one principal; 0: no limit' }, { min: 0 }),
  newConnectionsPerSecond: countKey(
    20,
    { what: 'Streams that one address opens per second, in the long run; 0: no limit' },
    { min: 0 },
  ),
  newConnectionsBurst: countKey(100, { what: 'Streams that one address opens in one go' }),
  requestsPerSecond: countKey(
    100,
    { what: 'Requests per second of one principal, in the long run; 0: no limit' },
    { min: 0 },
  ),
  requestsBurst: countKey(200, { what: 'Requests of one principal in one go' }),
  anonymousRequestsPerSecond: countKey(
    20,
    { what: 'Requests per second of one address without a principal, in the long run; 0: no limit' },
    { min: 0 },
  ),
  anonymousRequestsBurst: countKey(100, { what: 'Requests of one address without a principal in one go' }),
  rateLoopback: booleanKey(false, { what: 'Whether the limits of addresses also hold for clients on this machine' }),
  eventLoopDelay: durationKey(
    '1s',
    { what: 'How late the process may be with its work before it refuses more; 0: no limit' },
    { min: 0 },
  ),
  subscriptions: countKey(
    100,
    { what: 'Subscriptions of one connection of the multiplexed protocol' },
    { max: 10_000 },
  ),
  message: sizeKey('512KiB', { what: 'One message of a WebSocket client' }),
  messageFragments: countKey(1024, { what: 'Fragments of one message' }),
  messageChunks: countKey(4096, { what: 'Buffered pieces of one message' }),
  waitingMessages: countKey(100, {
    what: 'Messages of one WebSocket that wait to be handled; beyond it, or more bytes than `limits.message`, nothing more is read',
  }),
  messagesPerSecond: countKey(50, { what: 'Messages per second of one connection, in the long run' }),
  messagesBurst: countKey(100, { what: 'Messages of one connection in one go' }),
  shutdown: durationKey('10s', { what: 'How long a stopping server waits for requests to finish' }),
  loginsPerMinute: countKey(10, { what: 'Failed logins of one address, and of one name' }, { max: 10_000 }),
  loginsWaiting: countKey(100, { what: 'Logins that wait for their password to be checked' }, { max: 10_000 }),
  signupsPerMinute: countKey(10, { what: 'New accounts from one address' }, { max: 10_000 }),
  sessionsPerUser: countKey(100, { what: 'Logins of one user that can be renewed; the oldest end' }, { max: 10_000 }),
  tickets: countKey(10_000, { what: 'Stream tickets that wait to be used' }, { max: 1_000_000 }),
  ticketsPerPrincipal: countKey(50, { what: 'Those of one principal; the oldest end' }, { max: 10_000 }),
};

const CHANNEL_KEYS: Keys<ChannelsConfig> = {
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
  host: textKey('127.0.0.1', { what: 'Address to listen on; any but a loopback one needs `auth` in each application' }),
  port: portKey(9996, { what: 'Port to listen on; 0 takes a free one' }),
  tls: tlsKey({
    what: 'Certificate for https and wss; `auto` makes one for localhost, `false` switches TLS off',
    shownDefault: 'beside plain HTTP on loopback, else off',
  }),
  trustProxy: booleanKey(false, { what: 'Whether X-Forwarded-* of the one proxy in front is believed' }),
  allowedHosts: hostsKey({ what: 'Names by which clients may call the server, beside those of loopback' }),
  cors: {
    origins: originsKey({ what: 'Pages of these origins may read answers and open streams; `*` is all' }),
    credentials: booleanKey(false, { what: 'Whether they may do so with cookies; not with `*`' }),
    allowedHeaders: requestHeadersKey({ what: 'Header fields that they may send, beside those that the server knows' }),
    exposedHeaders: answerHeadersKey({ what: 'Header fields that they may read, beside those that the server sends' }),
  },
  metrics: switchOrTokenKey({
    what: 'Whether `/metrics` is served, or the bearer token that it wants',
    shownDefault: 'on loopback only',
  }),
  logging: {
    level: choiceKey(['debug', 'info', 'warn', 'error', 'silent'], 'info', { what: 'What is logged' }),
    requests: booleanKey(false, { what: 'Whether every request is logged' }),
  },
  compression: {
    enabled: booleanKey(true, { what: 'Whether answers are compressed for clients that take it; streams never are' }),
    threshold: sizeKey('1KiB', { what: 'Answers smaller than this are sent as they are' }),
  },
  limits: LIMIT_KEYS,
  channels: CHANNEL_KEYS,
};

export interface ListedKey {
  /** As written in the file: `limits.json_depth`. */
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

/** Every key in the order of the documentation. */
export const CONFIG_KEYS: readonly ListedKey[] = [
  ...listSection(APP_KEYS, 'app', ''),
  ...listSection(SERVER_KEYS, 'server', ''),
];
