import type { Identity } from '../auth/identity.ts';
import type { RecordKey } from '../store/store.ts';
import type { JsonObject } from './table/frames.ts';

/** Write of one record before it happens. */
export interface PendingWrite {
  readonly identity: Identity;
  /** Undefined for a new record whose id the server will generate. */
  readonly id: RecordKey | undefined;
}

export interface PendingRecord extends PendingWrite {
  /** Copy of the record in the request, checked against the schema. */
  readonly record: JsonObject;
}

export interface PendingChange extends PendingRecord {
  /** True when only the given fields are replaced. */
  readonly partial: boolean;
  /** Stored record before the write. */
  readonly previous: JsonObject;
}

export interface PendingDelete extends PendingWrite {
  readonly previous: JsonObject;
}

/**
 * Before-hooks for writes to one table. Each resolves with the record to write instead; throws AppError to refuse the
 * write.
 */
export interface WriteHooks {
  readonly beforeCreate?: (write: PendingRecord) => Promise<JsonObject>;
  readonly beforeUpdate?: (write: PendingChange) => Promise<JsonObject>;
  readonly beforeDelete?: (write: PendingDelete) => Promise<void>;
}
