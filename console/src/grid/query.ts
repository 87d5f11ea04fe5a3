import { takeOut } from '../../../src/client/query.ts';

/** Query of a table's address in the parts that a grid needs. */
export interface GridQuery {
  /** As it was written, without what is for channels alone. */
  readonly search: string;
  /** Everything that is not about order and place: conditions, `filter`, `select`. */
  readonly filter: string;
  readonly sort: string;
  /** Fields that `select` names, or undefined for all. */
  readonly selected: readonly string[] | undefined;
  /** `scroll`: everything that matches; `window`: what `limit`, `offset` or `cursor` name; `totals`: `aggregate`. */
  readonly mode: 'scroll' | 'window' | 'totals';
}

export function parseQuery(search: string): GridQuery {
  const list = takeOut(search, 'count', 'since', 'retained', 'stream').rest;
  const { rest, taken } = takeOut(list, 'sort', 'limit', 'offset', 'cursor');
  const aggregate = /(?:^|&)aggregate=/.test(rest);
  const isWindow = taken.limit !== undefined || taken.offset !== undefined || taken.cursor !== undefined;
  const { taken: others } = takeOut(rest, 'select');
  const { select } = others;
  return {
    search: list,
    filter: rest,
    sort: taken.sort ?? '',
    selected: select === undefined || select.includes('*') ? undefined : splitSelect(select),
    mode: aggregate ? 'totals' : isWindow ? 'window' : 'scroll',
  };
}

/** Splits `title,author{name}` at the commas outside of braces. */
function splitSelect(select: string): readonly string[] {
  return select
    .replace(/\{[^}]*\}+/g, '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

export function joinSearch(...parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join('&');
}

/** The query with another order, everything else as it was written. */
export function withSort(search: string, sort: string): string {
  const { rest } = takeOut(search, 'sort', 'cursor');
  return joinSearch(rest, sort === '' ? '' : `sort=${sort}`);
}

/** The query with a condition more. */
export function withCondition(search: string, condition: string): string {
  return joinSearch(condition, search);
}

/** Order after a click on a column: ascending, descending, none. With `add` the other fields stay. */
export function nextSort(sort: string, name: string, add: boolean): string {
  const fields = sort.split(',').filter((field) => field !== '');
  const at = fields.findIndex((field) => field.replace(/^[-+]/, '') === name);
  const now = at < 0 ? undefined : fields[at];
  const next = now === undefined ? name : now.startsWith('-') ? undefined : `-${name}`;
  if (!add) return next ?? '';
  if (at < 0) return [...fields, name].join(',');
  return (next === undefined ? fields.filter((_, index) => index !== at) : fields.with(at, next)).join(',');
}

export function directionOf(sort: string, name: string): 'ascending' | 'descending' | undefined {
  for (const field of sort.split(',')) {
    if (field === name || field === `+${name}`) return 'ascending';
    if (field === `-${name}`) return 'descending';
  }
  return undefined;
}

/** Condition that a field has exactly this value. */
export function equals(name: string, value: unknown): string {
  if (value === null || value === undefined) return `${name}[eq]=null`;
  return `${name}[===]=${encodeURIComponent(String(value)).replace(/[()]/g, (it) => (it === '(' ? '%28' : '%29'))}`;
}
