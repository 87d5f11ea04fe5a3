import type {
  AppConfig,
  AuditConfig,
  AuthConfig,
  ChannelsConfig,
  ClusterConfig,
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

const LIFETIME = { min: 1000, max: MAX_RETENTION_MS };

/** Values below `auth.jwt` as written: `publicKey` is a path, and the algorithm may be missing. */
export interface JwtSettings extends Omit<JwtConfig, 'algorithm'> {
  readonly algorithm: TokenAlgorithm | undefined;
}

export interface AuthSettings extends Omit<AuthConfig, 'jwt'> {
  readonly jwt: JwtSettings;
}

/** Values of an application as written. The folder is not a key, and its name is the default of `appId`. */
export interface AppSettings extends Omit<AppConfig, 'dir' | 'appId' | 'auth'> {
  readonly appId: string | undefined;
  readonly auth: AuthSettings;
}

const AUTH_KEYS: Keys<AuthSettings> = {
  jwt: {
    secret: secretKey({ what: 'Secret that tokens are signed with; at least 32 bytes', shownDefault: 'none' }),
    publicKey: textKey(undefined, {
      what: 'File with the public key (PEM) of the issuer of the tokens, relative to the application folder or absolute',
      shownDefault: 'none',
    }),
    jwksUrl: jwksUrlKey({ what: 'URL of the public keys (JWKS) of the issuer of the tokens', shownDefault: 'none' }),
    algorithm: algorithmKey({
      what: 'The only accepted signature algorithm',
      shownDefault: 'as the key; `RS256` with `jwks_url`',
    }),
    issuer: textKey(undefined, { what: 'The `iss` that tokens must have', shownDefault: 'any' }),
    audience: textKey(undefined, { what: 'The `aud` that tokens must have', shownDefault: 'any' }),
    rolesClaim: textKey('roles', {
      what: 'Claim with the roles: a list, a string, or like `scope` a string with spaces; dots select nested claims',
    }),
    leeway: durationKey(
      '5s',
      { what: 'Tolerance for clocks that differ: how early a token is accepted (`nbf`)' },
      { min: 0, max: 60_000 },
    ),
  },
  accessTokenLifetime: durationKey('1h', { what: 'Lifetime of a token that the server issues' }, LIFETIME),
  refreshTokenLifetime: durationKey(
    '30d',
    { what: 'Time for which a session can be renewed without a password' },
    LIFETIME,
  ),
  refreshTokenGrace: durationKey(
    '30s',
    { what: 'Time for which a used refresh token returns the same new tokens again; 0: not at all' },
    { min: 0, max: 300_000 },
  ),
  ticketLifetime: durationKey('60s', { what: 'Lifetime of a ticket for a stream' }, { min: 1000, max: 60_000 }),
  users: booleanKey(false, { what: 'Whether the server keeps users; it then needs `auth.jwt.secret`' }),
  signup: booleanKey(false, { what: 'Whether anyone may create an account' }),
  adminRole: textKey('admin', { what: 'Role of administrators, who may do everything' }),
  queryToken: booleanKey(false, { what: 'Whether the channels of tables also accept `?token=`' }),
};

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

const LIMIT_KEYS: Keys<Limits> = {
  body: sizeKey('1MiB', { what: 'Body of a request' }),
  jsonDepth: countKey(64, { what: 'Nesting of a JSON value' }, { max: 1000 }),
  jsonKeys: countKey(1000, { what: 'Keys of one JSON object' }),
  batch: countKey(1000, { what: 'Records in one request' }),
  bulk: countKey(10_000, { what: 'Records that one request by filter changes' }, { max: 1_000_000 }),
  cascade: countKey(
    10_000,
    { what: 'Records that one request deletes or changes because the record that they refer to is deleted' },
    { max: 1_000_000 },
  ),
  transaction: countKey(1000, { what: 'Steps of one transaction' }, { max: 100_000 }),
  url: sizeKey('8KiB', { what: 'Length of a URL' }),
  query: sizeKey('64KiB', { what: 'Body of a QUERY' }),
  headers: sizeKey('16KiB', { what: 'All header fields of a request' }),
  headerCount: countKey(100, { what: 'Number of header fields' }),
  headersTimeout: durationKey('10s', { what: 'Time to send the header fields' }),
  requestTimeout: durationKey('30s', { what: 'Time to send a whole request' }),
  keepAlive: durationKey('72s', { what: 'How long an idle HTTP connection is kept' }),
  lingerSize: sizeKey('64MiB', { what: 'Bytes of a request that are read and discarded after an early response' }),
  lingerTime: durationKey('30s', { what: 'How long the rest of a request is discarded after an early response' }),
  lingerConnections: countKey(1000, {
    what: 'Connections that discard the rest of a request after an early response; beyond it the oldest is closed',
  }),
  pageDefault: countKey(100, { what: 'Records of a list when the request names no limit' }),
  pageMax: countKey(1000, { what: 'Maximum number of records of a list' }),
  window: countKey(
    2000,
    { what: 'Records from the first of a sorted list to the last of a live window: `offset` and `limit` together' },
    { max: 100_000 },
  ),
  groups: countKey(1000, { what: 'Groups of one `aggregate`' }, { max: 10_000 }),
  heldGroups: countKey(
    100_000,
    {
      what: 'Groups that the live totals of all subscriptions of an application hold together; equal ones are held once',
    },
    { max: 10_000_000 },
  ),
  related: countKey(
    1000,
    {
      what: 'Related records that one key leads to in a live rule, condition or selection; of more, only those that match are read',
    },
    { max: 100_000 },
  ),
  relatedAffected: countKey(1000, {
    what: 'Records of a subscription, or with rooms, that one change of a related record may concern',
  }),
  relatedChanges: countKey(5000, {
    what: 'Changes of one table that are undone when a subscription with related records resumes',
  }),
  scan: countKey(100_000, { what: 'Records of a table that a filter or sort without an index may read' }),
  filterLength: sizeKey('4KiB', { what: 'Characters of all conditions of a query together' }),
  filterConditions: countKey(32, { what: 'Conditions in one filter' }, { max: 1000 }),
  filterDepth: countKey(5, { what: 'Nesting of a filter' }, { max: 100 }),
  filterValues: countKey(200, { what: 'Values in one list of a filter' }, { max: 10_000 }),
  filterPattern: countKey(128, { what: 'Characters of a pattern in a filter' }, { max: 10_000 }),
  id: countKey(256, { what: 'Characters of an id' }, { max: 4096 }),
  listCache: sizeKey(
    '16MiB',
    { what: 'Memory of an application for pages of lists that have not changed since they were read; 0: no cache' },
    { min: 0 },
  ),
  recordCache: sizeKey(
    '16MiB',
    { what: 'Memory of an application for records that were read last; 0: no cache' },
    { min: 0 },
  ),
  connections: countKey(10_000, { what: 'Open streams (WebSocket and Server-Sent Events)' }),
  connectionsPerAddress: countKey(200, { what: 'Open streams of one address; 0: no limit' }, { min: 0 }),
  connectionsPerPrincipal: countKey(50, { what: 'Open streams of one principal; 0: no limit' }, { min: 0 }),
  newConnectionsPerSecond: countKey(
    20,
    { what: 'Streams that one address opens per second, on average; 0: no limit' },
    { min: 0 },
  ),
  newConnectionsBurst: countKey(100, { what: 'Streams that one address opens at once' }),
  requestsPerSecond: countKey(
    100,
    { what: 'Requests per second of one principal, on average; 0: no limit' },
    { min: 0 },
  ),
  requestsBurst: countKey(200, { what: 'Requests of one principal at once' }),
  anonymousRequestsPerSecond: countKey(
    20,
    { what: 'Requests per second of one address without a principal, on average; 0: no limit' },
    { min: 0 },
  ),
  anonymousRequestsBurst: countKey(100, { what: 'Requests of one address without a principal at once' }),
  rateLoopback: booleanKey(false, { what: 'Whether the limits of addresses also apply to clients on this machine' }),
  eventLoopDelay: durationKey(
    '1s',
    { what: 'Delay of the event loop above which requests are refused; 0: no limit' },
    { min: 0 },
  ),
  subscriptions: countKey(
    100,
    { what: 'Subscriptions of one connection of protocol v1 or the multiplexed protocol' },
    { max: 10_000 },
  ),
  message: sizeKey('512KiB', { what: 'One message of a WebSocket client' }),
  messageFragments: countKey(1024, { what: 'Fragments of one message' }),
  messageChunks: countKey(4096, { what: 'Buffered pieces of one message' }),
  waitingMessages: countKey(100, {
    what: 'Messages of one WebSocket that wait to be handled; beyond it, or more bytes than `limits.message`, nothing more is read',
  }),
  messagesPerSecond: countKey(50, { what: 'Messages per second of one connection, on average' }),
  messagesBurst: countKey(100, { what: 'Messages of one connection at once' }),
  shutdown: durationKey('10s', { what: 'How long a stopping server waits for requests to finish' }),
  loginsPerMinute: countKey(10, { what: 'Failed logins of one address, and of one name' }, { max: 10_000 }),
  loginsWaiting: countKey(100, { what: 'Logins that wait for their password to be checked' }, { max: 10_000 }),
  signupsPerMinute: countKey(10, { what: 'New accounts from one address' }, { max: 10_000 }),
  sessionsPerUser: countKey(100, { what: 'Sessions of one user; the oldest are ended first' }, { max: 10_000 }),
  tickets: countKey(10_000, { what: 'Stream tickets that wait to be used' }, { max: 1_000_000 }),
  ticketsPerPrincipal: countKey(
    50,
    { what: 'Stream tickets of one principal; the oldest are removed first' },
    { max: 10_000 },
  ),
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
