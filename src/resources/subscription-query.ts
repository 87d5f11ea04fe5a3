import type { Limits } from '../config/config.ts';
import { AppError } from '../errors.ts';
import type { Selection } from '../hub/selection.ts';
import { compilePredicate, type ListQuery, parseListQuery } from '../query/index.ts';
import type { TablePlan } from '../schema/plan.ts';
import type { Key } from '../store/store.ts';

/** What a subscription asks for, checked. */
export interface SubscriptionQuery {
  readonly id?: Key;
  readonly selection: Selection;
  readonly since?: number;
  readonly retained: boolean;
  /** Records of the snapshot at most. */
  readonly limit?: number;
  /** `echo=false`: leave out what this subscriber writes itself. */
  readonly mutable: boolean;
}

const NOTHING_RESERVED: ReadonlySet<string> = new Set();
const RESERVED: ReadonlySet<string> = new Set(['stream', 'since', 'retained', 'echo']);

interface Scope {
  readonly table: TablePlan;
  readonly id: Key | undefined;
  readonly limits: Limits;
}

/** Reads the raw query string of a channel's URL: the list's filter and `select`, and the subscription's own words. */
export function parseSubscription(rawQuery: string, { table, id, limits }: Scope): SubscriptionQuery {
  const query = parseListQuery(rawQuery, table, limits, RESERVED);
  const { others } = query;
  refuseListOnly(query, rawQuery);
  const since = others.get('since');
  const limit = /(?:^|&)limit=/.test(rawQuery) ? query.limit : undefined;
  return {
    ...(id === undefined ? {} : { id }),
    selection: makeSelection(query),
    ...(since === undefined ? {} : { since: parsePosition(since) }),
    retained: parseSwitch(others, 'retained') ?? id !== undefined,
    ...(limit === undefined ? {} : { limit }),
    mutable: parseSwitch(others, 'echo') === false,
  };
}

/** Reads the raw query string of a record's URL, which may only choose fields. Throws INVALID_QUERY. */
export function parseRecordQuery(rawQuery: string, table: TablePlan, limits: Limits): Selection {
  const query = parseListQuery(rawQuery, table, limits, NOTHING_RESERVED);
  if (query.filter !== undefined || query.sort.length > 0 || /(?:^|&)(?:limit|offset)=/.test(rawQuery)) {
    throw new AppError('INVALID_QUERY', 'A record takes no query parameter but select.');
  }
  return makeSelection(query);
}

/** A seq that a client gives back. Throws INVALID_POSITION when it is not a number that could be one. */
export function parsePosition(text: string): number {
  const seq = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(seq)) return seq;
  throw new AppError('INVALID_POSITION', 'A position is the seq of a frame: a whole number of at most 16 digits.');
}

function makeSelection({ filter, select }: ListQuery): Selection {
  if (filter === undefined && select === undefined) return { key: '' };
  const fields = select?.map(({ name }) => name);
  return {
    key: JSON.stringify([filter ?? null, fields ?? null], (_key, value: unknown) =>
      typeof value === 'bigint' ? `${value}n` : value,
    ),
    ...(filter === undefined ? {} : { matches: compilePredicate(filter) }),
    ...(fields === undefined ? {} : { fields }),
  };
}

function parseSwitch(others: ReadonlyMap<string, string>, name: string): boolean | undefined {
  const value = others.get(name);
  if (value === undefined) return undefined;
  if (value === 'true' || value === 'false') return value === 'true';
  throw new AppError('INVALID_QUERY', `${name} takes true or false.`);
}

/** A stream has no order but the log's and no pages. */
function refuseListOnly({ sort }: ListQuery, rawQuery: string): void {
  const name = sort.length > 0 ? 'sort' : /(?:^|&)offset=/.test(rawQuery) ? 'offset' : undefined;
  if (name !== undefined) throw new AppError('INVALID_QUERY', `${name} is for lists; a stream comes in seq order.`);
}
