import type { Identity } from '../auth/identity.ts';
import type { RecordKey } from '../store/store.ts';

type JsonObject = Readonly<Record<string, unknown>>;

/** A write of one record before it happens. */
export interface PendingWrite {
  readonly identity: Identity;
  /** Undefined for a new record whose id the server will make. */
  readonly id: RecordKey | undefined;
}

export interface PendingRecord extends PendingWrite {
  /** A copy of what was sent, checked against the schema. */
  readonly record: JsonObject;
}

export interface PendingChange extends PendingRecord {
  /** Only the fields that were sent are replaced. */
  readonly partial: boolean;
  /** The record as it is stored. */
  readonly previous: JsonObject;
}

export interface PendingDelete extends PendingWrite {
  readonly previous: JsonObject;
}

/**
 * What code of the application says about writes to one table before they happen. Resolves with the record to write
 * instead; throws AppError for one that is not to be.
 */
export interface WriteHooks {
  readonly beforeCreate?: (write: PendingRecord) => Promise<JsonObject>;
  readonly beforeUpdate?: (write: PendingChange) => Promise<JsonObject>;
  readonly beforeDelete?: (write: PendingDelete) => Promise<void>;
}
