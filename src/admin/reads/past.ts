import { setImmediate as nextTurn } from 'node:timers/promises';
import type { FastifyRequest } from 'fastify';
import { AppError } from '../../errors.ts';
import { type ChangedRecord, ChangeView } from '../../hub/change-view.ts';
import { compareText, makeQueryError } from '../../query/index.ts';
import type { TablePlan } from '../../schema/plan.ts';
import type { RecordKey } from '../../store/store.ts';
import type { AdminApp } from '../admin-hooks.ts';
import { publicName, readId, readLimit, readParameters, readSeq, requireTable } from '../parameters.ts';
import { PAGE_ENTRIES, withoutHidden } from './entries.ts';

const NAMES = ['table', 'seq', 'id', 'after', 'limit'] as const;

/**
 * Answers a record, or a page of records in the order of their keys, as they were at a position: those that are stored,
 * with the later changes undone. Throws INVALID_QUERY, INVALID_ID, INVALID_POSITION for a position that was not reached
 * yet, NOT_FOUND for one that the log does not reach back to, and SCAN_TOO_LARGE.
 */
export async function readPast(request: FastifyRequest, app: AdminApp): Promise<object> {
  const { application, server } = app;
  const { limits } = server;
  const given = readParameters(request, NAMES);
  const table = requireTable(application.plan, given.get('table'));
  const seq = readSeq(given, 'seq');
  if (seq === undefined) throw makeQueryError('seq', 'is needed');
  const id = readId(table, given.get('id'), limits);
  checkPosition(table, seq, app);
  const past = new PastTable(table, seq, app);
  const head = { table: publicName(table), seq };
  if (id !== undefined) return { ...head, id, record: (await past.record(id)) ?? null };
  const limit = readLimit(given.get('limit'), limits);
  return { ...head, ...(await past.page(readId(table, given.get('after'), limits), limit)) };
}

function checkPosition(table: TablePlan, seq: number, { application: { log } }: AdminApp): void {
  if (seq > log.lastSeq) {
    throw new AppError('INVALID_POSITION', `The position ${seq} is after the newest one, ${log.lastSeq}.`);
  }
  const floor = log.resumeFloor(table);
  if (seq < floor) {
    throw new AppError(
      'NOT_FOUND',
      `The log of ${publicName(table)} does not reach back to ${seq}; it does to ${floor}.`,
    );
  }
}

/** A table as it was at a position. */
class PastTable {
  readonly #table: TablePlan;
  readonly #app: AdminApp;
  /** Position up to which the log was read. */
  #position: number;
  #looked = 0;
  /** Records that have changed since, as they were; undefined for one that did not exist. */
  readonly #states = new Map<RecordKey, ChangedRecord | undefined>();

  constructor(table: TablePlan, seq: number, app: AdminApp) {
    this.#table = table;
    this.#app = app;
    this.#position = seq;
  }

  async record(id: RecordKey): Promise<ChangedRecord | undefined> {
    const stored = await this.#app.application.records.get(this.#table, id);
    // Read after the record, the log has every change that the record has.
    await this.#readChanges();
    const past = this.#states.has(id) ? this.#states.get(id) : stored && this.#shown(stored.json);
    return past && this.#shown(JSON.stringify(past));
  }

  async page(
    after: RecordKey | undefined,
    limit: number,
  ): Promise<{ readonly records: readonly ChangedRecord[]; readonly next: RecordKey | null }> {
    const found = new Map<RecordKey, ChangedRecord>();
    let last = after;
    let isWhole = false;
    do {
      const stored = await this.#app.application.records.page(this.#table, last, limit + 1);
      await this.#readChanges();
      for (const { id, json } of stored) if (!this.#states.has(id)) found.set(id, this.#shown(json));
      last = stored.at(-1)?.id ?? last;
      isWhole = stored.length <= limit;
    } while (!isWhole && found.size <= limit);
    const end = isWhole ? undefined : last;
    for (const [id, record] of this.#states) {
      const isBehind = after === undefined || compareKeys(id, after) > 0;
      // A change behind the last record that was read belongs to a later page.
      const isBefore = end === undefined || compareKeys(id, end) <= 0;
      if (record !== undefined && isBehind && isBefore) found.set(id, this.#shown(JSON.stringify(record)));
    }
    const ids = [...found.keys()].sort(compareKeys);
    const shown = ids.slice(0, limit);
    const hasMore = ids.length > limit || !isWhole;
    return {
      records: shown.map((id) => found.get(id) as ChangedRecord),
      next: hasMore ? (shown.at(-1) ?? null) : null,
    };
  }

  /** Reads what the log has got since it was last read. */
  async #readChanges(): Promise<void> {
    const { application, server } = this.#app;
    for (;;) {
      const page = await application.log.readLog(this.#table, this.#position, PAGE_ENTRIES);
      for (const change of page) {
        this.#position = change.seq;
        if (change.op === 'publish' || change.id === null || this.#states.has(change.id)) continue;
        this.#states.set(change.id, new ChangeView(change).before);
      }
      if (page.length < PAGE_ENTRIES) return;
      this.#looked += page.length;
      if (this.#looked >= server.limits.scan) throw this.#tooFar();
      await nextTurn();
    }
  }

  #shown(json: string): ChangedRecord {
    return withoutHidden(json, this.#table);
  }

  #tooFar(): AppError {
    const { scan } = this.#app.server.limits;
    return new AppError(
      'SCAN_TOO_LARGE',
      `More than ${scan} changes of ${publicName(this.#table)} lie between this position and now. Name a later one, or raise limits.scan.`,
    );
  }
}

function compareKeys(a: RecordKey, b: RecordKey): number {
  return typeof a === 'number' && typeof b === 'number' ? a - b : compareText(String(a), String(b));
}
