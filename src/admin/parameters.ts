import type { FastifyRequest } from 'fastify';
import type { Limits } from '../config/config.ts';
import { suggest } from '../config/files/suggest.ts';
import { checkEncoded, makeQueryError } from '../query/index.ts';
import { parseKey } from '../resources/key.ts';
import type { Plan, TablePlan } from '../schema/plan.ts';
import { queryOf } from '../server/request.ts';
import type { RecordKey } from '../store/store.ts';

/** Characters of a value that an error repeats. */
const MAX_SHOWN_CHARS = 60;

/** Query parameters of one request. */
export type Parameters<Name extends string> = ReadonlyMap<Name, string>;

/** Reads the query of a request. Throws INVALID_QUERY for an unknown parameter, and for one that is given twice. */
export function readParameters<Name extends string>(
  request: Pick<FastifyRequest, 'raw'>,
  names: readonly Name[],
): Parameters<Name> {
  const rawQuery = queryOf(request);
  checkEncoded(rawQuery);
  const found = new Map<Name, string>();
  for (const [written, value] of new URLSearchParams(rawQuery)) {
    const name = names.find((it) => it === written);
    if (name === undefined) {
      const known = names.length === 0 ? 'there are none here' : `there are ${names.join(', ')}`;
      throw makeQueryError(shorten(written), `is not a parameter; ${suggest(written, names) ?? known}`);
    }
    if (found.has(name)) throw makeQueryError(name, 'is given twice');
    found.set(name, value);
  }
  return found;
}

/** Returns the name of a table in the admin API: its name in URLs, else that of its type. */
export function publicName({ exportName, name }: TablePlan): string {
  return exportName ?? name;
}

/** Returns the table of a name. Throws INVALID_QUERY. */
export function findTable({ tables }: Plan, name: string): TablePlan {
  const found = tables.find((table) => publicName(table) === name);
  if (found !== undefined) return found;
  const meant = suggest(name, tables.map(publicName));
  throw makeQueryError('table', `there is no table ${show(name)}${meant === undefined ? '' : `; ${meant}`}`);
}

/** Returns the table that has to be given. Throws INVALID_QUERY. */
export function requireTable(plan: Plan, name: string | undefined): TablePlan {
  if (name === undefined) throw makeQueryError('table', 'is needed');
  return findTable(plan, name);
}

/** Returns a key; undefined where none is given. Throws INVALID_ID. */
export function readId(table: TablePlan, text: string | undefined, { id: maxLength }: Limits): RecordKey | undefined {
  return text === undefined ? undefined : parseKey(table, text, maxLength);
}

/** Returns a seq; undefined where none is given. Throws INVALID_QUERY. */
export function readSeq<Name extends string>(given: Parameters<Name>, name: Name): number | undefined {
  const text = given.get(name);
  if (text === undefined) return undefined;
  const seq = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(seq)) return seq;
  throw makeQueryError(name, `expected a seq; found ${show(text)}`);
}

/** Returns the number of items that a page may have. Throws INVALID_QUERY. */
export function readLimit(text: string | undefined, { pageDefault, pageMax }: Limits): number {
  if (text === undefined) return pageDefault;
  const limit = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= pageMax) return limit;
  throw makeQueryError('limit', `expected an integer from 1 to ${pageMax}; found ${show(text)}`);
}

function show(text: string): string {
  return JSON.stringify(shorten(text));
}

function shorten(text: string): string {
  return text.length > MAX_SHOWN_CHARS ? `${text.slice(0, MAX_SHOWN_CHARS)}…` : text;
}
