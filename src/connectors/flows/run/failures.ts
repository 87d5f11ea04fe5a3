import { AppError, type ErrorCode } from '../../../errors.ts';
import { PermanentError } from '../../connector.ts';

/** Refusals that may be none a moment later. */
const PASSING: ReadonlySet<ErrorCode> = new Set(['REQUEST_TIMEOUT', 'IDEMPOTENCY_IN_PROGRESS', 'RATE_LIMITED']);

/** A delivery took longer than the flow allows. */
export class DeliveryTimeout extends Error {
  override readonly name = 'DeliveryTimeout';
}

/** Who waited for an event that had failed has gone; where its source keeps it, it comes again. */
export class AbandonedError extends Error {
  override readonly name = 'AbandonedError';
}

/** The server stops: the event has not been done, and is not lost where its source keeps it. */
export class StoppedError extends AppError {
  constructor() {
    super('STOPPING', 'The server is stopping; the flow was not finished.');
  }
}

/** Trying again would be of no use. */
export function isPermanent(error: unknown): boolean {
  if (error instanceof PermanentError) return true;
  return error instanceof AppError && error.status < 500 && !PASSING.has(error.code);
}

/** For people: who looks at the dead letters. */
export function describeFailure(error: unknown): string {
  if (error instanceof AppError) return `${error.code}: ${error.message}`;
  return (error instanceof Error ? error.message : String(error)).slice(0, 2000);
}
