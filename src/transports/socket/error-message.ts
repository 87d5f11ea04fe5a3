import type { AppError } from '../../errors.ts';

/** PROTOCOL.md: what a client is told, and goes on after. */
export function errorMessage({ code, message, errors }: AppError, ref?: unknown): object {
  return {
    type: 'error',
    code,
    message,
    ...(errors === undefined ? {} : { details: errors }),
    ...(ref === undefined ? {} : { ref }),
  };
}
