import type { Report } from '../../config/files/report.ts';
import { suggest } from '../../config/files/suggest.ts';
import type { Wrong } from '../../config/keys/units.ts';
import { operatorProblem } from '../../resources/body/operators.ts';
import { checkOf, type ValueLimits } from '../../resources/body/values.ts';
import type { FieldPlan, FieldType, TablePlan } from '../../schema/plan.ts';
import type { TargetUse } from '../connector.ts';
import { type Shape, shapeOf } from '../flows/shape.ts';
import type { TableOperation } from './target.ts';

/** No limits: the operator writes the file. */
const NO_LIMITS: ValueLimits = { jsonDepth: Number.POSITIVE_INFINITY, jsonKeys: Number.POSITIVE_INFINITY };

interface Mapping {
  readonly table: TablePlan;
  readonly use: TargetUse;
  readonly report: Report;
}

/** Reports fields and values in config.yaml that the table would refuse for every event of a flow. */
export function checkMapping(mapping: Mapping): void {
  const { use } = mapping;
  // A message of a channel needs no fields.
  if (use.operation === 'publish') return;
  if (use.transform === undefined) {
    if (use.input !== undefined) checkInput(mapping, use.input);
    return;
  }
  const shape = shapeOf(use.transform);
  if (shape.kind !== 'members') return;
  // A deletion only reads the key.
  if (use.operation !== 'delete') for (const [name, member] of shape.members) checkMember(name, member, mapping);
  checkMissing([...shape.members.keys()], shape, mapping);
}

/** Checks an input without `transform`, of a source whose members are always the same. */
function checkInput({ table, use, report }: Mapping, input: readonly string[]): void {
  const wrong = inputError(input, { table, use });
  if (wrong === undefined) return;
  const hint = `write \`transform:\` with fields of ${table.name} (${settable(table).join(', ')})`;
  const message = `${use.section.path}: the input has ${input.join(', ')}: ${wrong}`;
  report.add(use.section.diagnose({ message, hint }));
}

function inputError(input: readonly string[], { table, use }: Pick<Mapping, 'table' | 'use'>): string | undefined {
  const { name: key } = table.primaryKey;
  const taken = input.filter((name) => table.fields.some((field) => field.name === name));
  if (needsKey(use) && !taken.includes(key)) return `the key "${key}" is not among them`;
  if (use.operation === 'delete') return undefined;
  if (taken.length === 0) return `${table.name} has none of these fields`;
  if (taken.every((name) => name === key) && settable(table).length > 1)
    return `${table.name} has only the key "${key}"`;
  const [missing] = missingOf(taken, { table, use });
  return missing && `${table.name}.${missing.name} is required, and not among them`;
}

function checkMember(name: string, shape: Shape, { table, use, report }: Mapping): void {
  const field = table.fields.find((one) => one.name === name);
  const wrong = nameError(name, field, table);
  if (wrong !== undefined) {
    reportName(shape, wrong, report);
  } else if (field !== undefined && use.operation === 'update' && isOperationShape(field, shape)) {
    checkOperation(field, shape, { position: `${table.name}.${name}`, report });
  } else if (field !== undefined) {
    checkValue(field, shape, { position: `${table.name}.${name}`, report });
  }
}

function nameError(name: string, field: FieldPlan | undefined, table: TablePlan): Wrong | undefined {
  const position = `${table.name}.${name}`;
  if (field?.computed !== undefined)
    return { message: `${position} is computed from other fields`, hint: 'leave it out' };
  if (field?.stamp !== undefined) return { message: `${position} is set by the server`, hint: 'leave it out' };
  if (field !== undefined) return undefined;
  const relation = table.relations.find((one) => one.name === name);
  const names = settable(table);
  if (relation === undefined) {
    const hint = suggest(name, names) ?? `there are: ${names.join(', ')}`;
    return { message: `${table.name} has no field "${name}"`, hint };
  }
  const message = `${position} stands for records of ${relation.target.name}`;
  return relation.from === undefined ? { message } : { message, hint: `set "${relation.from.name}"` };
}

type MembersShape = Shape & { readonly kind: 'members' };

/** True for an object that changes the field: `{"$inc": 1}`. */
function isOperationShape({ type }: FieldPlan, shape: Shape): shape is MembersShape {
  if (shape.kind !== 'members' || (type.kind === 'scalar' && type.name === 'JSON')) return false;
  return [...shape.members.keys()].some((name) => name.startsWith('$'));
}

function checkOperation(field: FieldPlan, shape: MembersShape, { position, report }: ValuePosition): void {
  const [first, ...more] = shape.members;
  const [operator = '', operand = shape] = first ?? [];
  const problem = operatorProblem([operator, ...more.map(([name]) => name)], field);
  if (problem !== undefined) reportShape(shape, `${position} ${problem}`, report);
  else if (field.type.kind === 'scalar' && operator !== '$unset')
    checkShape(field.type, operand, { position: `${position}.${operator}`, report });
}

interface ValuePosition {
  /** Name of the value in messages: `Order.items[0]`. */
  readonly position: string;
  readonly report: Report;
}

function checkValue(field: FieldPlan, shape: Shape, { position, report }: ValuePosition): void {
  if (shape.kind === 'constant' && shape.value === null) {
    if (field.required) reportShape(shape, `${position} must not be null`, report);
    return;
  }
  // Keys are checked elsewhere: a number may stand for its string.
  if (!field.primaryKey) checkShape(field.type, shape, { position, report });
}

function checkShape(type: FieldType, shape: Shape, at: ValuePosition): void {
  const isAny = shape.kind === 'unknown' || (type.kind === 'scalar' && type.name === 'JSON');
  if (isAny) return;
  if (shape.kind === 'list' && type.kind === 'list') {
    for (const [index, item] of shape.items.entries()) {
      const isNull = item.kind === 'constant' && item.value === null;
      if (!isNull) checkShape(type.of, item, { ...at, position: `${at.position}[${index}]` });
    }
  } else if (shape.kind === 'members' && type.kind === 'object') {
    checkObject(type.fields, shape, { ...at, type: type.name });
  } else {
    const value = shape.kind === 'constant' ? shape.value : shape.kind === 'list' ? [] : {};
    checkOf(type, NO_LIMITS)(value, at.position, (path, message) =>
      reportShape(shape, `${path} ${message}`, at.report),
    );
  }
}

interface ObjectPosition extends ValuePosition {
  readonly type: string;
}

function checkObject(
  fields: readonly FieldPlan[],
  shape: Shape & { readonly kind: 'members' },
  { position, report, type }: ObjectPosition,
): void {
  for (const [name, member] of shape.members) {
    const field = fields.find((one) => one.name === name);
    if (field !== undefined) {
      checkValue(field, member, { position: `${position}.${name}`, report });
      continue;
    }
    const names = fields.map((one) => one.name);
    const hint = suggest(name, names) ?? `there are: ${names.join(', ')}`;
    reportName(member, { message: `${position}.${name} is not a field of ${type}`, hint }, report);
  }
  for (const { name, required, default: fallback } of fields) {
    const isMissing = required && (fallback ?? null) === null && !shape.members.has(name);
    if (isMissing) reportShape(shape, `${position}.${name} is required`, report);
  }
}

function reportShape({ at }: Shape, message: string, report: Report): void {
  report.add(at.diagnose({ message: `${at.path}: ${message}` }));
}

function reportName({ at, hasKey }: Shape, wrong: Wrong, report: Report): void {
  const named = { ...wrong, message: `${at.path}: ${wrong.message}` };
  report.add(hasKey ? at.diagnoseKey(named) : at.diagnose(named));
}

function checkMissing(names: readonly string[], shape: Shape, { table, use, report }: Mapping): void {
  const { primaryKey } = table;
  if (needsKey(use) && !names.includes(primaryKey.name)) {
    const message = `${shape.at.path}: ${use.operation} needs the key "${primaryKey.name}" of ${table.name}`;
    report.add(shape.at.diagnoseKey({ message }));
  }
  for (const field of missingOf(names, { table, use })) {
    const message = `${shape.at.path}: ${table.name}.${field.name} is required`;
    report.add(shape.at.diagnoseKey({ message }));
  }
}

/** Required fields that are missing from a full record. The server sets the account of the caller. */
function missingOf(names: readonly string[], { table, use }: Pick<Mapping, 'table' | 'use'>): readonly FieldPlan[] {
  if (use.operation !== 'create' && use.operation !== 'upsert') return [];
  return table.fields.filter(
    ({ name, required, primaryKey, stamp, computed, default: fallback }) =>
      required &&
      !primaryKey &&
      stamp === undefined &&
      computed === undefined &&
      (fallback ?? null) === null &&
      !names.includes(name) &&
      table.access?.account?.field.name !== name,
  );
}

function needsKey({ operation }: TargetUse): boolean {
  const writing = operation as TableOperation;
  return writing === 'update' || writing === 'delete';
}

function settable({ fields }: TablePlan): string[] {
  return fields.filter(({ computed, stamp }) => computed === undefined && stamp === undefined).map(({ name }) => name);
}
