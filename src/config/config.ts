import type { Section } from './keys/section.ts';

/** Limits in bytes, milliseconds or items. The key in config.yaml is the snake_case of the path here. */
export interface Limits {
  readonly body: number;
  readonly jsonDepth: number;
  readonly jsonKeys: number;
  readonly batch: number;
  readonly bulk: number;
  /** Records that a deletion deletes or changes besides. */
  readonly cascade: number;
  /** Steps of a transaction. */
  readonly transaction: number;
  readonly url: number;
  readonly query: number;
  readonly headers: number;
  readonly headerCount: number;
  readonly headersTimeout: number;
  readonly requestTimeout: number;
  readonly keepAlive: number;
  /** Bytes of a request that are discarded after an early response. */
  readonly lingerSize: number;
  /** Milliseconds for which they are discarded. */
  readonly lingerTime: number;
  /** Connections on which such requests are discarded at the same time. */
  readonly lingerConnections: number;
  readonly pageDefault: number;
  readonly pageMax: number;
  readonly window: number;
  readonly groups: number;
  readonly heldGroups: number;
  readonly related: number;
  readonly relatedAffected: number;
  readonly relatedChanges: number;
  /** Records of a table that a query without an index may read. */
  readonly scan: number;
  readonly filterLength: number;
  readonly filterConditions: number;
  readonly filterDepth: number;
  readonly filterValues: number;
  readonly filterPattern: number;
  readonly id: number;
  /** Bytes of each application. */
  readonly listCache: number;
  /** Bytes of each application. */
  readonly recordCache: number;
  readonly connections: number;
  /** For this and the following limits of connections and requests, 0 is no limit. */
  readonly connectionsPerAddress: number;
  readonly connectionsPerPrincipal: number;
  readonly newConnectionsPerSecond: number;
  readonly newConnectionsBurst: number;
  readonly requestsPerSecond: number;
  readonly requestsBurst: number;
  readonly anonymousRequestsPerSecond: number;
  readonly anonymousRequestsBurst: number;
  /** True when the limits of addresses also apply to clients on this machine. */
  readonly rateLoopback: boolean;
  /** Milliseconds of event loop delay above which requests are refused; 0 for no limit. */
  readonly eventLoopDelay: number;
  /** Subscriptions of one connection of the multiplexed protocol. */
  readonly subscriptions: number;
  readonly message: number;
  readonly messageFragments: number;
  readonly messageChunks: number;
  /** Messages of one WebSocket that wait to be handled. */
  readonly waitingMessages: number;
  readonly messagesPerSecond: number;
  readonly messagesBurst: number;
  readonly shutdown: number;
  readonly loginsPerMinute: number;
  readonly loginsWaiting: number;
  readonly signupsPerMinute: number;
  readonly sessionsPerUser: number;
  readonly tickets: number;
  readonly ticketsPerPrincipal: number;
}

export interface ChannelsConfig {
  readonly pingInterval: number;
  readonly pongTimeout: number;
  readonly ssePingInterval: number;
  readonly heartbeatInterval: number;
  readonly slowClientTimeout: number;
  /** Bytes in memory for one slow client; beyond it the client is served from the log. */
  readonly clientBuffer: number;
}

export interface LogRetentionConfig {
  readonly retention: number;
  readonly maxCount: number;
  readonly replayPage: number;
}

/** Retention of the responses to writes that may be repeated. */
export interface IdempotencyConfig {
  readonly retention: number;
  readonly maxCount: number;
  /** Bytes. */
  readonly maxSize: number;
}

/** Retention of events that a flow could not handle. */
/** Timing of servers that share a PostgreSQL store. */
export interface ClusterConfig {
  /** Milliseconds between two looks for changes of other servers when no notification has come. */
  readonly poll: number;
  /** Milliseconds for which a position that another server has issued is waited for. */
  readonly catchUp: number;
  /** Milliseconds after which a server that cannot read the log does not vouch for the rights of its callers any more. */
  readonly grace: number;
  /** URL of a NATS server that carries notifications and messages between servers; undefined where the database does. */
  readonly nats: string | undefined;
  /** `shared`: rooms have the clients of all servers; `local`: of one. */
  readonly rooms: 'shared' | 'local';
}

export interface DeadLettersConfig {
  readonly retention: number;
  readonly maxCount: number;
}

/** Retention of the audit log. */
export interface AuditConfig {
  readonly retention: number;
  readonly maxCount: number;
}

/** Pages of other sites that may read responses and open streams. */
export interface CorsConfig {
  /** Request headers that pages may send, in addition to those that the server uses. */
  readonly allowedHeaders: readonly string[];
  /** Response headers that pages may read, in addition to those that the server sends. */
  readonly exposedHeaders: readonly string[];
  /** Origins as browsers send them in `Origin`; `*` for all. */
  readonly origins: readonly string[];
  readonly credentials: boolean;
}

/** The console, and the admin API that it reads. */
export interface ConsoleConfig {
  readonly enabled: boolean;
  /** Networks from which both can be reached, as CIDR or single addresses; undefined for all. */
  readonly allow: readonly string[] | undefined;
  /** Milliseconds without input after which an administrator is logged out; 0: never. */
  readonly idleLock: number;
}

/** Compression of responses. */
export interface CompressionConfig {
  readonly enabled: boolean;
  /** Bytes below which a body is not compressed. */
  readonly threshold: number;
}

/** Configuration of the multiplexed protocol. */
export interface MultiplexConfig {
  readonly enabled: boolean;
  /** Path below `/{app_id}`, and for the default application at the root; without a slash at the end. */
  readonly path: string;
}

export type TlsConfig = 'auto' | { readonly certificate: string; readonly privateKey: string };

export type TokenAlgorithm = 'HS256' | 'RS256' | 'ES256' | 'EdDSA';

/** Rules for valid tokens. Exactly one of `secret`, `publicKey` and `jwksUrl` is set. */
export interface JwtConfig {
  readonly secret: string | undefined;
  /** PEM text. */
  readonly publicKey: string | undefined;
  readonly jwksUrl: string | undefined;
  readonly algorithm: TokenAlgorithm;
  readonly issuer: string | undefined;
  readonly audience: string | undefined;
  /** Name of the claim with the roles; dots select nested claims. */
  readonly rolesClaim: string;
  /** Milliseconds. */
  readonly leeway: number;
}

/** Authentication of an application. Durations are milliseconds. */
export interface AuthConfig {
  readonly jwt: JwtConfig;
  readonly accessTokenLifetime: number;
  readonly refreshTokenLifetime: number;
  readonly refreshTokenGrace: number;
  readonly ticketLifetime: number;
  /** True when the server has accounts of its own; then `jwt.secret` is set. */
  readonly users: boolean;
  /** True when anonymous callers may create an account. */
  readonly signup: boolean;
  readonly adminRole: string;
  /** True when channels of tables accept `?token=`. */
  readonly queryToken: boolean;
}

/** Configuration of the process, from the folder that `tablecast start` is called with. */
export interface ServerConfig {
  readonly host: string;
  readonly port: number;
  /** False for none; undefined when it depends on `host`. */
  readonly tls: TlsConfig | false | undefined;
  readonly trustProxy: boolean;
  /** Accepted names in `Host`, in addition to those of loopback; in lower case, without port. */
  readonly allowedHosts: readonly string[];
  readonly cors: CorsConfig;
  /** True when /metrics is served, or the token that it requires; undefined when it depends on `host`. */
  readonly metrics: boolean | string | undefined;
  readonly console: ConsoleConfig;
  readonly logging: {
    readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent';
    readonly format: 'auto' | 'json' | 'pretty';
    readonly requests: boolean;
  };
  readonly compression: CompressionConfig;
  readonly limits: Limits;
  readonly channels: ChannelsConfig;
}

/** Configuration of one application, from its own folder. */
export interface AppConfig {
  readonly appId: string;
  /** True when addresses without an app id are those of this application, whatever other applications the server has. */
  readonly default: boolean;
  /** Absolute path of the application folder. */
  readonly dir: string;
  readonly rest: boolean | undefined;
  readonly sse: boolean | undefined;
  readonly ws: boolean | undefined;
  /** True when the API page and its documents are served. */
  readonly docs: boolean;
  /** Absolute paths. */
  readonly schemas: readonly string[];
  /** Absolute paths of the modules with hooks. */
  readonly hooks: readonly string[];
  /** Milliseconds that a hook may take. */
  readonly hookTimeout: number;
  /** Absolute paths of the modules with routes. */
  readonly routes: readonly string[];
  /** Path of the routes below `/{app_id}`; without a slash at the end. */
  readonly routesPrefix: string;
  /** Section as written; it is checked where the types of connectors are known. */
  readonly connectors: Section | undefined;
  readonly flows: Section | undefined;
  /** Section with the rules of rooms, as written; it is checked where the plan is known. */
  readonly rooms?: Section | undefined;
  readonly deadLetters: DeadLettersConfig;
  /** Absolute path of the folder with static files; undefined when there is none. */
  readonly web: string | undefined;
  /** Content-Security-Policy of the static files; false for none. */
  readonly webPolicy: string | false;
  /** Absolute path of the data directory. */
  readonly dataDir: string;
  /** URL of the PostgreSQL database that stores the application; undefined for the embedded store in the data directory. */
  readonly store: string | undefined;
  /** Maximum of connections to it for reads. */
  readonly storePool: number;
  readonly cluster: ClusterConfig;
  /** Handling of writes by other programs to the tables in the PostgreSQL database: published, or refused. */
  readonly externalWrites: 'publish' | 'refuse';
  readonly durability: 'full' | 'normal';
  readonly busyTimeout: number;
  readonly events: LogRetentionConfig;
  readonly idempotency: IdempotencyConfig;
  readonly audit: AuditConfig;
  readonly realtime: MultiplexConfig;
  /** `none` when it is written; undefined when nothing is written, for loopback only. In both cases authentication is off. */
  readonly auth: AuthConfig | 'none' | undefined;
}

export interface Config {
  readonly server: ServerConfig;
  readonly app: AppConfig;
}
