import type { Limits } from '../config/config.ts';
import { AppError } from '../errors.ts';
import { type Filter, LIST_PARAMETERS, parseQuery, type ReadPolicy, restrictFilter } from '../query/index.ts';
import type { TablePlan } from '../schema/plan.ts';

const RESERVED: ReadonlySet<string> = new Set([...LIST_PARAMETERS, 'all']);

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
export function parseBulkFilter(rawQuery: string, { table, limits, view }: BulkScope): Filter | undefined {
  const { filter, parameters } = parseQuery(rawQuery, { table, limits, reserved: RESERVED, view });
  for (const name of parameters.keys()) {
    if (name === 'filter' || name === 'all') continue;
    throw new AppError('INVALID_QUERY', `${name} is for lists; a write by filter is for every record that matches.`);
  }
  const all = parameters.get('all');
  if (all !== undefined && all !== 'true' && all !== 'false') {
    throw new AppError('INVALID_QUERY', 'all takes true or false.');
  }
  if (filter !== undefined && all === 'true') {
    throw new AppError('INVALID_QUERY', 'A filter and all=true contradict each other; send one of them.');
  }
  if (filter === undefined && all !== 'true') {
    throw new AppError('INVALID_QUERY', 'There is no filter; to write to every record of the table, send all=true.');
  }
  return filter === undefined || view === undefined ? filter : restrictFilter(filter, view);
}
