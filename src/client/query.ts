type Value = string | number | boolean | null | undefined;
/** Fields and their conditions, and `or`, `and`, `not`. */
type Conditions = Readonly<Record<string, unknown>>;

/**
 * Query as in a URL, without `?`, or an object. An object has parameters (`limit`, `sort` …), conditions in `where`, fields
 * that have to equal the value or one of a list of values, and fields with an operator (`'price[gt]': 10`). Values are always
 * literal: a string from a user cannot become a condition.
 */
export type Query = string | Readonly<Record<string, Value | readonly unknown[] | Conditions>>;

/** Parameters of lists and channels. Every other name is a field. */
export const PARAMETERS = /* @__PURE__ */ new Set(
  /* @__PURE__ */ 'filter sort limit offset cursor count select since retained echo delta client'.split(' '),
);

/** Formats the search part of a table's URL, without `?`. */
export function tableSearch(query: Query = ''): string {
  if (typeof query === 'string') return query.replace(/^\?/, '');
  const { where, filter, ...others } = query;
  const conditions = [
    isObject(where) ? formatConditions(where) : '',
    filter === undefined ? '' : `(${String(filter)})`,
  ];
  const all = conditions.filter(Boolean).join(';');
  // A field may be called `where`, too.
  const members = { ...(all === '' ? {} : { filter: all }), ...others, ...(isObject(where) ? {} : { where }) };
  return join(members, (name, value) => {
    if (PARAMETERS.has(name)) return `${name}=${encode(formatParameter(value))}`;
    if (value === null && !name.endsWith(']')) return `${encode(name)}=null`;
    return `${encode(name.endsWith(']') ? name : name + operatorFor(value))}=${encode(printed(value))}`;
  });
}

/**
 * Returns the operator in brackets, since software on the way that rewrites URLs may encode a second `=`. Only `===` compares
 * with the string "null".
 */
function operatorFor(value: unknown): string {
  if (Array.isArray(value)) return '[in]';
  return value === 'null' ? '[===]' : '[eq]';
}

/** Formats `where` for the parameter `filter`. Strings are in quotes, so that nothing in them has a meaning. */
function formatConditions(where: Conditions): string {
  return Object.entries(where)
    .flatMap(([name, value]) => (value === undefined ? [] : [formatCondition(name, value)]))
    .filter((part) => part !== '')
    .join(';');
}

function formatCondition(name: string, value: unknown): string {
  if (name === 'not' && isObject(value)) return `!(${formatConditions(value)})`;
  if (name === 'or' && areConditions(value)) return formatAlternatives(value.map(formatConditions));
  if (name === 'and' && areConditions(value)) return value.map(formatConditions).filter(Boolean).join(';');
  if (!isObject(value)) return formatComparison(name, 'eq', value);
  const comparisons = Object.entries(value).filter(([, one]) => one !== undefined);
  return comparisons.map(([operator, one]) => formatComparison(name, operator, one)).join(';');
}

/**
 * `;` binds closer than `,`. An alternative without a condition always holds, so that the whole says nothing. The server
 * refuses no alternatives, and `not` without a condition, for their brackets with nothing in them.
 */
function formatAlternatives(parts: readonly string[]): string {
  return parts.includes('') ? '' : `(${parts.join(',')})`;
}

function formatComparison(name: string, operator: string, value: unknown): string {
  // A field is one of no values never, and none of them always.
  if (Array.isArray(value) && value.length === 0)
    return `(${name}=eq=null${operator === 'out' ? ',' : ';'}${name}=ne=null)`;
  if (Array.isArray(value)) return `${name}=${operator === 'eq' ? 'in' : operator}=(${value.map(quoted).join(',')})`;
  return `${name}=${operator}=${quoted(value)}`;
}

function quoted(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

/** Formats `select: ['title', { author: ['name'] }]` as `title,author{name}`, and joins other lists by commas. */
function formatParameter(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  const items = value.flatMap((item) =>
    isObject(item)
      ? Object.entries(item).map(([name, inner]) => `${name}{${String(formatParameter(inner))}}`)
      : [String(item)],
  );
  return items.join(',');
}

/** Quotes the strings of a list, so that a comma in them is literal and `null` a string. */
function printed(value: unknown): string {
  if (!Array.isArray(value)) return String(value);
  return value.map(quoted).join(',');
}

function areConditions(value: unknown): value is readonly Conditions[] {
  return Array.isArray(value) && value.every(isObject);
}

function isObject(value: unknown): value is Conditions {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Formats the search part of any other URL. The name of a list is repeated for each value. */
export function plainSearch(query: Query = ''): string {
  if (typeof query === 'string') return query.replace(/^\?/, '');
  return join(query, (name, value) =>
    (Array.isArray(value) ? value : [value]).map((one) => `${encode(name)}=${encode(one)}`).join('&'),
  );
}

/** Splits parameters with these names from a search part. `taken` has their decoded values, `rest` the others. */
export function takeOut(
  search: string,
  ...names: readonly string[]
): { rest: string; taken: Partial<Record<string, string>> } {
  const taken: Record<string, string> = {};
  const rest = search.split('&').filter((part) => {
    const name = part.slice(0, part.indexOf('='));
    if (!names.includes(name)) return part !== '';
    taken[name] = decodeURIComponent(part.slice(name.length + 1).replaceAll('+', ' '));
    return false;
  });
  return { rest: rest.join('&'), taken };
}

/** Appends search parts to a URL; empty ones are left out. */
export function withSearch(url: string, ...parts: readonly string[]): string {
  const search = parts.filter((part) => part !== '').join('&');
  return search === '' ? url : `${url}?${search}`;
}

/** Percent-encodes a value, including parentheses, which would close a group of a filter. */
export function encode(value: unknown): string {
  return encodeURIComponent(String(value)).replace(/[()]/g, (bracket) => (bracket === '(' ? '%28' : '%29'));
}

function join(query: Conditions, print: (name: string, value: unknown) => string): string {
  return Object.entries(query)
    .flatMap(([name, value]) => (value === undefined ? [] : [print(name, value)]))
    .filter((part) => part !== '')
    .join('&');
}
