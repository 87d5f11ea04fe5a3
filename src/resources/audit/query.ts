import type { Limits } from '../../config/config.ts';
import { suggest } from '../../config/files/suggest.ts';
import { checkEncoded, makeQueryError } from '../../query/index.ts';
import { parseDate } from '../../schema/date.ts';
import { ACTOR_TYPES, AUDITED_OPS, type AuditQuery } from '../../store/audit.ts';

const PARAMETERS = ['table', 'id', 'by', 'by_type', 'op', 'since', 'until', 'before', 'limit'] as const;
type Parameter = (typeof PARAMETERS)[number];

export interface AuditScope {
  readonly limits: Pick<Limits, 'pageDefault' | 'pageMax'>;
  /** Stored names by export name. */
  readonly tables: ReadonlyMap<string, string>;
}

/**
 * Parses the raw query string of the audit log, still percent-encoded. An unknown parameter is never ignored. Throws
 * INVALID_QUERY.
 */
export function parseAuditQuery(rawQuery: string, { limits, tables }: AuditScope): AuditQuery {
  const given = readParameters(rawQuery);
  const table = given.get('table');
  const since = read(given, 'since', (text) => readMoment(text)?.after);
  const until = read(given, 'until', (text) => readMoment(text)?.before);
  const cursor = read(given, 'before', readSeq);
  const before = Math.min(until ?? Number.POSITIVE_INFINITY, cursor ?? Number.POSITIVE_INFINITY);
  const query = {
    table: table === undefined ? undefined : findTable(table, tables),
    id: given.get('id'),
    sub: given.get('by'),
    actor: readChoice(given, 'by_type', ACTOR_TYPES),
    op: readChoice(given, 'op', AUDITED_OPS),
    after: since,
    before: Number.isFinite(before) ? before : undefined,
    limit: readLimit(given.get('limit'), limits),
  };
  return Object.fromEntries(Object.entries(query).filter(([, value]) => value !== undefined)) as unknown as AuditQuery;
}

function readParameters(rawQuery: string): ReadonlyMap<Parameter, string> {
  checkEncoded(rawQuery);
  const given = new Map<Parameter, string>();
  // Clients leave an empty part behind when they join parameters.
  for (const part of rawQuery.split('&').filter((it) => it !== '')) {
    const [written = '', ...rest] = part.split('=');
    const name = decode(written, 'query');
    const parameter = PARAMETERS.find((known) => known === name);
    if (parameter === undefined) {
      const meant = suggest(name, PARAMETERS) ?? `there are ${PARAMETERS.join(', ')}`;
      throw makeQueryError(shorten(name), `is not a parameter of the audit log; ${meant}`);
    }
    if (given.has(parameter)) throw makeQueryError(parameter, 'is given twice');
    given.set(parameter, decode(rest.join('='), parameter));
  }
  return given;
}

function decode(written: string, parameter: string): string {
  try {
    return decodeURIComponent(written.replaceAll('+', ' '));
  } catch {
    throw makeQueryError(parameter, 'is not percent-encoded UTF-8');
  }
}

/** Returns the stored name of a table; one that has left the schema is found by its stored name. */
function findTable(name: string, tables: ReadonlyMap<string, string>): string {
  const stored = tables.get(name);
  if (stored !== undefined) return stored;
  if (name.includes('/')) return name;
  const meant = suggest(name, tables.keys());
  throw makeQueryError(
    'table',
    `there is no table ${JSON.stringify(shorten(name))}${meant === undefined ? '' : `; ${meant}`}`,
  );
}

function readChoice<T extends string>(
  given: ReadonlyMap<Parameter, string>,
  name: Parameter,
  choices: readonly T[],
): T | undefined {
  const text = given.get(name);
  if (text === undefined) return undefined;
  const choice = choices.find((it) => it === text);
  if (choice === undefined)
    throw makeQueryError(name, `expected ${choices.join(', ')}; found ${JSON.stringify(shorten(text))}`);
  return choice;
}

function read(
  given: ReadonlyMap<Parameter, string>,
  name: Parameter,
  parse: (text: string) => number | undefined,
): number | undefined {
  const text = given.get(name);
  const value = text === undefined ? undefined : parse(text);
  if (text === undefined || value !== undefined) return value;
  const what = name === 'before' ? 'a seq' : 'a seq, or a time such as 2025-01-15T10:30:00Z';
  throw makeQueryError(name, `expected ${what}; found ${JSON.stringify(shorten(text))}`);
}

function readSeq(text: string): number | undefined {
  const seq = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(seq) ? seq : undefined;
}

interface Moment {
  /** Lower bound as `since`: the entries that follow a seq, or those from a time on. */
  readonly after: number;
  /** Upper bound as `until`: the entries up to a seq, or those before a time. */
  readonly before: number;
}

function readMoment(text: string): Moment | undefined {
  const seq = readSeq(text);
  if (seq !== undefined) return { after: seq, before: seq + 1 };
  // The plus of an offset arrives as a space when it was not encoded.
  const time = parseDate(text.replace(/(T\d{4,6}|:\d{2}(?:\.\d+)?) (\d{2}(?::?\d{2})?)$/, '$1+$2'));
  if (time === undefined) return undefined;
  const start = Date.parse(time) * 1000;
  return { after: start - 1, before: start };
}

function readLimit(text: string | undefined, { pageDefault, pageMax }: AuditScope['limits']): number {
  if (text === undefined) return pageDefault;
  const limit = /^\d{1,15}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= pageMax) return limit;
  throw makeQueryError('limit', `expected an integer from 1 to ${pageMax}; found ${JSON.stringify(shorten(text))}`);
}

/** Keeps an error message small, whatever the request contained. */
function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
