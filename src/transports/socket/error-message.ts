import type { AppError } from '../../errors.ts';

/** Formats an error after which the connection continues (PROTOCOL.md). */
export function errorMessage({ code, message, errors }: AppError, ref?: unknown): object {
  return {
    type: 'error',
    code,
    message,
    ...(errors === undefined ? {} : { details: errors }),
    ...(ref === undefined ? {} : { ref }),
  };
}
