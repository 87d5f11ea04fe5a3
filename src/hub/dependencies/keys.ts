import type { JsonValue } from '../../schema/plan.ts';
import type { RecordKey } from '../../store/store.ts';

/** Thrown when a state at a position cannot be found out with reasonable work. */
export class WindowLostError extends Error {
  constructor() {
    super('Too much has changed since the position.');
  }
}

/** Thrown when more has changed, or is related, than is looked at: the subscription gets its state again. */
export class TooMuchRelatedError extends WindowLostError {}

/** Returns the keys in a field, each once. */
export function keysOf(value: JsonValue | undefined): readonly RecordKey[] {
  if (typeof value === 'string' || typeof value === 'number') return [value];
  if (!Array.isArray(value)) return [];
  const keys = (value as readonly JsonValue[]).filter((item) => typeof item === 'string' || typeof item === 'number');
  return [...new Set(keys)];
}
