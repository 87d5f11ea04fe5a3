import { type ConstValueNode, Kind, type StringValueNode } from 'graphql';
import { parseDate } from '../date.ts';
import { isRoundedInteger, readFloat } from '../float.ts';
import { FORBIDDEN_KEY, FORBIDDEN_KEY_TEXT } from '../forbidden-key.ts';
import type { FieldPlan, FieldType, JsonValue, ScalarName } from '../plan.ts';
import type { SchemaReport } from './schema-report.ts';
import { formatType } from './types.ts';

/** Values of an enum that a hint lists at most. */
const MAX_LISTED_VALUES = 20;

/** Returns the default as a JSON value of the field's type. Undefined when it is not valid, which has been reported. */
export function readDefault(
  node: ConstValueNode,
  { type, required }: Pick<FieldPlan, 'type' | 'required'>,
  report: SchemaReport,
): JsonValue | undefined {
  if (node.kind === Kind.NULL) {
    if (!required) return null;
    report.wrong(node, 'the default of a required field cannot be null', 'remove the "!" or the default');
    return undefined;
  }
  if (type.kind === 'list') return readList(node, type, report);
  if (type.kind === 'object') return readObject(node, type, report);
  if (type.kind === 'enum') return readEnum(node, type, report);
  if (node.kind === Kind.STRING && /^\$auth\b/.test(node.value)) return refuseClaim(node, report);
  const value = readScalar(node, type.name, report);
  if (value === undefined) refuse(node, type, report);
  return value;
}

function refuse(node: ConstValueNode, type: FieldType, report: SchemaReport): undefined {
  report.wrong(node, `the default is not a value of type ${formatType(type)}`);
  return undefined;
}

/** Reports `$auth` in a default of a field that cannot take a claim: the string itself would be stored. */
function refuseClaim(node: StringValueNode, report: SchemaReport): undefined {
  report.wrong(
    node,
    `a claim of the caller is a default of whole fields only: "${node.value}" would be stored as text`,
    'put @default on a field of a table, of type ID, String, Int, Long, Float or Boolean',
  );
  return undefined;
}

const CLAIM = /^\$auth\.([A-Za-z_][A-Za-z0-9_-]{0,63}(?:\.[A-Za-z_][A-Za-z0-9_-]{0,63}){0,3})$/;
const CLAIM_TYPES: ReadonlySet<string> = new Set(['ID', 'String', 'Int', 'Long', 'Float', 'Boolean']);

/** Returns the claim that is the default of a table's field: `sub` of `"$auth.sub"`. Undefined for any other default. */
export function readDefaultClaim(
  node: ConstValueNode,
  { type }: Pick<FieldPlan, 'type'>,
  report: SchemaReport,
): string | undefined {
  if (node.kind !== Kind.STRING || !/^\$auth\b/.test(node.value)) return undefined;
  if (type.kind !== 'scalar' || !CLAIM_TYPES.has(type.name)) return undefined;
  const claim = CLAIM.exec(node.value)?.[1];
  if (claim === undefined) {
    report.wrong(node, `"${node.value}" names no claim`, 'write the name of a claim, such as "$auth.sub"');
  }
  return claim ?? 'sub';
}

function readList(node: ConstValueNode, type: FieldType & { kind: 'list' }, report: SchemaReport) {
  if (node.kind !== Kind.LIST) return refuse(node, type, report);
  const items = node.values.map((item) => readDefault(item, { type: type.of, required: type.itemsRequired }, report));
  const values = items.filter((item) => item !== undefined);
  return values.length === items.length ? values : undefined;
}

function readObject(node: ConstValueNode, type: FieldType & { kind: 'object' }, report: SchemaReport) {
  if (node.kind !== Kind.OBJECT) return refuse(node, type, report);
  const fields = new Map(type.fields.map((field) => [field.name, field]));
  const values = new Map<string, JsonValue>();
  for (const { name, value } of node.fields) {
    const field = fields.get(name.value);
    if (field === undefined) {
      report.wrong(name, `type "${type.name}" has no field "${name.value}"`, report.suggest(name.value, fields.keys()));
    } else if (values.has(name.value)) {
      report.wrong(name, `field "${name.value}" is given twice`);
    } else {
      values.set(name.value, readDefault(value, field, report) ?? null);
    }
  }
  for (const { name, required, default: nested } of type.fields) {
    if (values.has(name)) continue;
    if (nested !== undefined) values.set(name, nested);
    else if (required) report.wrong(node, `the default has no "${name}", which type "${type.name}" requires`);
  }
  return Object.fromEntries(values);
}

function readEnum(node: ConstValueNode, type: FieldType & { kind: 'enum' }, report: SchemaReport) {
  if (node.kind === Kind.STRING && type.values.includes(node.value)) {
    report.wrong(
      node,
      `"${node.value}" is text, not a value of enum ${type.name}`,
      `write ${node.value} without quotes`,
    );
    return undefined;
  }
  if (node.kind === Kind.ENUM && type.values.includes(node.value)) return node.value;
  if (node.kind !== Kind.ENUM && node.kind !== Kind.STRING && node.kind !== Kind.BOOLEAN)
    return refuse(node, type, report);
  const written = String(node.value);
  const hint = report.suggest(written, type.values) ?? `it has ${listValues(type.values)}`;
  report.wrong(node, `enum ${type.name} has no value "${written}"`, hint);
  return undefined;
}

function listValues(values: readonly string[]): string {
  return values.length > MAX_LISTED_VALUES ? `${values.slice(0, MAX_LISTED_VALUES).join(', ')}, …` : values.join(', ');
}

const LONG_RANGE = [-(2n ** 63n), 2n ** 63n - 1n] as const;

function readScalar(node: ConstValueNode, name: ScalarName, report: SchemaReport): JsonValue | undefined {
  switch (name) {
    case 'ID':
      return node.kind === Kind.STRING || node.kind === Kind.INT ? node.value : undefined;
    case 'String':
      return node.kind === Kind.STRING ? node.value : undefined;
    case 'Boolean':
      return node.kind === Kind.BOOLEAN ? node.value : undefined;
    case 'Date':
      return node.kind === Kind.STRING ? parseDate(node.value) : undefined;
    case 'Int':
      return node.kind === Kind.INT && Number.isSafeInteger(Number(node.value)) ? Number(node.value) : undefined;
    case 'Float':
      return node.kind === Kind.INT || node.kind === Kind.FLOAT ? readFloat(node.value) : undefined;
    case 'Long':
      return readLong(node);
    case 'JSON':
      return readJson(node, report);
  }
}

// Beyond 2^53 a Long is a string of digits, as in messages.
function readLong(node: ConstValueNode): JsonValue | undefined {
  const isDigits = node.kind === Kind.INT || (node.kind === Kind.STRING && /^-?(0|[1-9]\d*)$/.test(node.value));
  if (!isDigits || node.value.length > 20) return undefined;
  const value = BigInt(node.value);
  if (value < LONG_RANGE[0] || value > LONG_RANGE[1]) return undefined;
  return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
}

function readJson(node: ConstValueNode, report: SchemaReport): JsonValue | undefined {
  switch (node.kind) {
    case Kind.NULL:
      return null;
    case Kind.LIST: {
      const items = node.values.map((item) => readJson(item, report)).filter((item) => item !== undefined);
      return items.length === node.values.length ? items : undefined;
    }
    case Kind.OBJECT: {
      const entries = node.fields.map(({ name, value }) => [name.value, readJson(value, report)] as const);
      const known = entries.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
      const unsafe = node.fields.find(({ name }) => name.value === FORBIDDEN_KEY);
      if (unsafe !== undefined) report.wrong(unsafe, `${FORBIDDEN_KEY_TEXT} is a reserved name`);
      return known.length === entries.length ? Object.fromEntries(known) : undefined;
    }
    case Kind.INT:
      if (isRoundedInteger(node.value, Number(node.value))) {
        report.wrong(node, `${node.value} cannot be held exactly`, 'write it in quotes');
        return null;
      }
      return readFloat(node.value);
    case Kind.FLOAT:
      return readFloat(node.value);
    case Kind.ENUM:
      report.wrong(node, `${node.value} is not a JSON value`, `write "${node.value}" in quotes`);
      return null;
    default:
      return node.value;
  }
}
