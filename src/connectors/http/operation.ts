import type { Wrong } from '../../config/keys/units.ts';

/** A method and a path: `PUT /orders/:id`. */
export interface HttpOperation {
  readonly method: string;
  /** Segments of the path; a parameter begins with a colon. */
  readonly segments: readonly string[];
}

const SEGMENT = /^(?::[A-Za-z_][A-Za-z0-9_]*|[A-Za-z0-9_~-][A-Za-z0-9._~-]*)$/;

export interface OperationOptions {
  readonly methods: readonly string[];
  /** True for sources; a webhook may use the address of its connector itself. */
  readonly needsPath: boolean;
}

/** Parses a method and a path, or returns the error. */
export function parseOperation(written: string, { methods, needsPath }: OperationOptions): HttpOperation | Wrong {
  const hint = `write a method (${methods.join(', ')}) and a path: ${methods.includes('POST') ? 'POST' : methods[0]} /orders/:id`;
  const [method = '', path, ...rest] = written.trim().split(/ +/);
  if (!methods.includes(method) || rest.length > 0)
    return { message: `"${written}" is not an operation of http`, hint };
  if (path === undefined || path === '/') {
    return needsPath ? { message: `"${written}" has no path`, hint } : { method, segments: [] };
  }
  const segments = path.slice(1).split('/');
  if (!path.startsWith('/') || !segments.every((segment) => SEGMENT.test(segment))) {
    return {
      message: `"${path}" is not a path`,
      hint: 'segments of letters, digits, "-", "_", "." and "~", or ":name", after "/" each',
    };
  }
  const names = parametersOf({ segments });
  if (new Set(names).size < names.length) return { message: `"${path}" has a parameter twice` };
  return { method, segments };
}

export function isOperation(parsed: HttpOperation | Wrong): parsed is HttpOperation {
  return 'method' in parsed;
}

/** Names of the parameters, without their colons. */
export function parametersOf({ segments }: Pick<HttpOperation, 'segments'>): string[] {
  return segments.filter((segment) => segment.startsWith(':')).map((segment) => segment.slice(1));
}

/** Address of a path: equal for paths that differ only in the names of their parameters. */
export function shapeOf({ segments }: Pick<HttpOperation, 'segments'>): string {
  return segments.map((segment) => `/${segment.replace(/^:.*/, ':')}`).join('');
}

export function pathOf({ segments }: Pick<HttpOperation, 'segments'>): string {
  return segments.map((segment) => `/${segment}`).join('');
}
