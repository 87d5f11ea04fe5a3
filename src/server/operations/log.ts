import { type Logger, pino, stdTimeFunctions } from 'pino';
import type { ServerConfig } from '../../config/config.ts';

export type Log = Logger;

/** Structured lines on stdout. Nothing that a client sends is logged but the method and the path of a request. */
export function createLog({ logging }: Pick<ServerConfig, 'logging'>): Log {
  return pino({ level: logging.level, base: null, timestamp: stdTimeFunctions.isoTime });
}

interface Described {
  readonly method: string | undefined;
  readonly url: string | undefined;
}

/** A request as it may be logged: without its query, which may hold what must not be in a log, and its headers. */
export function describeRequest({ method, url }: Described): { method: string; path: string } {
  return { method: method ?? '', path: (url ?? '').split('?', 1)[0] ?? '' };
}
