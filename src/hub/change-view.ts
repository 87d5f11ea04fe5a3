import type { JsonValue } from '../schema/plan.ts';
import type { Change } from '../store/store.ts';

export type ChangedRecord = Readonly<Record<string, JsonValue>>;

/** A change with its JSON read, as far as somebody asks for it. */
export class ChangeView {
  readonly change: Change;
  #after: ChangedRecord | undefined;
  #previous: ChangedRecord | undefined;
  #before: ChangedRecord | undefined;

  constructor(change: Change) {
    this.change = change;
  }

  /** The record after the change, or what was published; undefined after a delete. */
  get after(): ChangedRecord | undefined {
    if (this.change.op === 'delete') return undefined;
    this.#after ??= parseRecord(this.change.data);
    return this.#after;
  }

  /** For an update the values that were there before of the fields that changed; for a delete and a message the record. */
  get previous(): ChangedRecord | undefined {
    if (this.change.before === null) return undefined;
    this.#previous ??= parseRecord(this.change.before);
    return this.#previous;
  }

  /** The whole record before the change, if there was one. */
  get before(): ChangedRecord | undefined {
    if (this.previous === undefined) return undefined;
    this.#before ??= this.after === undefined ? this.previous : { ...this.after, ...this.previous };
    return this.#before;
  }
}

let latest: ChangeView | undefined;

/** All groups of a channel look at one change after the other: the JSON of the newest is read once for all of them. */
export function viewOf(change: Change): ChangeView {
  if (latest?.change !== change) latest = new ChangeView(change);
  return latest;
}

/** What is not an object has no fields. */
export function parseRecord(json: string): ChangedRecord {
  const value: unknown = JSON.parse(json);
  return typeof value === 'object' && value !== null ? (value as ChangedRecord) : {};
}
