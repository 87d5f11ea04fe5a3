import { AppError, conditionFailed } from '../../errors.ts';
import type { Filter, JsonRecord, RelatedTest } from '../../query/index.ts';
import type { TablePlan } from '../../schema/plan.ts';
import type { Actor } from '../audit.ts';
import type { Place } from '../placed-error.ts';
import type { Cell, RecordKey } from '../store.ts';
import type { CellChange } from './cell-change.ts';

/** Cells of a record, one per field in the plan's order; `undefined` where the request did not have the field. */
export type Cells = readonly (Cell | undefined)[];

/** Cells of a patch: a change of the stored cell where the request has an operator. */
export type PatchCells = readonly (Cell | CellChange | undefined)[];

/** Condition of a write: the record's seq is one of these, or `any`: it exists, `none`: it does not. */
export type Precondition = readonly number[] | 'any' | 'none';

/**
 * Checks one record in the transaction that changes it, and throws AppError when the change is not allowed. `before` is
 * undefined where there is no record yet, `after` where there will be none; for a message both are the record that it is about.
 * `related` decides on records of other tables as they are in the transaction. An engine whose transaction answers later
 * calls the check in `settleRelated`.
 */
export type WriteCheck = (before: JsonRecord | undefined, after: JsonRecord | undefined, related: RelatedTest) => void;

/** Import of a record: `@createdTime` and `@updatedTime` are taken from the cells where they have a value. */
interface ImportedWrite {
  readonly imported?: boolean | undefined;
}

/** Rights and author of a write. */
interface WriteOrigin {
  readonly guard?: WriteCheck | undefined;
  /** Actor that the audit log names; code in the server by default. Read only for tables with `@audit`. */
  readonly by?: Actor | undefined;
  /** Prefix of the fields in errors of this record, where several records were sent. */
  readonly place?: Place | undefined;
}

export type Write =
  | ({
      readonly type: 'create';
      readonly table: TablePlan;
      readonly id: RecordKey;
      readonly cells: Cells;
    } & WriteOrigin &
      ImportedWrite)
  | ({
      readonly type: 'put';
      readonly table: TablePlan;
      readonly id: RecordKey;
      readonly cells: Cells;
      readonly precondition?: Precondition | undefined;
      /** Indexes of fields that stay as they are in a record that exists. */
      readonly keep?: readonly number[] | undefined;
    } & WriteOrigin &
      ImportedWrite)
  | ({
      readonly type: 'patch';
      readonly table: TablePlan;
      readonly id: RecordKey;
      readonly cells: PatchCells;
      readonly precondition?: Precondition | undefined;
    } & WriteOrigin &
      ImportedWrite)
  | ({
      readonly type: 'delete';
      readonly table: TablePlan;
      readonly id: RecordKey;
      readonly precondition?: Precondition | undefined;
      /** Deletes only a record that had expired at this time (milliseconds since 1970). */
      readonly expiredAt?: number;
    } & WriteOrigin)
  | ({
      readonly type: 'publish';
      readonly table: TablePlan;
      readonly id: RecordKey | null;
      readonly data: string;
      /** `json` of the outcome, which is stored with it where the write has an idempotency key. */
      readonly answer?: string;
      /** Stores the record in the log entry, for subscribers that may read only some records. */
      readonly withRecord?: boolean;
    } & WriteOrigin)
  | ({
      /** Condition without a write: refuses its group unless the record is as the precondition says. */
      readonly type: 'check';
      readonly table: TablePlan;
      readonly id: RecordKey;
      readonly precondition: Precondition;
    } & WriteOrigin)
  | ({
      /** Condition on all records of a table: refuses its group when a record has changed after `since`, before the group. */
      readonly type: 'check-table';
      readonly table: TablePlan;
      readonly since: number;
    } & WriteOrigin)
  | BulkWrite;

/** Write of every record that matches when it is committed; without a filter, of all. It has one outcome. */
export type BulkWrite = {
  readonly table: TablePlan;
  readonly filter: Filter | undefined;
  /** Maximum of records; when more match, the write is refused and none is changed. */
  readonly limit: number;
  /** Number of records that have to match; with another one the write is refused with PRECONDITION_FAILED. */
  readonly expected?: number | undefined;
  /** True to name the record's key in errors: its writer may read it. */
  readonly named?: boolean;
} & WriteOrigin &
  ({ readonly type: 'patch-where'; readonly cells: PatchCells } | { readonly type: 'delete-where' });

/** Throws PRECONDITION_FAILED unless a record at `seq` meets the condition; undefined stands for no record, no condition. */
export function checkPrecondition(seq: number | undefined, precondition: Precondition | undefined): void {
  if (precondition === undefined) return;
  const holds =
    precondition === 'none'
      ? seq === undefined
      : seq !== undefined && (precondition === 'any' || precondition.includes(seq));
  if (!holds) throw conditionFailed(seq);
}

/** True for a write of all records that a filter selects. */
export function isBulk(write: Write): write is BulkWrite {
  return write.type === 'patch-where' || write.type === 'delete-where';
}

/** PRECONDITION_FAILED for a table with a change after the position that a write depends on. */
export function tableChanged({ exportName, name }: TablePlan): AppError {
  return new AppError('PRECONDITION_FAILED', `A record of ${exportName ?? name} has changed since it was read.`);
}
