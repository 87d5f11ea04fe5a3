import type { ImportRow } from '../../../resources/transfer/importer.ts';
import { compileCheck } from '../../../schema/constraints/read-check.ts';
import { compileConstraints } from '../../../schema/constraints/validator.ts';
import type { Value } from '../../../schema/expression/index.ts';
import type { FieldPlan, JsonValue, TablePlan } from '../../../schema/plan.ts';
import { isServerSet } from '../../../schema/sdl/field.ts';
import { RandomValues } from './random-values.ts';

/** Changes of a record that are tried for the rules of `@check`. A record that still breaks one is refused with the reason. */
const MAX_ATTEMPTS = 200;

export interface GeneratorOptions {
  /** Records of each table. */
  readonly count: number;
  /** Records are the same for the same number. */
  readonly randomSeed: number;
}

type GeneratedRecord = Record<string, JsonValue>;

/** Makes records that fit the types, enums, constraints, rules and relations of tables. */
export class RecordGenerator {
  readonly #options: GeneratorOptions;

  constructor(options: GeneratorOptions) {
    this.#options = options;
  }

  *rows(table: TablePlan): IterableIterator<ImportRow> {
    const { count, randomSeed } = this.#options;
    const mender = new RecordMender(table);
    for (let index = 1; index <= count; index++) {
      const values = new RandomValues(`${randomSeed}:${table.name}:${index}`, index);
      const record = this.#record(table, values);
      mender.mend(record, values);
      yield { row: index, json: JSON.stringify(record) };
    }
  }

  #record(table: TablePlan, values: RandomValues): GeneratedRecord {
    const record: GeneratedRecord = {};
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
    if (field.type.kind === 'list') return values.list(field.constraints ?? {}, key);
    return values.isNull(field) ? null : key();
  }
}

function keyOf({ name, primaryKey }: TablePlan, index: number): JsonValue {
  const { type, constraints } = primaryKey;
  // Made from the index alone, so that other records can refer to it.
  if (constraints !== undefined) return new RandomValues(`${name}:${index}`, index).field(primaryKey, true);
  const isNumber = type.kind === 'scalar' && (type.name === 'Int' || type.name === 'Long');
  return isNumber ? index : `${name.toLowerCase()}-${index}`;
}

/** The rules of `@check` of a table, without those about fields that the server sets. */
class RecordMender {
  readonly #rules: readonly ReturnType<typeof compileCheck>[];
  /** Fields whose values may be changed for a rule. */
  readonly #free: ReadonlyMap<string, FieldPlan>;

  constructor(table: TablePlan) {
    const known = new Set(table.fields.filter((field) => !isServerSet(field)).map(({ name }) => name));
    const keys = new Set(table.relations.map(({ from }) => from));
    this.#rules = table.checks
      .filter(({ uses }) => uses.every((name) => known.has(name)))
      .map((check) => compileCheck(check, table));
    this.#free = new Map(
      table.fields
        .filter((field) => known.has(field.name) && !field.primaryKey && !field.unique && !keys.has(field))
        .map((field) => [field.name, field]),
    );
  }

  /** Changes fields of the record until the rules hold: a new value, or that of another field of the rule. */
  mend(record: GeneratedRecord, values: RandomValues): void {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const broken = this.#rules.find(
        ({ run, uses }) => run(uses.map((name) => (record[name] ?? null) as Value)) === false,
      );
      if (broken === undefined) return;
      const names = broken.uses.filter((name) => this.#free.has(name));
      const name = names[values.below(names.length)];
      if (name === undefined) return;
      const field = this.#free.get(name) as FieldPlan;
      const other = broken.uses[values.below(broken.uses.length)] as string;
      const copied = attempt % 2 === 1 && other !== name ? (record[other] ?? null) : null;
      record[name] =
        copied !== null && fits(field, copied, this.#free.get(other)) ? copied : values.field(field, false);
    }
  }
}

/** Returns whether a value of another field may be one of this field. */
function fits(field: FieldPlan, value: JsonValue, other: FieldPlan | undefined): boolean {
  let isMet = JSON.stringify(field.type) === JSON.stringify(other?.type);
  compileConstraints(field)?.(value, field.name, () => (isMet = false), true);
  return isMet;
}
