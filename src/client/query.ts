type Value = string | number | boolean | null | undefined;

/**
 * A query as it stands in a URL, without `?`; or an object of parameters (`limit`, `sort` …), of fields that must be
 * equal to the value, word for word, or to one of a list, and of fields with an operator (`'price[gt]': 10`).
 */
export type Query = string | Readonly<Record<string, Value | readonly Value[]>>;

/** Parameters of lists and channels; every other name is a field. */
const PARAMETERS = new Set('filter sort limit offset cursor count select since retained echo delta client'.split(' '));

/** The search part of a table's URL, without `?`. */
export function tableSearch(query: Query = ''): string {
  if (typeof query === 'string') return query.replace(/^\?/, '');
  return join(query, (name, value) => {
    if (PARAMETERS.has(name)) return `${name}=${encode(value)}`;
    if (value === null && !name.endsWith(']')) return `${encode(name)}=null`;
    return `${encode(name.endsWith(']') ? name : name + operatorFor(value))}=${encode(printed(value))}`;
  });
}

/** In brackets, since what parses and prints a URL on the way may encode a second `=`. Only `===` takes "null" as text. */
function operatorFor(value: unknown): string {
  if (Array.isArray(value)) return '[in]';
  return value === 'null' ? '[===]' : '[eq]';
}

/** The values of a list stand in quotes, in which a comma is one and `null` a word. */
function printed(value: unknown): string {
  if (!Array.isArray(value)) return String(value);
  return value.map((one) => (typeof one === 'string' ? JSON.stringify(one) : String(one))).join(',');
}

/** The search part of any other URL: names and values; a list is its name several times. */
export function plainSearch(query: Query = ''): string {
  if (typeof query === 'string') return query.replace(/^\?/, '');
  return join(query, (name, value) =>
    (Array.isArray(value) ? value : [value]).map((one) => `${encode(name)}=${encode(one)}`).join('&'),
  );
}

/** Takes parameters with these names out of a search part: what is left, and the decoded values. */
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

/** A URL with search parts, of which some may be empty. */
export function withSearch(url: string, ...parts: readonly string[]): string {
  const search = parts.filter((part) => part !== '').join('&');
  return search === '' ? url : `${url}?${search}`;
}

/** Percent-encoded, brackets too: they would close a group. */
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
