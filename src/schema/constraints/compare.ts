import type { Constraints, FieldPlan, FieldType } from '../plan.ts';

/** Constraints of a field with those of the fields of its nested type, as plain JSON that is stored with the data. */
export type StoredConstraints = Constraints & { readonly fields?: Readonly<Record<string, StoredConstraints>> };

/** Returns the constraints that the values of a field meet; undefined when there are none. */
export function describeConstraints({
  type,
  constraints,
}: Pick<FieldPlan, 'type' | 'constraints'>): StoredConstraints | undefined {
  const members = fieldsOf(type).flatMap((field) => {
    const described = describeConstraints(field);
    return described === undefined ? [] : [[field.name, described] as const];
  });
  if (constraints === undefined && members.length === 0) return undefined;
  const fields = members.length === 0 ? {} : { fields: Object.fromEntries(members) };
  return { ...constraints, ...fields };
}

function fieldsOf(type: FieldType): readonly FieldPlan[] {
  if (type.kind === 'list') return fieldsOf(type.of);
  return type.kind === 'object' ? type.fields : [];
}

/** True when a value that meets the old constraints may break the new ones. */
export function isTightened(before: StoredConstraints = {}, now: StoredConstraints = {}): boolean {
  if (WORDS.some((word) => !isImplied(word, before[word], now[word]))) return true;
  return Object.entries(now.fields ?? {}).some(([name, own]) => isTightened(before.fields?.[name], own));
}

const LOWER = ['minLength', 'minItems', 'min', 'exclusiveMin'] as const;
const UPPER = ['maxLength', 'maxItems', 'max', 'exclusiveMax'] as const;
const EXACT = ['pattern', 'format', 'multipleOf', 'uniqueItems'] as const;
const WORDS = [...LOWER, ...UPPER, ...EXACT];
type ConstraintWord = (typeof WORDS)[number];
type ConstraintValue = string | number | boolean | undefined;

function isImplied(word: ConstraintWord, before: ConstraintValue, now: ConstraintValue): boolean {
  if (now === undefined || now === before) return true;
  if (before === undefined) return false;
  if (LOWER.some((lower) => lower === word)) return isAtMost(now, before);
  return UPPER.some((upper) => upper === word) && isAtMost(before, now);
}

/** Compares decimals as doubles: a Long beyond them counts as changed, and the records are checked again. */
function isAtMost(a: ConstraintValue, b: ConstraintValue): boolean {
  return Number(a) < Number(b);
}
