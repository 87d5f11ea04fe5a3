type Json = Readonly<Record<string, unknown>>;
type Operator = (before: unknown, value: unknown) => unknown;

const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [value]);
const isEqual = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
const has = (items: readonly unknown[], item: unknown) => items.some((one) => isEqual(one, item));

/** Adds decimals: 0.1 and 0.2 are 0.3. A Long beyond ±(2^53−1) is a string. */
function add(before: unknown, value: unknown): unknown {
  if (typeof before === 'string' || typeof value === 'string') {
    return String(BigInt((before as string) ?? 0) + BigInt(value as string));
  }
  const sum = ((before as number | null) ?? 0) + (value as number);
  return Number.isInteger(sum) ? sum : Number(sum.toPrecision(15));
}

const OPERATORS: Readonly<Record<string, Operator>> = {
  $inc: add,
  $max: (before, value) => (before === null || (value as number) > (before as number) ? value : before),
  $min: (before, value) => (before === null || (value as number) < (before as number) ? value : before),
  $push: (before, value) => [...((before as unknown[] | null) ?? []), ...list(value)],
  $addToSet: (before, value) => {
    const items = [...((before as unknown[] | null) ?? [])];
    for (const item of list(value)) if (!has(items, item)) items.push(item);
    return items;
  },
  $remove: (before, value) => (before as unknown[] | null)?.filter((item) => !has(list(value), item)) ?? null,
  $unset: () => null,
};

/** Operators with another result when they are applied twice. */
const COUNTING = new Set(['$inc', '$push']);

function operatorOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const [name = '', ...others] = Object.keys(value);
  return others.length === 0 && Object.hasOwn(OPERATORS, name) ? name : undefined;
}

/** True for a patch that may be applied twice with the same result. */
export function isRepeatable(fields: unknown): boolean {
  return !Object.values((fields ?? {}) as Json).some((value) => COUNTING.has(operatorOf(value) ?? ''));
}

/** Applies a patch as the server would (docs/reference/schema/constraints.md, operators in a patch). */
export function applyPatch(record: Json, fields: Json): Json {
  const result: Record<string, unknown> = { ...record };
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const operator = operatorOf(value);
    const before = record[name] ?? null;
    // In a field of type JSON an operator is a value, and in a field that was not selected there is nothing to apply it to.
    const isField = operator !== undefined && (typeof before !== 'object' || before === null || Array.isArray(before));
    if (!isField) result[name] = value;
    else if (record[name] !== undefined) result[name] = OPERATORS[operator]?.(before, (value as Json)[operator]);
  }
  return result;
}
