import type { FieldPlan, RelationPlan } from '../../schema/plan.ts';
import type { Word } from '../words.ts';

/** Literal, typed by the schema. A Long outside ±(2^53−1) is a BigInt; a Date is its ISO text. */
export type Scalar = string | number | bigint | boolean;

/** Fields from the table's own one down to the one that is compared: `address`, then `city`. */
export interface FieldPath {
  readonly name: string;
  readonly fields: readonly [FieldPlan, ...FieldPlan[]];
}

export type Comparison = 'eq' | 'lt' | 'le' | 'gt' | 'ge';

/**
 * Filter as plain data. Every node is either true or false for a record, never "unknown": a comparison with a null
 * field is false, and `not` inverts it. Where the path leads through a list, or ends in one, a leaf is true when at
 * least one element meets it; only `null` tests the list itself when the path ends there.
 */
export type Filter =
  | { readonly type: 'and'; readonly items: readonly Filter[] }
  | { readonly type: 'or'; readonly items: readonly Filter[] }
  | { readonly type: 'not'; readonly item: Filter }
  /** At least one of the related records meets the item; without one, there is a related record at all. */
  | { readonly type: 'related'; readonly relation: RelationPlan; readonly item: Filter | undefined }
  | Condition;

export type Condition =
  | { readonly type: 'null'; readonly path: FieldPath }
  | { readonly type: 'compare'; readonly path: FieldPath; readonly op: Comparison; readonly value: Scalar }
  | { readonly type: 'in'; readonly path: FieldPath; readonly values: readonly Scalar[] }
  | {
      readonly type: 'range';
      readonly path: FieldPath;
      readonly low: Scalar;
      readonly lowOp: 'ge' | 'gt';
      readonly high: Scalar;
      readonly highOp: 'le' | 'lt';
    }
  | { readonly type: 'text'; readonly path: FieldPath; readonly op: TextOp; readonly value: string }
  /** Full-text search: the string, or all strings of the list together, have every word. */
  | { readonly type: 'words'; readonly path: FieldPath; readonly words: readonly Word[] }
  /** Literal runs with anything between them: `A*b*c` is `['A', 'b', 'c']`; always at least two. */
  | { readonly type: 'pattern'; readonly path: FieldPath; readonly runs: readonly string[] };

export type TextOp = 'contains' | 'starts' | 'ends';
