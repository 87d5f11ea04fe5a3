import type { Limits } from '../config/config.ts';
import { formatCursor, totalOrder } from '../query/cursor.ts';
import { LIST_PARAMETERS } from '../query/list-query.ts';
import type { FieldPlan, FieldType, TablePlan } from '../schema/plan.ts';
import { isText } from '../schema/sdl/field.ts';
import type { Capabilities } from './capabilities.ts';
import { EXAMPLE_SEQ, exampleKey, exampleText } from './schemas/examples.ts';
import { keySchema, openRelations, type Part } from './schemas/schemas.ts';

const text: Part = { type: 'string' };
const flag: Part = { type: 'boolean' };

/** Describes a parameter of the query string. The example can be sent as it is. */
export function query(name: string, schema: Part, description: string, example: unknown): Part {
  return { name, in: 'query', description, schema, example };
}

function header(name: string, description: string, example: string, schema: Part = text): Part {
  return { name, in: 'header', description, schema, example };
}

const ETAG = `"${EXAMPLE_SEQ}"`;
const PAGE = 10;

/** Describes the parameters that are the same for every table, for `components`. */
export function sharedParameters({ limits }: { readonly limits: Limits }, capabilities: Capabilities): Part {
  const seq = { type: 'integer', format: 'int64', minimum: 0 };
  return {
    limit: query(
      'limit',
      { type: 'integer', minimum: 1, maximum: limits.pageMax, default: limits.pageDefault },
      'Maximum number of records.',
      Math.min(PAGE, limits.pageMax),
    ),
    offset: query('offset', { type: 'integer', minimum: 0, default: 0 }, 'Number of records to skip.', 0),
    ...(capabilities.count
      ? { count: query('count', flag, 'Counts all records that meet the conditions.', true) }
      : {}),
    stream: query(
      'stream',
      { type: 'string', const: 'sse' },
      'Asks for the stream, as `Accept: text/event-stream` does.',
      'sse',
    ),
    since: query('since', seq, 'Stream: everything after this position. The header `Last-Event-ID` wins.', EXAMPLE_SEQ),
    retained: query(
      'retained',
      flag,
      'Stream: sends the stored records first. On for a record and with `sort`, `limit`, `offset` or `cursor`, else off.',
      true,
    ),
    ...(capabilities.delta
      ? { delta: query('delta', flag, 'Stream: an update carries only the key and the fields that changed.', true) }
      : {}),
    ifMatch: header('If-Match', 'Only when the record still has this `ETag`, or any with `*`; else 412.', '*'),
    ifNoneMatch: header('If-None-Match', 'Read: 304 when the `ETag` is still this.', ETAG),
    ifNone: header('If-None-Match', '`*` creates only; 412 when the record exists.', '*', {
      type: 'string',
      const: '*',
    }),
    prefer: header('Prefer', '`return=minimal` returns no body.', 'return=minimal'),
    lastEventId: header(
      'Last-Event-ID',
      'Stream: the `id:` of the last event, as an EventSource sends it.',
      String(EXAMPLE_SEQ),
    ),
    ...(capabilities.idempotency
      ? {
          idempotencyKey: header(
            'Idempotency-Key',
            'A request that is repeated with the same key is executed once.',
            '0b2f6c1e-8a57-4a5e-9d53-3c9b7f1e2a60',
          ),
        }
      : {}),
    ...(capabilities.bulk
      ? {
          all: query('all', flag, 'Must be `true` when there are no conditions.', true),
          expect: query('expect', { type: 'integer', minimum: 0 }, 'Number of records that have to match.', 3),
        }
      : {}),
  };
}

/** Refers to shared parameters. */
export function parameters(...names: readonly string[]): readonly Part[] {
  return names.map((name) => ({ $ref: `#/components/parameters/${name}` }));
}

export function idParameter(table: TablePlan, maxLength: number): Part {
  const schema = keySchema(table.primaryKey);
  const length = schema.type === 'string' ? { minLength: 1, maxLength } : {};
  return {
    name: 'id',
    in: 'path',
    required: true,
    description: 'The primary key.',
    schema: { ...schema, ...length },
    example: exampleKey(table),
  };
}

/** Describes the parameter for conditions of any form, which every client library can send. */
export function conditionsParameter({ fields, primaryKey }: TablePlan): Part {
  const isSimple = ({ type, hidden, primaryKey: isKey }: FieldPlan) =>
    !hidden && !isKey && type.kind === 'scalar' && ['String', 'Int', 'Float', 'Long'].includes(type.name);
  const { name, type } = fields.find(isSimple) ?? primaryKey;
  const example = isText(type) ? `${name}==A*` : `${name}=gt=0`;
  return query('filter', text, 'Conditions in one parameter: `(price=lt=10,title=="A, B");kind==A*`.', example);
}

/** Describes `cursor`, with an example for the order that a list has without `sort`. */
export function cursorParameter(table: TablePlan): Part {
  const position = [exampleKey(table) as string | number];
  const example = formatCursor(totalOrder([], table), position);
  return query('cursor', text, 'Continues after a page, from its `Link`.', example);
}

const TEXT_OPERATORS = '`[ct]`, `[sw]`, `[ew]` (contains, begins, ends), `[ft]` (words)';
const ORDER_OPERATORS = '`[gt]`, `[ge]`, `[lt]`, `[le]`, ranges with `[gele]=a,b`';
const SET_OPERATORS = '`[ne]`, `[in]=a,b`, `[out]=a,b`';

function operatorsOf(type: FieldType): string {
  if (type.kind === 'list') return `At least one element meets it. ${operatorsOf(type.of)}`;
  if (type.kind === 'object') return 'Only `null`, or `[ne]=null` after the name; a dot leads to its fields.';
  if (type.kind === 'enum') return `A value. Operators after the name: ${SET_OPERATORS}.`;
  if (type.name === 'JSON') return 'Only `null`, or `[ne]=null` after the name.';
  if (type.name === 'Boolean') return '`true` or `false`. Operators after the name: `[ne]`.';
  const isText = type.name === 'ID' || type.name === 'String';
  const value = isText ? 'A value, with `*` for any text (`A*`).' : 'A value.';
  const operators = [SET_OPERATORS, ...(isText ? [TEXT_OPERATORS] : []), ORDER_OPERATORS].join(', ');
  return `${value} Operators after the name: ${operators}.`;
}

const EXAMPLES: Readonly<Record<string, string>> = {
  ID: '[in]=a,b',
  String: '[sw]=A',
  Int: '[gt]=10',
  Long: '[gt]=10',
  Float: '[lt]=9.5',
  Boolean: '=true',
  Date: '[ge]=2025-01-01',
};

function filterParameter({ name, type, description }: FieldPlan): Part {
  const example =
    type.kind === 'scalar' ? EXAMPLES[type.name] : type.kind === 'enum' ? `=${type.values[0]}` : undefined;
  const shown = example === undefined ? '' : ` For example \`${name}${example}\`.`;
  return {
    ...query(
      name,
      text,
      `${description === undefined ? '' : `${description}\n\n`}Condition. ${operatorsOf(type)}${shown}`,
      exampleText(type),
    ),
    // The API page has no parameter for each operator: users type `gt=10`, whose `=` must not be escaped.
    allowReserved: true,
  };
}

/** Describes a condition for each field. A field with the name of a parameter is available in `filter` only. */
export function filterParameters(table: TablePlan, { cursor, count }: Capabilities): readonly Part[] {
  const taken = new Set([
    ...LIST_PARAMETERS,
    ...STREAM_NAMES,
    ...(cursor ? ['cursor'] : []),
    ...(count ? ['count'] : []),
  ]);
  return table.fields.filter(({ hidden, name }) => !hidden && !taken.has(name)).map(filterParameter);
}

const STREAM_NAMES: ReadonlySet<string> = new Set([
  'stream',
  'since',
  'retained',
  'echo',
  'delta',
  'client',
  'all',
  'expect',
]);

export function selectParameter(table: TablePlan): Part {
  const { fields, primaryKey } = table;
  const names = fields.filter(({ hidden }) => !hidden).map(({ name }) => name);
  const related = openRelations(table)
    .map(({ name, target }) => `\`${name}{${target.primaryKey.name}}\``)
    .join(', ');
  const relation = related === '' ? '' : ` Also records of other tables: ${related}.`;
  const example = names.slice(0, 2).join(',');
  const description = `Only these fields, as \`${example}\`, and always \`${primaryKey.name}\`.${relation}`;
  return query('select', text, description, example);
}

export function sortParameter({ fields }: TablePlan): Part {
  const sortable = fields.filter(
    ({ type, hidden }) => !hidden && (type.kind === 'enum' || (type.kind === 'scalar' && type.name !== 'JSON')),
  );
  const names = sortable.map(({ name }) => `\`${name}\``).join(', ');
  const description = `Fields to order by, \`-\` before one for descending: ${names}.`;
  return query('sort', text, description, `-${sortable[0]?.name}`);
}

/** Describes the parameters of totals. */
export function aggregateParameters({ fields, primaryKey }: TablePlan): readonly Part[] {
  const isSimple = ({ type, hidden, primaryKey: isKey }: FieldPlan) =>
    !hidden && !isKey && (type.kind === 'enum' || (type.kind === 'scalar' && type.name !== 'JSON'));
  const { name } = fields.find(isSimple) ?? primaryKey;
  const functions = '`count`, `count(field)`, `sum(field)`, `avg(field)`, `min(field)`, `max(field)`';
  return [
    query('aggregate', text, `Totals instead of records, separated by commas: ${functions}.`, 'count'),
    query('group', text, 'With `aggregate`: the fields to group by.', name),
    query('having', text, 'With `aggregate`: a condition on the totals.', 'count=gt=0'),
  ];
}
