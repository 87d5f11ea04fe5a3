import type { FieldPlan } from '../../schema/plan.ts';
import type { Cell } from '../store.ts';
import { type CellEncoder, encoderOf } from './codec.ts';

interface ChangedField {
  /** Index in the row. */
  readonly place: number;
  /** `"title":` */
  readonly prefix: string;
  /** Undefined for a hidden field, whose values are not written. */
  readonly encode: CellEncoder | undefined;
}

/** Writes the differences of two rows as JSON text, for the audit log. */
export class ChangeCodec {
  readonly #fields: readonly ChangedField[];

  constructor(fields: readonly FieldPlan[]) {
    this.#fields = fields.map(({ name, type, hidden }, place) => ({
      place,
      prefix: `${JSON.stringify(name)}:`,
      encode: hidden ? undefined : encoderOf(type),
    }));
  }

  /**
   * Returns the fields whose cells differ, each with both values, or `"hidden":true` for a hidden field. An absent record
   * counts as one in which all is null: fields that were null in a new or removed record are left out.
   */
  toJson(before: readonly Cell[] | undefined, after: readonly Cell[] | undefined): string {
    const parts: string[] = [];
    for (const { place, prefix, encode } of this.#fields) {
      const old = (before?.[place] ?? null) as Cell;
      const now = (after?.[place] ?? null) as Cell;
      if (old === now) continue;
      const values = encode === undefined ? '"hidden":true' : `"before":${encode(old)},"after":${encode(now)}`;
      parts.push(`${prefix}{${values}}`);
    }
    return `{${parts.join(',')}}`;
  }
}
