import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Diagnostic, formatDiagnostic, StartError } from '../config/files/diagnostic.ts';
import { AppError } from '../errors.ts';
import { paintFor } from '../server/operations/colors.ts';
import { describeDriverError, StoreOpenError } from '../store/open-errors.ts';

/** An error whose message is all that the command prints. */
export class CommandError extends Error {}

/**
 * The text of an error for the terminal: without a stack for what the user can fix, with it for a fault of the program.
 * `dir` is the folder on the command line: with it the paths in errors can be opened from the current folder.
 */
export function describeFailure(error: unknown, dir = '.'): string {
  if (error instanceof StartError) {
    const paint = paintFor(process.stderr, process.env);
    return error.diagnostics.map((one) => formatDiagnostic(within(dir, one), paint)).join('\n\n');
  }
  if (error instanceof StoreOpenError) return error.message;
  if (error instanceof CommandError || error instanceof AppError) return error.message;
  if (!(error instanceof Error)) return String(error);
  const driver = describeDriverError(error);
  if (driver !== undefined) return driver;
  return (isSystemError(error) ? describeSystemError(error) : undefined) ?? error.stack ?? error.message;
}

/** Prepends the folder to the file. A diagnostic about something else, such as an option, stays as it is. */
function within(dir: string, diagnostic: Diagnostic): Diagnostic {
  const file = join(dir, diagnostic.at.file);
  return existsSync(file) ? { ...diagnostic, at: { ...diagnostic.at, file } } : diagnostic;
}

interface SystemError extends Error {
  readonly code: string;
  readonly syscall: string;
  readonly path?: string;
  readonly address?: string;
  readonly port?: number;
  /** The name that has no address. */
  readonly hostname?: string;
}

function isSystemError(error: Error): error is SystemError {
  return 'code' in error && typeof error.code === 'string' && 'syscall' in error;
}

function describeSystemError(error: SystemError): string | undefined {
  if (error.syscall === 'listen' || error.syscall === 'getaddrinfo') return describeListen(error);
  return error.path === undefined
    ? undefined
    : `${error.path} ${FILE_FAULTS[error.code] ?? `cannot be used (${error.code})`}`;
}

const FILE_FAULTS: Readonly<Record<string, string>> = {
  EACCES: 'cannot be used: no permission',
  EPERM: 'cannot be used: no permission',
  EROFS: 'cannot be written: its file system is read-only',
  ENOSPC: 'cannot be written: there is no room left',
  EDQUOT: 'cannot be written: there is no room left',
  ENOENT: 'does not exist',
  ENOTDIR: 'cannot be used: a part of the path is a file',
  EEXIST: 'cannot be made: something else has that name',
  EMFILE: 'cannot be opened: too many files are open',
  ENFILE: 'cannot be opened: too many files are open',
};

function describeListen({ code, address, port, hostname, message }: SystemError): string {
  switch (code) {
    case 'EADDRINUSE':
      return `port ${port} on ${address} is taken; set another one with --port, or with port in config.yaml`;
    case 'EACCES':
      return `port ${port} on ${address} cannot be opened: no permission; set one above 1023 with --port, or with port in config.yaml`;
    case 'EADDRNOTAVAIL':
      return `${address} is no address of this machine; set another one with --host, or with host in config.yaml`;
    case 'ENOTFOUND':
      return `${hostname} is no address of this machine; set another one with --host, or with host in config.yaml. A folder is written before --host`;
    default:
      return `cannot listen: ${message}; set another host or port`;
  }
}
