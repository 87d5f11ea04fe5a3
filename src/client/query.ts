type Value = string | number | boolean | null | undefined;

/**
 * Query as in a URL, without `?`, or an object. An object has parameters (`limit`, `sort` …), fields that have to equal the
 * value or one of a list of values, and fields with an operator (`'price[gt]': 10`). Values are always literal: a string
 * from a user cannot become a condition.
 */
export type Query = string | Readonly<Record<string, Value | readonly Value[]>>;

/** Parameters of lists and channels. Every other name is a field. */
const PARAMETERS = new Set('filter sort limit offset cursor count select since retained echo delta client'.split(' '));

/** Formats the search part of a table's URL, without `?`. */
export function tableSearch(query: Query = ''): string {
  if (typeof query === 'string') return query.replace(/^\?/, '');
  return join(query, (name, value) => {
    if (PARAMETERS.has(name)) return `${name}=${encode(value)}`;
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

/** Quotes the strings of a list, so that a comma in them is literal and `null` a string. */
function printed(value: unknown): string {
  if (!Array.isArray(value)) return String(value);
  return value.map((one) => (typeof one === 'string' ? JSON.stringify(one) : String(one))).join(',');
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

function join(
  query: Readonly<Record<string, Value | readonly Value[]>>,
  print: (name: string, value: Exclude<Value, undefined> | readonly Value[]) => string,
): string {
  return Object.entries(query)
    .flatMap(([name, value]) => (value === undefined ? [] : [print(name, value)]))
    .filter((part) => part !== '')
    .join('&');
}
