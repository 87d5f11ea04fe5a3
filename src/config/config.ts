import type { Section } from './keys/section.ts';

/** Sizes are bytes, durations milliseconds. The key in config.yaml is the snake_case of the path here. */
export interface Limits {
  readonly body: number;
  readonly jsonDepth: number;
  readonly jsonKeys: number;
  readonly batch: number;
  readonly bulk: number;
  readonly url: number;
  readonly headers: number;
  readonly headerCount: number;
  readonly headersTimeout: number;
  readonly requestTimeout: number;
  readonly keepAlive: number;
  /** Of a request that was answered before it had arrived: bytes that are discarded, and how long that may take. */
  readonly lingerSize: number;
  readonly lingerTime: number;
  /** Connections on which such requests are discarded at the same time. */
  readonly lingerConnections: number;
  readonly pageDefault: number;
  readonly pageMax: number;
  /** Records of a table that a query without an index may look at. */
  readonly scan: number;
  readonly filterLength: number;
  readonly filterConditions: number;
  readonly filterDepth: number;
  readonly filterValues: number;
  readonly filterPattern: number;
  readonly id: number;
  /** Bytes, of each application. */
  readonly listCache: number;
  /** The same. */
  readonly recordCache: number;
  readonly connections: number;
  /** Of the following, 0 is no limit. */
  readonly connectionsPerAddress: number;
  readonly connectionsPerPrincipal: number;
  readonly newConnectionsPerSecond: number;
  readonly newConnectionsBurst: number;
  readonly requestsPerSecond: number;
  readonly requestsBurst: number;
  readonly anonymousRequestsPerSecond: number;
  readonly anonymousRequestsBurst: number;
  /** Whether the limits of addresses also hold for those of this machine. */
  readonly rateLoopback: boolean;
  /** How far the process may be behind before it takes no new requests; 0 for as far as it gets. */
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
  /** The most that waits in memory for one slow client; beyond it the client is served from the log. */
  readonly clientBuffer: number;
}

export interface LogRetentionConfig {
  readonly retention: number;
  readonly maxCount: number;
  readonly replayPage: number;
}

/** Outcomes that are kept for writes that may be sent again. */
export interface IdempotencyConfig {
  readonly retention: number;
  readonly maxCount: number;
  /** Bytes. */
  readonly maxSize: number;
}

/** Events that flows could not do. */
export interface DeadLettersConfig {
  readonly retention: number;
  readonly maxCount: number;
}

/** How long the audit log keeps who changed what. */
export interface AuditConfig {
  readonly retention: number;
  readonly maxCount: number;
}

/** Which pages of other sites may read answers and open streams. */
export interface CorsConfig {
  /** Header fields that pages may send, beside those that the server knows. */
  readonly allowedHeaders: readonly string[];
  /** Header fields of answers that pages may read, beside those that the server sends. */
  readonly exposedHeaders: readonly string[];
  /** In the form of a browser's `Origin`; `*` is all of them. */
  readonly origins: readonly string[];
  readonly credentials: boolean;
}

/** Answers that are sent in fewer bytes to those that take them. */
export interface CompressionConfig {
  readonly enabled: boolean;
  /** Smaller bodies are sent as they are. */
  readonly threshold: number;
}

/** The multiplexed protocol. */
export interface MultiplexConfig {
  readonly enabled: boolean;
  /** Below `/{app_id}`, and by itself where there is one application; without a slash at the end. */
  readonly path: string;
}

export type TlsConfig = 'auto' | { readonly certificate: string; readonly privateKey: string };

export type TokenAlgorithm = 'HS256' | 'RS256' | 'ES256' | 'EdDSA';

/** What makes a token one of this application. Exactly one of `secret`, `publicKey` and `jwksUrl` is there. */
export interface JwtConfig {
  readonly secret: string | undefined;
  /** PEM text. */
  readonly publicKey: string | undefined;
  readonly jwksUrl: string | undefined;
  readonly algorithm: TokenAlgorithm;
  readonly issuer: string | undefined;
  readonly audience: string | undefined;
  /** Name of the claim with the roles; dots lead into objects. */
  readonly rolesClaim: string;
  readonly leeway: number;
}

/** How an application finds out who is asking. */
export interface AuthConfig {
  readonly jwt: JwtConfig;
  readonly accessTokenLifetime: number;
  readonly refreshTokenLifetime: number;
  /** Milliseconds. */
  readonly refreshTokenGrace: number;
  readonly ticketLifetime: number;
  /** Whether the server keeps accounts of its own; then `jwt.secret` is there. */
  readonly users: boolean;
  /** Whether anybody may make an account. */
  readonly signup: boolean;
  readonly adminRole: string;
  /** Whether channels of tables take `?token=`. */
  readonly queryToken: boolean;
}

/** What decides about the process: read from the folder that `tablecast start` was given. */
export interface ServerConfig {
  readonly host: string;
  readonly port: number;
  /** Undefined where `host` decides. */
  readonly tls: TlsConfig | false | undefined;
  readonly trustProxy: boolean;
  /** Names by which the server may be called, beside those of loopback; in lower case, without port. */
  readonly allowedHosts: readonly string[];
  readonly cors: CorsConfig;
  /** Whether /metrics is served, or the token that it wants; undefined where `host` decides. */
  readonly metrics: boolean | string | undefined;
  readonly logging: { readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent'; readonly requests: boolean };
  readonly compression: CompressionConfig;
  readonly limits: Limits;
  readonly channels: ChannelsConfig;
}

/** What decides about one application: read from its own folder. */
export interface AppConfig {
  readonly appId: string;
  /** Absolute path of the application folder. */
  readonly dir: string;
  readonly rest: boolean | undefined;
  readonly sse: boolean | undefined;
  readonly ws: boolean | undefined;
  /** Whether the API page and its documents are served. */
  readonly docs: boolean;
  /** Absolute paths. */
  readonly schemas: readonly string[];
  /** Absolute paths of the modules with hooks. */
  readonly hooks: readonly string[];
  /** How long a hook may take. */
  readonly hookTimeout: number;
  /** Absolute paths of the modules with routes. */
  readonly routes: readonly string[];
  /** Where routes are below `/{app_id}`; without a slash at the end. */
  readonly routesPrefix: string;
  /** As written; checked by those who know the types of connectors. */
  readonly connectors: Section | undefined;
  readonly flows: Section | undefined;
  readonly deadLetters: DeadLettersConfig;
  /** Absolute path of the folder with static files, or undefined when there is none. */
  readonly web: string | undefined;
  /** Content-Security-Policy of the static files; false for none. */
  readonly webPolicy: string | false;
  /** Absolute path of the data directory. */
  readonly dataDir: string;
  readonly durability: 'full' | 'normal';
  readonly busyTimeout: number;
  readonly events: LogRetentionConfig;
  readonly idempotency: IdempotencyConfig;
  readonly audit: AuditConfig;
  readonly realtime: MultiplexConfig;
  /** `none` was said in words; undefined says nothing, and is for loopback only. Either way nobody is asked. */
  readonly auth: AuthConfig | 'none' | undefined;
}

export interface Config {
  readonly server: ServerConfig;
  readonly app: AppConfig;
}
