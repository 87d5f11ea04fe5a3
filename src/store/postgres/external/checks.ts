import type { Constraints, FieldPlan, FieldType, TablePlan } from '../../../schema/plan.ts';
import { jsonValue } from '../sql/json.ts';
import { literal, quote } from '../sql/names.ts';
import { sqlType } from '../sql/types.ts';
import type { ExternalNames } from './names.ts';

const MAX_SAFE = Number.MAX_SAFE_INTEGER;
const INT = 'must be an integer within ±(2^53−1)';

/** Condition on `NEW`, and what is reported where it does not hold. Null meets it. */
type ColumnRule = readonly [condition: string, message: string];

/** Returns statements that refuse a row which the schema does not allow, as far as SQL can tell. */
export function checkRow(table: TablePlan, maxKeyLength: number): string[] {
  return table.fields.flatMap((field) => {
    const column = `NEW.${quote(field.name)}`;
    const rules = [...typeRules(field.type, column), ...constraintRules(field, column)];
    if (field.primaryKey) rules.push(...keyRules(field.type, column, maxKeyLength));
    return rules.map(
      ([condition, message]) => `IF NOT (${condition}) THEN ${refuse(table.name, field, message)}; END IF;`,
    );
  });
}

/** Returns the statement that refuses the value of a field. */
export function refuse(typeName: string, field: FieldPlan, message: string): string {
  const text = literal(`${typeName}.${field.name} ${message}.`);
  return `RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = ${text}, COLUMN = ${literal(field.name)}`;
}

/** Returns the statement that brings a JSON value into the form in which it is stored; undefined for other types. */
export function shapeValue(field: FieldPlan, names: ExternalNames): string | undefined {
  if (sqlType(field.type) !== 'json') return undefined;
  const column = `NEW.${quote(field.name)}`;
  if (field.type.kind === 'scalar') {
    // The text stays as it was written, on one line: outside of strings a line end is a space. The cast refuses what no string may have.
    return `${column} := translate(${column}::text, E'\\n\\r\\t', '   ')::json; PERFORM ${column}::jsonb;`;
  }
  const shape = literal(JSON.stringify(shapeOf(field.type)));
  return `${column} := ${names.own('shaped')}(${column}::jsonb, ${shape}::jsonb, ${literal(field.name)})::json;`;
}

function typeRules(type: FieldType, column: string): ColumnRule[] {
  if (type.kind === 'enum') {
    const values = type.values.map(literal).join(', ');
    return [[`${column} IN (${values})`, `must be one of ${type.values.join(', ')}`]];
  }
  if (type.kind !== 'scalar') return [];
  if (type.name === 'Int') return [[`${column} BETWEEN -${MAX_SAFE} AND ${MAX_SAFE}`, INT]];
  if (type.name !== 'Date') return [];
  const years = `${column} >= '0001-01-01 00:00Z BC' AND ${column} < '10000-01-01 00:00Z'`;
  return [[years, 'must be a time within the years 0000 to 9999']];
}

function keyRules(type: FieldType, column: string, maxLength: number): ColumnRule[] {
  if (sqlType(type) !== 'text') return [[`${column} BETWEEN -${MAX_SAFE} AND ${MAX_SAFE}`, INT]];
  return [
    [`${column} <> ''`, 'must not be empty'],
    [`char_length(${column}) <= ${maxLength}`, `must have at most ${maxLength} characters`],
    [`${column} !~ '[\\u0001-\\u001f\\u007f-\\u009f]'`, 'must not have control characters'],
    [`${column} NOT IN ('.', '..')`, 'must not be "." or "..", which URLs cannot name'],
  ];
}

/** Returns the constraints of a single value, and the number of items of a list. */
function constraintRules({ type, constraints = {} }: FieldPlan, column: string): ColumnRule[] {
  const rules: ColumnRule[] = [];
  const add = (limit: string | number | undefined, condition: string, message: string) => {
    if (limit !== undefined) rules.push([`${condition} ${limit}`, `${message} ${limit}`]);
  };
  if (type.kind === 'list') {
    add(constraints.minItems, `json_array_length(${column}) >=`, 'must have a number of items of at least');
    add(constraints.maxItems, `json_array_length(${column}) <=`, 'must have a number of items of at most');
    return rules;
  }
  if (sqlType(type) === 'text') {
    add(constraints.minLength, `char_length(${column}) >=`, 'must have a number of characters of at least');
    add(constraints.maxLength, `char_length(${column}) <=`, 'must have a number of characters of at most');
    return rules;
  }
  return [...rules, ...amountRules(constraints, sqlType(type) === 'bigint' ? column : `${column}::numeric`)];
}

function amountRules({ min, max, exclusiveMin, exclusiveMax, multipleOf }: Constraints, value: string): ColumnRule[] {
  const words = [
    [min, '>=', 'at least'],
    [max, '<=', 'at most'],
    [exclusiveMin, '>', 'greater than'],
    [exclusiveMax, '<', 'less than'],
  ] as const;
  const rules = words.flatMap(([limit, operator, text]): ColumnRule[] =>
    limit === undefined ? [] : [[`${value} ${operator} ${limit}`, `must be ${text} ${limit}`]],
  );
  if (multipleOf === undefined) return rules;
  return [...rules, [`mod(${value}::numeric, ${multipleOf}) = 0`, `must be a multiple of ${multipleOf}`]];
}

/** Returns a type as `shaped` reads it. */
function shapeOf(type: FieldType): object {
  switch (type.kind) {
    case 'scalar':
      return { kind: type.name };
    case 'enum':
      return { kind: 'enum', values: type.values };
    case 'list':
      return { kind: 'list', of: shapeOf(type.of), itemsRequired: type.itemsRequired };
    case 'object': {
      const fields = type.fields.map((field) => ({
        name: field.name,
        of: shapeOf(field.type),
        required: field.required,
        default: field.default ?? null,
      }));
      return { kind: 'object', names: type.fields.map(({ name }) => name), fields };
    }
  }
}

const FLOAT: FieldType = { kind: 'scalar', name: 'Float' };
const DATE: FieldType = { kind: 'scalar', name: 'Date' };
const LONG: FieldType = { kind: 'scalar', name: 'Long' };
const ISO = '^\\d{4}-\\d\\d-\\d\\d([Tt ]\\d\\d:\\d\\d(:\\d\\d([.,]\\d{1,9})?)?([Zz]|[+-]\\d\\d(:?\\d\\d)?)?)?$';

/** Returns the function that checks the value of a list or an object, and returns its JSON text in the order of the type. */
export function createShaped(names: ExternalNames): string {
  const name = names.own('shaped');
  const body = `DECLARE
  kind text := shape->>'kind'; actual text := jsonb_typeof(value); raw text := value #>> '{}';
  parts text[] := '{}'; field jsonb; member jsonb; place int := 0; problem text;
BEGIN
  CASE kind
  WHEN 'list' THEN
    IF actual = 'array' THEN
      FOR member IN SELECT jsonb_array_elements(value) LOOP
        IF jsonb_typeof(member) <> 'null' THEN
          parts := array_append(parts, ${name}(member, shape->'of', format('%s[%s]', path, place)));
        ELSIF (shape->>'itemsRequired')::boolean THEN problem := format('[%s] must not be null', place);
        ELSE parts := array_append(parts, 'null');
        END IF;
        place := place + 1;
      END LOOP;
      IF problem IS NULL THEN RETURN '[' || array_to_string(parts, ',') || ']'; END IF;
    ELSE problem := ' must be a list';
    END IF;
  WHEN 'object' THEN
    IF actual = 'object' THEN
      SELECT format('.%s is not a field of this type', k) INTO problem FROM jsonb_object_keys(value) AS k WHERE NOT shape->'names' ? k LIMIT 1;
      FOR field IN SELECT jsonb_array_elements(shape->'fields') LOOP
        member := coalesce(value->(field->>'name'), field->'default');
        IF jsonb_typeof(member) <> 'null' THEN
          parts := array_append(parts, to_json(field->>'name') || ':' || ${name}(member, field->'of', path || '.' || (field->>'name')));
        ELSIF (field->>'required')::boolean THEN problem := format('.%s must not be null', field->>'name');
        ELSE parts := array_append(parts, to_json(field->>'name') || ':null');
        END IF;
      END LOOP;
      IF problem IS NULL THEN RETURN '{' || array_to_string(parts, ',') || '}'; END IF;
    ELSE problem := ' must be an object';
    END IF;
  WHEN 'JSON' THEN RETURN value::text;
  WHEN 'enum' THEN
    IF actual = 'string' AND shape->'values' ? raw THEN RETURN value::text; END IF;
    problem := ' is not a value of its enum';
  WHEN 'Boolean' THEN
    IF actual = 'boolean' THEN RETURN raw; END IF;
    problem := ' must be true or false';
  WHEN 'Float' THEN
    IF actual = 'number' THEN RETURN ${jsonValue(FLOAT, '(raw::float8)')}; END IF;
    problem := ' must be a number';
  WHEN 'Int' THEN
    IF actual = 'number' AND raw::numeric = trunc(raw::numeric) AND abs(raw::numeric) <= ${MAX_SAFE} THEN
      RETURN raw::numeric::bigint::text;
    END IF;
    problem := ' ${INT}';
  WHEN 'Long' THEN
    IF raw ~ '^-?\\d{1,19}$' AND raw::numeric BETWEEN -9223372036854775808 AND 9223372036854775807 THEN
      RETURN ${jsonValue(LONG, '(raw::bigint)')};
    END IF;
    problem := ' must be an integer of 64 bits';
  WHEN 'Date' THEN
    IF actual = 'string' AND raw ~ '${ISO}' THEN RETURN ${jsonValue(DATE, '(raw::timestamptz(3))')}; END IF;
    problem := ' must be an ISO 8601 date or date and time';
  ELSE
    IF actual = 'string' THEN RETURN value::text; END IF;
    problem := ' must be a string';
  END CASE;
  RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = path || problem || '.';
END`;
  const settings = `SET search_path = ${names.schema}, pg_temp SET timezone = 'UTC' SET extra_float_digits = 1`;
  return `CREATE OR REPLACE FUNCTION ${name}(value jsonb, shape jsonb, path text) RETURNS text LANGUAGE plpgsql STABLE ${settings} AS ${literal(body)}`;
}
