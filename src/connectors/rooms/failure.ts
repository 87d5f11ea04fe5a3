import { AppError } from '../../errors.ts';
import { PermanentError } from '../connector.ts';
import type { MessageAbout } from './messages.ts';

/** What went wrong in a flow, as its client is told; a fault of ours is only reported. */
export function toFailure(error: unknown, onError: (error: unknown) => void): AppError {
  if (error instanceof AppError) return error;
  if (error instanceof PermanentError) return new AppError('FLOW_FAILED', error.message);
  onError(error);
  return new AppError('FLOW_FAILED', 'The flow has failed; it has been logged.', { cause: error });
}

/** PROTOCOL.md: what a client is told, and goes on after. `about`: by which it knows the message that was wrong. */
export function errorMessage({ code, message, errors }: AppError, about: MessageAbout = {}): object {
  return { type: 'error', code, message, ...(errors === undefined ? {} : { details: errors }), ...about };
}
