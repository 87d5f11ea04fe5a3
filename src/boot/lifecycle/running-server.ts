import type { TableHandle } from '../../resources/table/handle.ts';
import type { ProjectApp } from '../../schema/project-app.ts';

export interface StartOptions {
  /** Folder of an application, or folder of several applications. */
  readonly dir: string;
  readonly env: NodeJS.ProcessEnv;
  /** Schema changes that lose data and are allowed: all of them, or the ones with these names. */
  readonly allowDestructive: boolean | readonly string[];
  /** The address to listen on, instead of that in config.yaml. */
  readonly host?: string | undefined;
  /** The port to listen on, instead of that in config.yaml; 0: any free port. */
  readonly port?: number | undefined;
  /** The format of the log, instead of that in config.yaml. */
  readonly logFormat?: 'auto' | 'json' | 'pretty' | undefined;
}

/** A method of the log: a message, or fields and a message. */
export type LogMethod = ((message: string) => void) & ((fields: object, message?: string) => void);

export interface ServerLog {
  readonly info: LogMethod;
  readonly warn: LogMethod;
  readonly error: LogMethod;
  readonly fatal: LogMethod;
}

/** Application as a running server serves it. */
export interface RunningApp {
  readonly appId: string;
  /** Names of the exported tables. */
  readonly tables: readonly string[];
  /** True where there is a page of its own. */
  readonly hasPage: boolean;
  readonly hasApiPage: boolean;
  /** True where requests need no login. */
  readonly isOpen: boolean;
}

export interface RunningServer {
  /** URL of the server for clients on this machine, with the actual port. */
  readonly url: string;
  /** URLs of the server for other machines, with the actual port; none for a loopback address. */
  readonly networkUrls: readonly string[];
  /** URL of the console; undefined where it is not served. */
  readonly consoleUrl: string | undefined;
  readonly log: ServerLog;
  /** True when the log has lines for a person instead of JSON. */
  readonly isLogPretty: boolean;
  /** Tables for code that runs in the process of the server, by application and export name, with all rights. */
  readonly tables: ReadonlyMap<string, ReadonlyMap<string, TableHandle>>;
  readonly apps: readonly RunningApp[];
  /** Milliseconds that `close` may take before the process should be terminated. */
  readonly shutdownTimeout: number;
  /** Stops without losing anything: no new requests, streams asked to reconnect, writes finished, store closed. */
  close(): Promise<void>;
}

export function describeRunning({ config, plan }: ProjectApp): RunningApp {
  return {
    appId: config.appId,
    tables: plan.tables.flatMap(({ exportName }) => exportName ?? []),
    hasPage: config.web !== undefined,
    hasApiPage: config.docs,
    isOpen: config.auth === undefined || config.auth === 'none',
  };
}
