import { withoutForbiddenKeys } from '../../../schema/forbidden-key.ts';
import type { FieldPlan, FieldType, TablePlan } from '../../../schema/plan.ts';
import { holdsJson } from '../../../schema/sdl/field.ts';
import type { Cell } from '../../store.ts';

export type CellEncoder = (cell: Cell) => string;

/** What JSON text writes otherwise than it is. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what has to be found.
const ESCAPED = /["\\\u0000-\u001f\ud800-\udfff]/;

/** Most texts are written as they are, which is more than twice as fast to find out as to let JSON.stringify do it. */
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

/** How the cells of a type become JSON text. */
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
 * Turns rows of a table, or of some of its fields, into JSON text. Cells beyond the fields are ignored, and those of
 * hidden fields are left out: what is made here goes to clients and into the log.
 */
export class RowCodec {
  /** Where in the row the cells of the visible fields are. */
  readonly #places: readonly number[];
  /** Which of them is at a place of the row. */
  readonly #indexes: readonly (number | undefined)[];
  readonly #names: readonly string[];
  readonly #prefixes: readonly string[];
  readonly #encoders: readonly CellEncoder[];

  constructor(fields: readonly FieldPlan[]) {
    const visible = fields.filter(({ hidden }) => !hidden);
    this.#places = visible.map((field) => fields.indexOf(field));
    this.#indexes = fields.map((field) => (field.hidden ? undefined : visible.indexOf(field)));
    this.#names = visible.map((field) => `${JSON.stringify(field.name)}:`);
    this.#prefixes = this.#names.map((name, index) => (index === 0 ? '{' : ',') + name);
    this.#encoders = visible.map((field) => encoderOf(field.type));
  }

  toJson(row: readonly Cell[]): string {
    let json = '';
    for (let i = 0; i < this.#encoders.length; i++) {
      const encode = this.#encoders[i] as CellEncoder;
      json += (this.#prefixes[i] as string) + encode(row[this.#places[i] as number] as Cell);
    }
    return `${json}}`;
  }

  /** JSON text with only the fields at these places. */
  partToJson(row: readonly Cell[], places: readonly number[]): string {
    let json = '';
    for (const place of places) {
      const index = this.#indexes[place];
      if (index === undefined) continue;
      const encode = this.#encoders[index] as CellEncoder;
      json += (json === '' ? '{' : ',') + (this.#names[index] as string) + encode(row[place] as Cell);
    }
    return json === '' ? '{}' : `${json}}`;
  }
}

/** True when the table has a field whose integers do not fit a double, so that rows must be read as BigInt. */
export function hasLong(table: TablePlan): boolean {
  return table.fields.some((field) => field.type.kind === 'scalar' && field.type.name === 'Long');
}
