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
  readonly connections: number;
  /** Subscriptions of one connection of the multiplexed protocol. */
  readonly subscriptions: number;
  readonly message: number;
  readonly messageFragments: number;
  readonly messageChunks: number;
  readonly messagesPerSecond: number;
  readonly messagesBurst: number;
  readonly shutdown: number;
}

export interface Channels {
  readonly pingInterval: number;
  readonly pongTimeout: number;
  readonly ssePingInterval: number;
  readonly heartbeatInterval: number;
  readonly slowClientTimeout: number;
  /** The most that waits in memory for one slow client; beyond it the client is served from the log. */
  readonly clientBuffer: number;
}

export interface EventLog {
  readonly retention: number;
  readonly maxCount: number;
  readonly replayPage: number;
}

/** Outcomes that are kept for writes that may be sent again. */
export interface Idempotency {
  readonly retention: number;
  readonly maxCount: number;
}

/** The multiplexed protocol. */
export interface Realtime {
  readonly enabled: boolean;
  /** Below `/{app_id}`, and by itself where there is one application; without a slash at the end. */
  readonly path: string;
}

export type Tls = 'auto' | { readonly certificate: string; readonly privateKey: string };

/** What decides about the process: read from the folder that `tablecast start` was given. */
export interface ServerConfig {
  readonly host: string;
  readonly port: number;
  readonly tls: Tls | undefined;
  readonly auth: 'none' | undefined;
  readonly trustProxy: boolean;
  readonly logging: { readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent'; readonly requests: boolean };
  readonly limits: Limits;
  readonly channels: Channels;
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
  /** Absolute path of the folder with static files, or undefined when there is none. */
  readonly web: string | undefined;
  /** Absolute path of the data directory. */
  readonly dataDir: string;
  readonly durability: 'full' | 'normal';
  readonly busyTimeout: number;
  readonly events: EventLog;
  readonly idempotency: Idempotency;
  readonly realtime: Realtime;
}

export interface Config {
  readonly server: ServerConfig;
  readonly app: AppConfig;
}
