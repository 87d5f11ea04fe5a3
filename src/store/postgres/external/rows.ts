import type { FieldPlan, TablePlan } from '../../../schema/plan.ts';
import { defaultCell } from '../../migration/cell-conversion.ts';
import { literal, quote, recordsName, wordsColumn } from '../sql/names.ts';
import { sqlType, toParam } from '../sql/types.ts';
import { checkRow, refuse, shapeValue } from './checks.ts';
import { createTriggerFunction, type ExternalNames } from './names.ts';

const MAX_SAFE = Number.MAX_SAFE_INTEGER;
const NOW_MS = '(extract(epoch FROM clock_timestamp()) * 1000)::bigint';
const NOW_TEXT = `to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

/**
 * Returns the statement that gives the columns their defaults, for programs that leave columns out: a key, the times and
 * values of the schema. The server itself always writes every column.
 */
export function setDefaults(table: TablePlan): string {
  const changes = table.fields.map((field) => {
    const value = defaultOf(field);
    return `ALTER COLUMN ${quote(field.name)} ${value === undefined ? 'DROP DEFAULT' : `SET DEFAULT ${value}`}`;
  });
  return `ALTER TABLE ${recordsName(table)} ${[...changes, 'ALTER COLUMN _seq SET DEFAULT 0'].join(', ')}`;
}

function defaultOf(field: FieldPlan): string | undefined {
  const type = sqlType(field.type);
  if (field.stamp !== undefined) return stampOf(field);
  const cell = toParam(defaultCell(field), type);
  if (cell !== null) return `${literal(String(cell))}::${type}`;
  return field.primaryKey && type === 'text' ? 'gen_random_uuid()::text' : undefined;
}

/** Returns the expression of a time that the server sets. */
function stampOf({ type }: FieldPlan): string {
  const name = sqlType(type);
  if (name === 'timestamptz') return 'clock_timestamp()';
  return name === 'text' ? NOW_TEXT : NOW_MS;
}

/**
 * Returns the function of the trigger before each row of another program: it refuses what the schema does not allow, and
 * fills the columns that the server fills otherwise.
 */
export function createRowFunction(table: TablePlan, names: ExternalNames, maxKeyLength: number): string {
  const { fields } = table;
  const shapes = fields.flatMap((field) => {
    const statement = shapeValue(field, names);
    return statement === undefined ? [] : [`IF NEW.${quote(field.name)} IS NOT NULL THEN ${statement} END IF;`];
  });
  const body = `BEGIN
  ${[...shapes, ...checkRow(table, maxKeyLength)].join('\n  ')}
  ${[...refusedFields(table), ...updatedTimes(table), ...setExpiry(table, names), ...setWords(table, names)].join('\n  ')}
  IF TG_OP = 'UPDATE' THEN NEW._seq := OLD._seq; ELSE NEW._seq := 0; END IF;
  RETURN NEW;
END`;
  return createTriggerFunction(names.functionOf(table, 'row'), body, "SET timezone = 'UTC'");
}

/** Returns statements that refuse changes of a computed field, and of the fields from which only the server can compute it. */
function refusedFields({ fields, name }: TablePlan): string[] {
  return fields.flatMap((field) => {
    if (field.computed === undefined) return [];
    const inputs = [field, ...fields.filter((one) => field.computed?.uses.includes(one.name))];
    const message = 'is a computed field, which only the server can compute: make this change by the API';
    const isChanged = `IF TG_OP = 'INSERT' THEN ${refuse(name, field, message)}; ELSIF ${differ(inputs)} THEN`;
    return [`${isChanged} ${refuse(name, field, message)}; END IF;`];
  });
}

/** Returns statements that set the columns of the words of fields. */
function setWords(table: TablePlan, names: ExternalNames): string[] {
  return table.fields.flatMap((field) => {
    if (!field.fulltext) return [];
    const column = `NEW.${quote(field.name)}`;
    const texts =
      field.type.kind === 'list'
        ? `(SELECT string_agg(t #>> '{}', ' ') FROM jsonb_path_query(${column}::jsonb, 'strict $.** ? (@.type() == "string")') AS t)`
        : column;
    return [`NEW.${quote(wordsColumn(field))} := array_to_tsvector(${names.own('words')}(${texts}));`];
  });
}

/** Returns the condition that the values of any of the fields change. */
export function differ(fields: readonly FieldPlan[], before = 'OLD', after = 'NEW'): string {
  if (fields.length === 0) return 'false';
  return `(${fields.map((field) => differs(field, before, after)).join(' OR ')})`;
}

/** Returns the condition that the value of a field changes. JSON has no equality of its own. */
export function differs({ name, type }: FieldPlan, before = 'OLD', after = 'NEW'): string {
  const text = sqlType(type) === 'json' ? '::text' : '';
  return `${before}.${quote(name)}${text} IS DISTINCT FROM ${after}.${quote(name)}${text}`;
}

function updatedTimes({ fields }: TablePlan): string[] {
  const times = fields.filter(({ stamp }) => stamp === 'updated');
  if (times.length === 0) return [];
  const others = fields.filter((field) => !times.includes(field));
  const set = times.map((field) => {
    const column = quote(field.name);
    return `IF NEW.${column} IS NOT DISTINCT FROM OLD.${column} THEN NEW.${column} := ${stampOf(field)}; END IF;`;
  });
  return [`IF TG_OP = 'UPDATE' THEN IF ${differ(others)} THEN ${set.join(' ')} END IF; END IF;`];
}

function setExpiry({ fields, expiration }: TablePlan, names: ExternalNames): string[] {
  const field = fields.find(({ expiresAt }) => expiresAt);
  if (field === undefined && expiration === undefined) return [];
  const byTable = expiration === undefined ? 'NULL::bigint' : `${NOW_MS} + ${expiration}`;
  const time = field === undefined ? byTable : `coalesce(${timeOf(field, names)}, ${byTable})`;
  return [`NEW._expires := least(${time}, ${MAX_SAFE});`];
}

/** Returns the expression of a time in milliseconds since 1970. */
function timeOf({ name, type }: FieldPlan, names: ExternalNames): string {
  const column = `NEW.${quote(name)}`;
  const kind = sqlType(type);
  if (kind === 'timestamptz') return `(extract(epoch FROM ${column}) * 1000)::bigint`;
  if (kind === 'text') return `${names.own('time_of')}(${column})`;
  return `trunc(greatest(least(${column}::numeric, ${MAX_SAFE}), -${MAX_SAFE}))::bigint`;
}

/** Returns the function that reads a time in milliseconds since 1970 from a text; null where it has none. */
export function createTimeOf(names: ExternalNames): string {
  const body = `BEGIN
  RETURN (extract(epoch FROM value::timestamptz) * 1000)::bigint;
EXCEPTION WHEN data_exception THEN RETURN NULL;
END`;
  return `CREATE OR REPLACE FUNCTION ${names.own('time_of')}(value text) RETURNS bigint LANGUAGE plpgsql STABLE SET timezone = 'UTC' AS ${literal(body)}`;
}
