import type { ImportRow } from '../../resources/transfer/importer.ts';
import type { FieldPlan, FieldType, JsonValue, TablePlan } from '../../schema/plan.ts';
import { isServerSet } from '../../schema/sdl/field.ts';

const WORDS =
  `amber birch cedar delta ember fjord grove harbor indigo jasper kelp lumen meadow nimbus ocean pebble quartz
river saffron timber umber violet willow xenon yarrow zephyr`.split(/\s+/);
const FIRST_DATE = Date.UTC(2025, 0, 1);
const YEAR_MS = 365 * 86_400_000;
/** Share of optional fields that are null. */
const NULL_SHARE = 0.15;
const MAX_LIST_ITEMS = 3;
const MAX_NUMBER = 1000;

export interface GeneratorOptions {
  /** Records of each table. */
  readonly count: number;
  /** Records are the same for the same number. */
  readonly randomSeed: number;
}

/** Makes records that fit the types, enums and relations of tables. */
export class RecordGenerator {
  readonly #options: GeneratorOptions;

  constructor(options: GeneratorOptions) {
    this.#options = options;
  }

  *rows(table: TablePlan): IterableIterator<ImportRow> {
    const { count, randomSeed } = this.#options;
    for (let index = 1; index <= count; index++) {
      const values = new RandomValues(hash(`${randomSeed}:${table.name}:${index}`), index);
      yield { row: index, json: JSON.stringify(this.#record(table, values)) };
    }
  }

  #record(table: TablePlan, values: RandomValues): Record<string, JsonValue> {
    const record: Record<string, JsonValue> = {};
    const together = new Set(table.compositeIndexes.filter(({ unique }) => unique).map(({ fields }) => fields[0]));
    for (const field of table.fields) {
      if (isServerSet(field)) continue;
      const { target } = table.relations.find(({ from }) => from === field) ?? {};
      if (field.primaryKey) record[field.name] = keyOf(table, values.index);
      else if (target !== undefined) record[field.name] = this.#reference(target, field, values);
      else if (field.expiresAt) record[field.name] = field.required ? '2100-01-01T00:00:00.000Z' : null;
      else record[field.name] = values.field(field, field.unique || together.has(field));
    }
    return record;
  }

  /** Returns the key of a generated record of the other table. */
  #reference(target: TablePlan, field: FieldPlan, values: RandomValues): JsonValue {
    const key = (): JsonValue => keyOf(target, 1 + values.below(this.#options.count));
    if (field.type.kind === 'list') return Array.from({ length: values.below(MAX_LIST_ITEMS + 1) }, key);
    return !field.required && values.next() < NULL_SHARE ? null : key();
  }
}

function keyOf({ name, primaryKey: { type } }: TablePlan, index: number): string | number {
  const isNumber = type.kind === 'scalar' && (type.name === 'Int' || type.name === 'Long');
  return isNumber ? index : `${name.toLowerCase()}-${index}`;
}

/** Random values of one record. */
class RandomValues {
  readonly index: number;
  #state: number;

  constructor(state: number, index: number) {
    this.#state = state;
    this.index = index;
  }

  /** Returns a number from 0 to below 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  field(field: FieldPlan, isUnique: boolean): JsonValue {
    const isNull = !field.required && this.next() < NULL_SHARE;
    return isNull ? null : this.#value(field.type, field.name, isUnique);
  }

  #value(type: FieldType, name: string, isUnique: boolean): JsonValue {
    switch (type.kind) {
      case 'enum':
        return type.values[this.below(type.values.length)] as string;
      case 'list':
        return Array.from({ length: this.below(MAX_LIST_ITEMS + 1) }, () => this.#value(type.of, name, isUnique));
      case 'object':
        return Object.fromEntries(type.fields.map((field) => [field.name, this.field(field, isUnique)]));
      case 'scalar':
        return this.#scalar(type.name, name, isUnique);
    }
  }

  #scalar(type: Extract<FieldType, { kind: 'scalar' }>['name'], name: string, isUnique: boolean): JsonValue {
    switch (type) {
      case 'Boolean':
        return this.next() < 0.5;
      case 'Int':
      case 'Long':
        return isUnique ? this.index : this.below(MAX_NUMBER);
      case 'Float':
        return isUnique ? this.index : Math.round(this.next() * MAX_NUMBER * 100) / 100;
      case 'Date':
        return new Date(FIRST_DATE + (isUnique ? this.index * 1000 : this.below(YEAR_MS))).toISOString();
      case 'JSON':
        return { n: this.index, word: this.#word() };
      default:
        return this.#text(name, isUnique);
    }
  }

  #text(name: string, isUnique: boolean): string {
    const end = isUnique ? `-${this.index}` : '';
    if (/e?mail/i.test(name)) return `${this.#word()}.${this.#word()}${end}@example.com`;
    if (/url|link|website/i.test(name)) return `https://example.com/${this.#word()}${end}`;
    const words = Array.from({ length: 1 + this.below(MAX_LIST_ITEMS) }, () => this.#word()).join(' ');
    return `${words.charAt(0).toUpperCase()}${words.slice(1)}${end}`;
  }

  #word(): string {
    return WORDS[this.below(WORDS.length)] as string;
  }
}

/** Returns a number of 32 bits (FNV-1a). */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  return value | 0;
}
