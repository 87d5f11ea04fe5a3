import { AppError, type ErrorCode } from '../../../errors.ts';
import { PermanentError } from '../../connector.ts';

/** Refusals that may succeed a moment later. */
const RETRYABLE: ReadonlySet<ErrorCode> = new Set(['REQUEST_TIMEOUT', 'IDEMPOTENCY_IN_PROGRESS', 'RATE_LIMITED']);

/** A delivery took longer than the flow allows. */
export class DeliveryTimeout extends Error {
  override readonly name = 'DeliveryTimeout';
}

/** The sender of a failed event has disconnected; a source that keeps the event delivers it again. */
export class AbandonedError extends Error {
  override readonly name = 'AbandonedError';
}

/** The server stops before the event is done; a source that keeps the event delivers it again. */
export class StoppedError extends AppError {
  constructor() {
    super('STOPPING', 'The server is stopping; the flow was not finished.');
  }
}

/** True for a failure that a retry cannot resolve. */
export function isPermanent(error: unknown): boolean {
  if (error instanceof PermanentError) return true;
  return error instanceof AppError && error.status < 500 && !RETRYABLE.has(error.code);
}

/** Message of a failure, for the dead letter. */
export function describeFailure(error: unknown): string {
  if (error instanceof AppError) return `${error.code}: ${error.message}`;
  return (error instanceof Error ? error.message : String(error)).slice(0, 2000);
}
