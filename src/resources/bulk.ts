import type { Limits } from '../config/config.ts';
import { AppError } from '../errors.ts';
import { type Filter, LIST_PARAMETERS, parseQuery, type ReadPolicy, restrictFilter } from '../query/index.ts';
import type { TablePlan } from '../schema/plan.ts';

const RESERVED: ReadonlySet<string> = new Set([...LIST_PARAMETERS, 'all', 'expect']);

export interface BulkScope {
  readonly table: TablePlan;
  readonly limits: Limits;
  /** Read policy of the writer; undefined when it can read everything. */
  readonly view: ReadPolicy | undefined;
}

/**
 * Returns the filter of a bulk write; undefined for all records. Throws INVALID_QUERY unless the raw query string has a
 * filter or `all=true`; an unknown or unsupported parameter is never ignored.
 */
export function parseBulkFilter(rawQuery: string, scope: BulkScope): Filter | undefined {
  return parseBulkQuery(rawQuery, scope).filter;
}

/** Records that a bulk write is for. */
export interface BulkQuery {
  /** Undefined for all records. */
  readonly filter: Filter | undefined;
  /** `expect`: number of records that have to match. */
  readonly expected: number | undefined;
}

/** As `parseBulkFilter`, with the number of records that the writer expects. */
export function parseBulkQuery(rawQuery: string, { table, limits, view }: BulkScope): BulkQuery {
  const { filter, parameters } = parseQuery(rawQuery, { table, limits, reserved: RESERVED, view });
  for (const name of parameters.keys()) {
    if (name === 'filter' || name === 'all' || name === 'expect') continue;
    throw new AppError('INVALID_QUERY', `${name} is for lists; a write by filter changes every record that matches.`);
  }
  const all = parameters.get('all');
  if (all !== undefined && all !== 'true' && all !== 'false') {
    throw new AppError('INVALID_QUERY', 'all must be true or false.');
  }
  if (filter !== undefined && all === 'true') {
    throw new AppError('INVALID_QUERY', 'A filter and all=true contradict each other; send one of them.');
  }
  if (filter === undefined && all !== 'true') {
    throw new AppError('INVALID_QUERY', 'There is no filter; to write to every record of the table, send all=true.');
  }
  const restricted = filter === undefined || view === undefined ? filter : restrictFilter(filter, view);
  return { filter: restricted, expected: parseExpected(parameters.get('expect')) };
}

function parseExpected(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new AppError('INVALID_QUERY', 'expect must be the number of records that have to match.');
}
