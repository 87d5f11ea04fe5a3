import type { FieldPlan, TablePlan } from '../../schema/plan.ts';
import { expiryOf } from '../expiry.ts';
import type { Cell, RecordKey } from '../store.ts';
import { RowCodec } from './codec.ts';
import { ComputedFields } from './computed.ts';
import { RowRules } from './row-rules.ts';

/** Cells of the fields in order, then the seq of the record's last change. */
export type Row = readonly Cell[];

/** Kinds of changes, in the order of their numbers in the log. */
export const OPS = ['create', 'update', 'delete', 'publish'] as const;

/** Layout of a table's rows: the codec, and the fields that the server sets. */
export class RowLayout {
  readonly plan: TablePlan;
  readonly codec: RowCodec;
  readonly keyIndex: number;
  /** Indexes of `@updatedTime` fields, which do not count as changes of a write. */
  readonly updatedStamps: readonly number[];
  readonly createdStamps: readonly number[];
  readonly computed: ComputedFields;
  readonly rules: RowRules;
  /** True when a change also sets fields that the request did not have. */
  readonly setsFields: boolean;
  /** True when the records of the table expire. */
  readonly expires: boolean;

  constructor(plan: TablePlan) {
    this.plan = plan;
    this.codec = new RowCodec(plan.fields);
    this.keyIndex = plan.fields.indexOf(plan.primaryKey);
    this.updatedStamps = indexesOf(plan.fields, 'updated');
    this.createdStamps = indexesOf(plan.fields, 'created');
    this.computed = new ComputedFields(plan);
    this.rules = new RowRules(plan);
    this.setsFields = this.updatedStamps.length > 0 || this.computed.indexes.length > 0;
    this.expires = expiryOf(plan) !== undefined;
  }
}

/** Rows of one table in an open transaction. */
export interface WritableRows extends RowLayout {
  get(id: RecordKey): Row | undefined;
  insert(row: readonly Cell[], seq: number, expires: number | null): void;
  /** Updates a row. `changed`: indexes of the cells that differ, at least one. */
  update(row: readonly Cell[], changed: readonly number[], seq: number, expires: number | null): void;
  delete(id: RecordKey): void;
  /** Returns the time at which the record expires, in milliseconds since 1970; null for never. */
  expiresAt(id: RecordKey): number | null;
}

function indexesOf(fields: readonly FieldPlan[], stamp: 'created' | 'updated'): number[] {
  return fields.flatMap((field, index) => (field.stamp === stamp ? [index] : []));
}
