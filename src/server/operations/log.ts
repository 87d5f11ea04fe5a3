import { isatty } from 'node:tty';
import { type Logger, pino, stdTimeFunctions } from 'pino';
import type { ServerConfig } from '../../config/config.ts';
import { paintFor } from './colors.ts';
import { formatLogLine } from './pretty-log.ts';

/** File descriptor. */
const STDOUT = 1;

export type Log = Logger;

/**
 * Creates the log on stdout: lines of JSON, or lines for a person at a terminal. Of what a client sends, only the method and the
 * path of a request are logged.
 */
export function createLog({ logging }: Pick<ServerConfig, 'logging'>): Log {
  const options = { level: logging.level, base: null, timestamp: stdTimeFunctions.isoTime };
  return isPretty(logging) ? pino(options, prettyStdout()) : pino(options);
}

/** Whether the log is for a person. */
export function isPretty({ format }: ServerConfig['logging']): boolean {
  return format === 'pretty' || (format === 'auto' && isatty(STDOUT));
}

function prettyStdout(): { write(line: string): void } {
  const destination = pino.destination({ fd: STDOUT, sync: true });
  const paint = paintFor({ isTTY: isatty(STDOUT) }, process.env);
  return { write: (line) => void destination.write(formatLogLine(line, paint)) };
}

interface LoggedRequest {
  readonly method: string | undefined;
  readonly url: string | undefined;
}

/** Returns what may be logged of a request: neither its query nor its headers, which may contain secrets. */
export function describeRequest({ method, url }: LoggedRequest): { method: string; path: string } {
  return { method: method ?? '', path: (url ?? '').split('?', 1)[0] ?? '' };
}
