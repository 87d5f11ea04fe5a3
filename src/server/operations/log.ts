import { type Logger, pino, stdTimeFunctions } from 'pino';
import type { ServerConfig } from '../../config/config.ts';

export type Log = Logger;

/** Creates the log: JSON lines on stdout. Of a request it only ever contains the method and the path. */
export function createLog({ logging }: Pick<ServerConfig, 'logging'>): Log {
  return pino({ level: logging.level, base: null, timestamp: stdTimeFunctions.isoTime });
}

interface LoggedRequest {
  readonly method: string | undefined;
  readonly url: string | undefined;
}

/** Returns what may be logged of a request: neither its query nor its headers, which may contain secrets. */
export function describeRequest({ method, url }: LoggedRequest): { method: string; path: string } {
  return { method: method ?? '', path: (url ?? '').split('?', 1)[0] ?? '' };
}
