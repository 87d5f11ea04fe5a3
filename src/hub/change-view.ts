import type { JsonValue } from '../schema/plan.ts';
import type { Change } from '../store/store.ts';

export type ChangedRecord = Readonly<Record<string, JsonValue>>;

/**
 * A change with its JSON, parsed when it is first read. One view goes through all groups of a channel, so that they
 * share what was parsed.
 */
export class ChangeView {
  readonly change: Change;
  #after: ChangedRecord | undefined;
  #previous: ChangedRecord | undefined;
  #before: ChangedRecord | undefined;

  constructor(change: Change) {
    this.change = change;
  }

  /** Record after the change, or the published message; undefined after a delete. */
  get after(): ChangedRecord | undefined {
    if (this.change.op === 'delete') return undefined;
    this.#after ??= parseRecord(this.change.data);
    return this.#after;
  }

  /** For an update the previous values of the fields that changed; for a delete and a message the record. */
  get previous(): ChangedRecord | undefined {
    if (this.change.before === null) return undefined;
    this.#previous ??= parseRecord(this.change.before);
    return this.#previous;
  }

  /** Whole record before the change; undefined where there was none. */
  get before(): ChangedRecord | undefined {
    if (this.previous === undefined) return undefined;
    this.#before ??= this.after === undefined ? this.previous : { ...this.after, ...this.previous };
    return this.#before;
  }
}

/** Parses a record; JSON that is not an object counts as a record without fields. */
export function parseRecord(json: string): ChangedRecord {
  const value: unknown = JSON.parse(json);
  return typeof value === 'object' && value !== null ? (value as ChangedRecord) : {};
}
