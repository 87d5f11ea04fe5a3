import { withoutForbiddenKeys } from '../../schema/forbidden-key.ts';
import type { FieldPlan, FieldType, TablePlan } from '../../schema/plan.ts';
import { holdsJson } from '../../schema/sdl/field.ts';
import type { Cell } from '../store.ts';

export type CellEncoder = (cell: Cell) => string;

/** Characters that JSON text has to escape. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters have to be found.
const ESCAPED = /["\\\u0000-\u001f\ud800-\udfff]/;

/** Most strings need no escapes: this test is more than twice as fast as JSON.stringify. */
const asText: CellEncoder = (cell) => {
  if (cell === null) return 'null';
  return ESCAPED.test(cell as string) ? JSON.stringify(cell) : `"${cell as string}"`;
};
const asPlain: CellEncoder = (cell) => (cell === null ? 'null' : `"${cell as string}"`);
const asRaw: CellEncoder = (cell) => (cell === null ? 'null' : String(cell));
const asJson: CellEncoder = (cell) => (cell === null ? 'null' : withoutForbiddenKeys(String(cell)));
const asBoolean: CellEncoder = (cell) => (cell === null ? 'null' : Number(cell) === 1 ? 'true' : 'false');

/** A Long outside ±(2^53−1) is a string of digits in JSON, since most readers would round the number. */
const asLong: CellEncoder = (cell) => {
  if (cell === null) return 'null';
  const value = Number(cell);
  return Number.isSafeInteger(value) ? String(value) : `"${cell}"`;
};

/** Returns the function that writes cells of a type as JSON text. */
export function encoderOf(type: FieldType): CellEncoder {
  if (type.kind === 'list' || type.kind === 'object') return holdsJson(type) ? asJson : asRaw;
  if (type.kind === 'enum') return asPlain;
  switch (type.name) {
    case 'ID':
    case 'String':
      return asText;
    case 'Date':
      return asPlain;
    case 'Boolean':
      return asBoolean;
    case 'Long':
      return asLong;
    case 'Int':
    case 'Float':
      return asRaw;
    case 'JSON':
      return asJson;
  }
}

/**
 * Writes rows of a table, or of some of its fields, as JSON text. Cells beyond the fields are ignored, and those of hidden
 * fields are left out: the text goes to clients and into the log.
 */
export class RowCodec {
  /** Index in the row of each visible field. */
  readonly #columns: readonly number[];
  /** Index among the visible fields, by the index in the row. */
  readonly #visibleIndexes: readonly (number | undefined)[];
  readonly #names: readonly string[];
  readonly #prefixes: readonly string[];
  readonly #encoders: readonly CellEncoder[];

  constructor(fields: readonly FieldPlan[]) {
    const visible = fields.filter(({ hidden }) => !hidden);
    this.#columns = visible.map((field) => fields.indexOf(field));
    this.#visibleIndexes = fields.map((field) => (field.hidden ? undefined : visible.indexOf(field)));
    this.#names = visible.map((field) => `${JSON.stringify(field.name)}:`);
    this.#prefixes = this.#names.map((name, index) => (index === 0 ? '{' : ',') + name);
    this.#encoders = visible.map((field) => encoderOf(field.type));
  }

  toJson(row: readonly Cell[]): string {
    let json = '';
    for (let i = 0; i < this.#encoders.length; i++) {
      const encode = this.#encoders[i] as CellEncoder;
      json += (this.#prefixes[i] as string) + encode(row[this.#columns[i] as number] as Cell);
    }
    return `${json}}`;
  }

  /** Returns JSON text with only the fields at these indexes of the row. */
  partToJson(row: readonly Cell[], columns: readonly number[]): string {
    let json = '';
    for (const column of columns) {
      const index = this.#visibleIndexes[column];
      if (index === undefined) continue;
      const encode = this.#encoders[index] as CellEncoder;
      json += (json === '' ? '{' : ',') + (this.#names[index] as string) + encode(row[column] as Cell);
    }
    return json === '' ? '{}' : `${json}}`;
  }
}

/** True when the table has a field whose integers do not fit a double, so that rows must be read as BigInt. */
export function hasLong(table: TablePlan): boolean {
  return table.fields.some((field) => field.type.kind === 'scalar' && field.type.name === 'Long');
}
