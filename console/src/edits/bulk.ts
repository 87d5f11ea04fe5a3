import { takeOut } from '../../../src/client/query.ts';
import { type GridQuery, joinSearch } from '../grid/query.ts';
import type { Id, Rec } from '../grid/segment.ts';
import { ask, newKey } from '../state/http.ts';

/** Records that one write is about: those of these keys, or all that meet the conditions of a query. */
export interface BulkTarget {
  readonly app: string;
  readonly table: string;
  readonly key: string;
  readonly query: GridQuery;
  /** Undefined for all that match. */
  readonly ids: readonly Id[] | undefined;
}

/** Keys in one request: fewer than `limits.filter_values` allows, and an address that is not too long. */
const BATCH = 50;

/** Number of records that match now. */
export async function countMatches({ app, table, query }: BulkTarget): Promise<number> {
  const search = joinSearch(conditionsOf(query), 'limit=1&count=true');
  const { headers } = await ask(app, `${encodeURIComponent(table)}?${search}`);
  return Number(headers.get('x-total-count'));
}

/** Outcome of a write of many records. */
export interface BulkWritten {
  /** Records that are different now. */
  readonly changed: number;
  /** Position of the last change of each request. */
  readonly positions: readonly number[];
}

/** Changes exactly this number of records, or none. */
export function changeAll(target: BulkTarget, expected: number, changes: Rec): Promise<BulkWritten> {
  return writeAll(target, expected, 'PATCH', changes);
}

/** Deletes exactly this number of records, or none. */
export function deleteAll(target: BulkTarget, expected: number): Promise<BulkWritten> {
  return writeAll(target, expected, 'DELETE', undefined);
}

async function writeAll(
  target: BulkTarget,
  expected: number,
  method: string,
  body: Rec | undefined,
): Promise<BulkWritten> {
  const { app, table, key, query, ids } = target;
  const parts: readonly (readonly [search: string, count: number])[] =
    ids === undefined ? [[conditionsOf(query) || 'all=true', expected]] : batchesOf(key, ids);
  let changed = 0;
  const positions: number[] = [];
  for (const [search, count] of parts) {
    const { data, headers } = await ask<{ changed: number }>(
      app,
      `${encodeURIComponent(table)}?${search}&expect=${count}`,
      {
        method,
        headers: { 'idempotency-key': newKey() },
        ...(body !== undefined && { body }),
      },
    );
    changed += data.changed;
    if (data.changed > 0) positions.push(Number(headers.get('x-position')));
  }
  return { changed, positions };
}

function batchesOf(key: string, ids: readonly Id[]): (readonly [string, number])[] {
  const batches: (readonly [string, number])[] = [];
  for (let at = 0; at < ids.length; at += BATCH) {
    const batch = ids.slice(at, at + BATCH);
    const keys = batch.map((id) => encodeURIComponent(JSON.stringify(String(id)))).join(',');
    batches.push([`${key}[in]=${keys}`, batch.length]);
  }
  return batches;
}

/** Conditions of a query, as a write by filter takes them. */
function conditionsOf({ filter }: GridQuery): string {
  return takeOut(filter, 'select').rest;
}
