import { type ConstValueNode, Kind } from 'graphql';
import { readFloat } from '../float.ts';
import type { Constraints, FieldPlan, FieldType, JsonValue, ScalarName } from '../plan.ts';
import type { DirectiveUse } from '../sdl/directives.ts';
import type { SchemaReport } from '../sdl/schema-report.ts';
import { formatType } from '../sdl/types.ts';
import { FORMATS } from './formats.ts';
import { compilePattern, isPattern } from './pattern.ts';
import { compileConstraints } from './validator.ts';

const LENGTHS = ['minLength', 'maxLength', 'minItems', 'maxItems'] as const;
const AMOUNTS = ['min', 'max', 'exclusiveMin', 'exclusiveMax', 'multipleOf'] as const;
const TEXTS = ['minLength', 'maxLength', 'pattern', 'format'] as const;
const LISTS = ['minItems', 'maxItems', 'uniqueItems'] as const;
const WORDS = [...TEXTS, ...AMOUNTS, ...LISTS] as const;
type ArgumentName = (typeof WORDS)[number];

const NUMBERS: readonly ScalarName[] = ['Int', 'Float', 'Long'];
const LONG_MIN = -(2n ** 63n);
const LONG_MAX = 2n ** 63n - 1n;

interface ConstrainedField {
  readonly name: string;
  readonly type: FieldType;
}

/** Reads `@constraint` of a field. Undefined when there is none, or nothing in it is valid; errors are reported. */
export function readConstraints(
  use: DirectiveUse | undefined,
  field: ConstrainedField,
  report: SchemaReport,
): Constraints | undefined {
  if (use === undefined) return undefined;
  const written = WORDS.filter((word) => use.value(word) !== undefined);
  if (written.length === 0 && (use.node.arguments ?? []).length === 0) {
    report.wrong(use.node, '@constraint needs an argument', `such as ${exampleFor(field.type)}`);
  }
  const valid = written.filter((word) => checkFit(word, use.value(word) as ConstValueNode, field, report));
  const entries = valid.flatMap((word) => {
    const value = readWord(word, use.value(word) as ConstValueNode, itemOf(field.type), report);
    return value === undefined ? [] : [[word, value] as const];
  });
  const constraints = Object.fromEntries(entries) as Constraints;
  checkBounds(constraints, use, report);
  return entries.length === 0 ? undefined : constraints;
}

/** Reports a default that breaks the constraints of its own field. */
export function checkDefault(node: ConstValueNode, field: FieldPlan, report: SchemaReport): void {
  if (field.default === undefined) return;
  compileConstraints(field)?.(
    field.default as JsonValue,
    field.name,
    (path, problem) => report.wrong(node, `the default breaks the constraint of ${path}: it ${problem}`),
    true,
  );
}

function itemOf(type: FieldType): FieldType {
  return type.kind === 'list' ? itemOf(type.of) : type;
}

function isWordOf(words: readonly ArgumentName[], word: ArgumentName): boolean {
  return words.includes(word);
}

function checkFit(
  word: ArgumentName,
  node: ConstValueNode,
  { name, type }: ConstrainedField,
  report: SchemaReport,
): boolean {
  const item = itemOf(type);
  const scalar = item.kind === 'scalar' ? item.name : undefined;
  const fits = isWordOf(LISTS, word)
    ? type.kind === 'list'
    : isWordOf(TEXTS, word)
      ? scalar === 'ID' || scalar === 'String'
      : NUMBERS.some((number) => number === scalar);
  if (!fits) report.wrong(node, `${word} does not work on type ${formatType(type)}`, insteadOf(name, type));
  return fits;
}

function insteadOf(name: string, type: FieldType): string {
  const item = itemOf(type);
  if (item.kind === 'scalar' && item.name === 'Date' && type.kind !== 'list')
    return `write @check(rule: "${name} >= date('2025-01-31')") on the type`;
  if (item.kind === 'object' && type.kind !== 'list') return `write @constraint on the fields of ${item.name}`;
  return `this type has ${wordsOf(type).join(', ') || 'no constraints'}`;
}

function wordsOf(type: FieldType): readonly ArgumentName[] {
  const item = itemOf(type);
  const scalar = item.kind === 'scalar' ? item.name : undefined;
  const own = scalar === 'ID' || scalar === 'String' ? TEXTS : NUMBERS.some((it) => it === scalar) ? AMOUNTS : [];
  return type.kind === 'list' ? [...own, ...LISTS] : own;
}

function exampleFor(type: FieldType): string {
  const [word = 'maxLength'] = wordsOf(type);
  return `@constraint(${word}: ${word === 'min' ? 0 : 1})`;
}

function readWord(
  word: ArgumentName,
  node: ConstValueNode,
  type: FieldType,
  report: SchemaReport,
): string | number | true | undefined {
  if (LENGTHS.some((length) => length === word)) return readLength(word, node, report);
  if (word === 'pattern') return readPattern(node, report);
  if (word === 'format') return readFormat(node, report);
  if (word === 'uniqueItems') return node.kind === Kind.BOOLEAN && node.value ? true : undefined;
  return readAmount(word, node, { type: type.kind === 'scalar' ? type.name : 'Float', report });
}

function readLength(word: ArgumentName, node: ConstValueNode, report: SchemaReport): number | undefined {
  const value = node.kind === Kind.INT ? Number(node.value) : Number.NaN;
  if (Number.isSafeInteger(value) && value >= 0) return value;
  report.wrong(node, `${word} must be an integer, 0 or more`);
  return undefined;
}

function readPattern(node: ConstValueNode, report: SchemaReport): string | undefined {
  if (node.kind !== Kind.STRING) return undefined;
  const compiled = compilePattern(node.value);
  if (isPattern(compiled)) return node.value;
  report.wrong(node, compiled.message, compiled.hint);
  return undefined;
}

function readFormat(node: ConstValueNode, report: SchemaReport): string | undefined {
  if (node.kind !== Kind.STRING) return undefined;
  if (FORMATS.has(node.value)) return node.value;
  const hint = report.suggest(node.value, FORMATS.keys()) ?? `there are ${[...FORMATS.keys()].join(', ')}`;
  report.wrong(node, `unknown format "${node.value}"`, hint);
  return undefined;
}

function readAmount(
  word: ArgumentName,
  node: ConstValueNode,
  { type, report }: { readonly type: ScalarName; readonly report: SchemaReport },
): string | undefined {
  const written = node.kind === Kind.INT || node.kind === Kind.FLOAT ? node.value : '';
  const text = amountOf(written, type);
  if (text === undefined) {
    report.wrong(
      node,
      `${word} of ${type} must be ${type === 'Float' ? 'a number of 64 bits' : `an integer within ${type}`}`,
    );
  } else if (word === 'multipleOf' && Number(text) <= 0) {
    report.wrong(node, 'multipleOf must be greater than 0');
    return undefined;
  }
  return text;
}

/** Returns the number as decimal text; undefined when the type does not hold it. */
function amountOf(written: string, type: ScalarName): string | undefined {
  if (type === 'Float') {
    const value = readFloat(written);
    return value === undefined ? undefined : String(value);
  }
  if (!/^-?\d{1,19}$/.test(written)) return undefined;
  const value = BigInt(written);
  const isHeld = type === 'Int' ? Number.isSafeInteger(Number(written)) : value >= LONG_MIN && value <= LONG_MAX;
  return isHeld ? String(value) : undefined;
}

const RANGES = [
  ['minLength', 'maxLength', true],
  ['minItems', 'maxItems', true],
  ['min', 'max', true],
  ['min', 'exclusiveMax', false],
  ['exclusiveMin', 'max', false],
  ['exclusiveMin', 'exclusiveMax', false],
] as const;

function checkBounds(constraints: Constraints, use: DirectiveUse, report: SchemaReport): void {
  for (const [lower, upper, mayBeEqual] of RANGES) {
    const [low, high] = [constraints[lower], constraints[upper]];
    if (low === undefined || high === undefined) continue;
    const order = compareAmounts(String(low), String(high));
    if (order < 0 || (order === 0 && mayBeEqual)) continue;
    const message = `no value is left: ${lower} is ${low}, and ${upper} is ${high}`;
    report.wrong(use.value(upper) ?? use.node, message, `write a higher ${upper}, or a lower ${lower}`);
  }
}

function compareAmounts(a: string, b: string): number {
  if (/^-?\d+$/.test(a) && /^-?\d+$/.test(b)) return Number(BigInt(a) - BigInt(b));
  return Number(a) - Number(b);
}
