import { setImmediate as nextTurn } from 'node:timers/promises';
import type { FastifyRequest } from 'fastify';
import { makeQueryError } from '../../query/index.ts';
import type { TablePlan } from '../../schema/plan.ts';
import type { Change, LogReader, RecordKey } from '../../store/store.ts';
import type { AdminApp } from '../admin-hooks.ts';
import { findTable, readId, readLimit, readParameters, readSeq } from '../parameters.ts';
import { describeEntry, PAGE_ENTRIES } from './entries.ts';

const NAMES = ['table', 'id', 'since', 'before', 'limit'] as const;

interface LogQuery {
  readonly table: TablePlan;
  readonly id: RecordKey | undefined;
  /** Reads on from this position, the oldest entries first; undefined to read back, the newest first. */
  readonly since: number | undefined;
  readonly before: number;
  readonly limit: number;
  /** Entries that may be looked at. */
  readonly scan: number;
}

interface FoundEntries {
  readonly changes: readonly Change[];
  /** Position from which to go on; undefined when there is nothing more. */
  readonly next: number | undefined;
}

/**
 * Answers a page of the log: of one record, one table, or all tables. It looks at `limits.scan` entries of a table at
 * most, and says where to go on. Throws INVALID_QUERY or INVALID_ID.
 */
export async function readLogPage(request: FastifyRequest, { application, server }: AdminApp): Promise<object> {
  const { plan, log } = application;
  const given = readParameters(request, NAMES);
  const name = given.get('table');
  const since = readSeq(given, 'since');
  const before = readSeq(given, 'before');
  if (since !== undefined && before !== undefined) throw makeQueryError('before', 'cannot be combined with since');
  if (name === undefined && given.has('id')) throw makeQueryError('id', 'needs table');
  const limit = readLimit(given.get('limit'), server.limits);
  const tables = name === undefined ? plan.tables : [findTable(plan, name)];
  const { lastSeq: head } = log;
  const found: FoundEntries[] = [];
  for (const table of tables) {
    const id = readId(table, given.get('id'), server.limits);
    const query = { table, id, since, before: before ?? head + 1, limit, scan: server.limits.scan };
    found.push(await readTable(log, query));
  }
  const { changes, next } = merge(found, since !== undefined, limit);
  const start = Math.min(...tables.map((table) => log.logStart(table)));
  return { entries: changes.map(describeEntry), next: next ?? null, start, head };
}

async function readTable(log: LogReader, query: LogQuery): Promise<FoundEntries> {
  const { table, id, since, limit, scan } = query;
  const isBack = since === undefined;
  const found: Change[] = [];
  let position = since ?? query.before;
  for (let looked = 0; looked < scan; looked += PAGE_ENTRIES) {
    const size = Math.min(PAGE_ENTRIES, scan - looked);
    const page = await (isBack ? log.readLogBack(table, position, size) : log.readLog(table, position, size));
    for (const change of page) {
      position = change.seq;
      if (id === undefined || change.id === id) found.push(change);
      if (found.length === limit) return { changes: found, next: position };
    }
    if (page.length < size) return { changes: found, next: undefined };
    await nextTurn();
  }
  return { changes: found, next: position };
}

/** Merges the entries of several tables, and leaves out those beyond a position up to which not all are known. */
function merge(found: readonly FoundEntries[], isForward: boolean, limit: number): FoundEntries {
  const sign = isForward ? 1 : -1;
  const changes = found.flatMap((one) => one.changes).sort((a, b) => sign * (a.seq - b.seq));
  const known = found.flatMap(({ next }) => next ?? []).sort((a, b) => sign * (a - b))[0];
  const whole = known === undefined ? changes : changes.filter(({ seq }) => sign * (seq - known) <= 0);
  const page = whole.slice(0, limit);
  const next = whole.length > limit ? page.at(-1)?.seq : known;
  return { changes: page, next };
}
