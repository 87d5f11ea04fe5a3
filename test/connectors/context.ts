import type { AppAuth } from '../../src/auth/app-auth.ts';
import { SERVER } from '../../src/auth/identity.ts';
import type { ServerConfig } from '../../src/config/config.ts';
import { Report } from '../../src/config/files/report.ts';
import type { FlatKeys } from '../../src/config/keys/section.ts';
import { Section } from '../../src/config/keys/section.ts';
import type { ConnectorContext, Delivery, SourceUse, TargetUse } from '../../src/connectors/connector.ts';
import { Admission } from '../../src/server/limits/admission.ts';
import { LIMITS } from '../query/tables.ts';
import { Mailbox } from '../support/mailbox.ts';

export const SERVER_CONFIG: ServerConfig = {
  host: '127.0.0.1',
  port: 0,
  tls: undefined,
  trustProxy: false,
  allowedHosts: [],
  cors: { origins: [], credentials: false, allowedHeaders: [], exposedHeaders: [] },
  metrics: undefined,
  console: { enabled: true, allow: undefined, idleLock: 0 },
  logging: { level: 'silent', format: 'json', requests: false },
  limits: LIMITS,
  compression: { enabled: false, threshold: 1024 },
  channels: {
    pingInterval: 30_000,
    pongTimeout: 10_000,
    heartbeatInterval: 30_000,
    ssePingInterval: 15_000,
    slowClientTimeout: 30_000,
    clientBuffer: 1_048_576,
  },
};

/** A log line of a connector. */
export interface Line {
  readonly level: string;
  readonly message: string;
  readonly [name: string]: unknown;
}

export interface Surroundings {
  readonly context: ConnectorContext;
  readonly lines: Mailbox<Line>;
  readonly errors: unknown[];
}

/** A connector's surroundings, as far as connectors to other systems look at them. */
export function makeContext(name: string, auth?: AppAuth, server = SERVER_CONFIG): Surroundings {
  const lines = new Mailbox<Line>('log');
  const errors: unknown[] = [];
  const say = (level: string) => (more: object, message: string) => lines.push({ ...more, level, message });
  const context = {
    name,
    appId: 'my-app',
    // A store that one server has.
    application: { log: {} },
    auth,
    server,
    admission: new Admission(server.limits),
    requestKeys: { run: (_key: string, _digest: string, work: () => unknown) => work() },
    pathsOf: (path: string) => [`/my-app${path}`, path],
    log: { info: say('info'), warn: say('warn'), error: say('error') },
    onError: (error: unknown) => errors.push(error),
  };
  return { context: context as unknown as ConnectorContext, lines, errors };
}

const NOWHERE = Section.absent('flows.test', 'config.yaml');

/** Settings as written, with the defaults of the other keys. */
export function settingsOf<S>(keys: FlatKeys<S>, written: Partial<S> = {}): S {
  const defaults = Object.entries<FlatKeys<S>[keyof S]>(keys).map(([name, key]) => {
    if (Object.hasOwn(written, name) || key.default === undefined) return [name, undefined];
    return [name, NOWHERE.readKey(name, key, new Report())?.value];
  });
  return { ...Object.fromEntries(defaults), ...written } as S;
}

export function sourceOf<S>(operation: string, settings: S): SourceUse<S> {
  return { flow: 'test', operation, settings, section: NOWHERE };
}

export function targetOf<T>(operation: string, settings: T, target?: string): TargetUse<T> {
  return { flow: 'test', operation, settings, target, section: NOWHERE };
}

export function deliveryOf(output: Delivery['output'], more: Partial<Delivery> = {}): Delivery {
  const signal = new AbortController().signal;
  return { output, target: undefined, identity: SERVER, key: 'test/0/1', flow: 'test', signal, ...more };
}
