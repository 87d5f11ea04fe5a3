import { compileConstraints } from '../../../schema/constraints/validator.ts';
import type { Constraints, FieldPlan, FieldType, JsonValue } from '../../../schema/plan.ts';
import { textOfFormat, textOfPattern } from './random-text.ts';

const WORDS =
  `amber birch cedar delta ember fjord grove harbor indigo jasper kelp lumen meadow nimbus ocean pebble quartz
river saffron timber umber violet willow xenon yarrow zephyr`.split(/\s+/);
const FIRST_DATE = Date.UTC(2025, 0, 1);
const YEAR_MS = 365 * 86_400_000;
/** Share of optional fields that are null. */
const NULL_SHARE = 0.15;
const MAX_LIST_ITEMS = 3;
const MAX_NUMBER = 1000;
/** Values that are made until one meets the constraints of its field. */
const MAX_ATTEMPTS = 50;

/** Random values of one record, the same ones for the same seed. */
export class RandomValues {
  readonly index: number;
  #state: number;

  constructor(seed: string, index: number) {
    this.#state = hash(seed);
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

  isNull({ required }: Pick<FieldPlan, 'required'>): boolean {
    return !required && this.next() < NULL_SHARE;
  }

  field(field: FieldPlan, isUnique: boolean): JsonValue {
    return this.isNull(field) ? null : this.#constrained(field, isUnique);
  }

  /** Returns a list with a number of items that the constraints allow. */
  list({ minItems = 0, maxItems, uniqueItems }: Constraints, item: () => JsonValue): JsonValue[] {
    const most = maxItems ?? Math.max(minItems, MAX_LIST_ITEMS);
    const length = minItems + this.below(Math.min(most - minItems, MAX_LIST_ITEMS) + 1);
    const items: JsonValue[] = [];
    const known = new Set<string>();
    for (let attempt = 0; items.length < length && attempt < MAX_ATTEMPTS * (length + 1); attempt++) {
      const value = item();
      const key = JSON.stringify(value);
      if (uniqueItems && known.has(key)) continue;
      known.add(key);
      items.push(value);
    }
    return items;
  }

  #constrained(field: FieldPlan, isUnique: boolean): JsonValue {
    const check = compileConstraints(field);
    const make = () => this.#value(field.type, field.name, { constraints: field.constraints ?? {}, isUnique });
    let value = make();
    for (let attempt = 0; check !== undefined && attempt < MAX_ATTEMPTS; attempt++) {
      let isMet = true;
      check(value, field.name, () => (isMet = false), true);
      if (isMet) break;
      value = make();
    }
    return value;
  }

  #value(type: FieldType, name: string, how: { readonly constraints: Constraints; isUnique: boolean }): JsonValue {
    switch (type.kind) {
      case 'enum':
        return type.values[this.below(type.values.length)] as string;
      case 'list':
        return this.list(how.constraints, () => this.#value(type.of, name, how));
      case 'object':
        return Object.fromEntries(type.fields.map((field) => [field.name, this.field(field, how.isUnique)]));
      case 'scalar':
        return this.#scalar(type.name, name, how);
    }
  }

  #scalar(
    type: (FieldType & { kind: 'scalar' })['name'],
    name: string,
    { constraints, isUnique }: { readonly constraints: Constraints; isUnique: boolean },
  ): JsonValue {
    switch (type) {
      case 'Boolean':
        return this.next() < 0.5;
      case 'Int':
      case 'Long':
        return this.#number(constraints, isUnique, 1);
      case 'Float':
        return this.#number(constraints, isUnique, isUnique ? 1 : 0.01);
      case 'Date':
        return new Date(FIRST_DATE + (isUnique ? this.index * 1000 : this.below(YEAR_MS))).toISOString();
      case 'JSON':
        return { n: this.index, word: this.#word() };
      default:
        return this.#text(name, constraints, isUnique);
    }
  }

  /** Returns a multiple of the step, or of `multipleOf`, between the bounds. */
  #number({ min, max, exclusiveMin, exclusiveMax, multipleOf }: Constraints, isUnique: boolean, byDefault: number) {
    const step = multipleOf === undefined ? byDefault : Number(multipleOf);
    const decimals = Math.max(decimalsOf(step), 0);
    const low = Math.max(Number(min ?? -Infinity), Number(exclusiveMin ?? -Infinity));
    const high = Math.min(Number(max ?? Infinity), Number(exclusiveMax ?? Infinity));
    const isBounded = Number.isFinite(low) || Number.isFinite(high);
    let first = Number.isFinite(low)
      ? Math.ceil(low / step - 1e-9)
      : isBounded
        ? Math.floor(high / step) - MAX_NUMBER
        : 0;
    if (exclusiveMin !== undefined && first * step <= Number(exclusiveMin)) first++;
    let last = Number.isFinite(high) ? Math.floor(high / step + 1e-9) : first + Math.round(MAX_NUMBER / step);
    if (exclusiveMax !== undefined && last * step >= Number(exclusiveMax)) last--;
    // Bounds that are closer than a step: any number between them.
    if (last < first) return low + this.next() * (high - low);
    const count = isUnique ? first + this.index : first + this.below(last - first + (isBounded ? 1 : 0));
    return Number((count * step).toFixed(decimals));
  }

  #text(name: string, { format, pattern, minLength = 0, maxLength }: Constraints, isUnique: boolean): string {
    const word = () => this.#word();
    if (pattern !== undefined)
      return textOfPattern(pattern, (limit) => this.below(limit)) ?? this.#plain(name, isUnique);
    if (format !== undefined)
      return textOfFormat(format, { word, below: (limit) => this.below(limit), index: this.index });
    let text = this.#plain(name, isUnique);
    while (text.length < minLength) text += ` ${this.#word()}`;
    if (maxLength === undefined || text.length <= maxLength) return text;
    // The end of a unique text is what differs.
    return isUnique ? text.slice(-maxLength) : text.slice(0, maxLength).trimEnd().padEnd(minLength, 'x');
  }

  #plain(name: string, isUnique: boolean): string {
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

/** Digits after the point of a number such as 0.05. */
function decimalsOf(value: number): number {
  const [, fraction = '', exponent = '0'] = /^-?\d+(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value)) ?? [];
  return fraction.length - Number(exponent);
}

/** Returns a number of 32 bits (FNV-1a). */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  return value | 0;
}
