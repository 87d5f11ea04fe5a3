import type { Subscription } from '../../../src/client/live/subscription.ts';
import { ask, type TablecastError } from '../state/http.ts';
import { liveClient } from '../state/live.ts';
import type { Table } from '../state/schema.ts';
import { type GridQuery, joinSearch } from './query.ts';
import { type Change, type Effect, type Id, type Page, type Rec, type Row, Segment } from './segment.ts';

export type LiveStatus = 'loading' | 'live' | 'waiting' | 'off' | 'failed';

const PAGE = 200;
const MAX_ROWS = 4_000;
/** Rows before an end of the segment at which more are asked for. */
const MARGIN = 60;
/** Changes that are kept while rows must not move; beyond, the list is read again. */
const MAX_HELD = 5_000;
const COUNT_TIMEOUT_MS = 2_000;
const RECOUNT_MS = 3_000;
const RETRY_MS = 2_000;
const SETTLE_MS = 800;

export interface RowsHost {
  /** Called at most once per frame, with what changed: fields by key, null for a row that came. */
  changed(flashes: ReadonlyMap<Id, readonly string[] | null>, above: number): void;
  /** Rows that are in sight. */
  sight(): { readonly first: number; readonly last: number };
}

/**
 * Rows of a query that stay as they are in the database. The first page gives the position from which the channel of the same
 * query goes on; its changes are folded in once per frame.
 */
export class LiveRows {
  readonly segment: Segment;
  total: number | undefined;
  /** The count was given up: there are more than are loaded. */
  isUncounted = false;
  status: LiveStatus = 'loading';
  error: TablecastError | undefined;
  took = 0;
  position = 0;
  readonly #app: string;
  readonly #table: Table;
  readonly #query: GridQuery;
  readonly #host: RowsHost;
  readonly #frozen = new Set<string>();
  readonly #abort = new AbortController();
  #subscription: Subscription<Rec> | undefined;
  #held: Change[] = [];
  #turn = 0;
  #isScheduled = false;
  #isOverflowing = false;
  #next: string | undefined;
  #loading: AbortController | undefined;
  #timers = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(app: string, table: Table, query: GridQuery, host: RowsHost) {
    this.#app = app;
    this.#table = table;
    this.#query = query;
    this.#host = host;
    this.segment = new Segment(query.sort);
    void this.#load(0, true);
  }

  /** Rows that the grid has room for: those that are known to be there, and one behind them when there are more. */
  get size(): number {
    const { end, isLast } = this.segment;
    return isLast ? end : Math.max(this.total ?? 0, end + (this.status === 'failed' ? 0 : 1));
  }

  get held(): number {
    return this.#frozen.size > 0 ? this.#held.length : 0;
  }

  get isFrozen(): boolean {
    return this.#frozen.size > 0;
  }

  row(index: number): Row | undefined {
    return this.segment.rows[index - this.segment.start];
  }

  /** Keeps rows where they are for a reason, until it is taken back. */
  freeze(reason: string): void {
    this.#frozen.add(reason);
  }

  unfreeze(reason: string): void {
    if (!this.#frozen.delete(reason) || this.#frozen.size > 0) return;
    if (this.#isOverflowing) void this.reload();
    else this.#schedule();
  }

  /** Asks for what is in sight and not there. */
  need(first: number, last: number): void {
    if (this.#loading !== undefined || this.#query.mode !== 'scroll' || this.status === 'failed') return;
    const { start, end, isLast, rows } = this.segment;
    if (rows.length === 0 && isLast) return;
    if (first < start - 1 || last > end + PAGE || (first < start + MARGIN && start > 0)) {
      void this.#load(Math.max(0, first - (PAGE >> 1) + 30), false);
    } else if (last > end - MARGIN && !isLast) void this.#loadMore();
  }

  /** Reads the rows again, where they are. */
  async reload(): Promise<void> {
    this.#turn++;
    this.#subscription?.close();
    this.#subscription = undefined;
    this.#held = [];
    this.#isOverflowing = false;
    const { first } = this.#host.sight();
    await this.#load(this.#query.mode === 'scroll' ? Math.max(0, first - (PAGE >> 1) + 30) : 0, true);
  }

  close(): void {
    this.#abort.abort();
    this.#loading?.abort();
    this.#subscription?.close();
    for (const timer of this.#timers.values()) clearTimeout(timer);
  }

  async #load(offset: number, subscribe: boolean): Promise<void> {
    const { mode } = this.#query;
    const place = mode === 'scroll' ? joinSearch(`limit=${PAGE}`, offset > 0 ? `offset=${offset}` : '') : '';
    const page = await this.#read(place);
    if (page === undefined) return;
    // What `limit` names is all of it.
    this.segment.replace(mode === 'scroll' ? offset : 0, mode === 'scroll' ? page : { ...page, isLast: true });
    if (page.rows.length === 0 && offset > 0 && mode === 'scroll') return this.#load(0, subscribe);
    if (mode === 'scroll') this.#count();
    if (mode === 'totals') this.status = 'off';
    else if (subscribe) this.#subscribe();
    this.#host.changed(new Map(), 0);
  }

  async #loadMore(): Promise<void> {
    if (this.#next === undefined) return this.#load(Math.max(0, this.#host.sight().first - 30), false);
    const page = await this.#read(joinSearch(`limit=${PAGE}`, `cursor=${this.#next}`));
    if (page === undefined) return;
    this.segment.append(page);
    if (this.segment.rows.length > MAX_ROWS) this.segment.dropHead(MAX_ROWS);
    this.#host.changed(new Map(), 0);
  }

  /** Reads one page. Undefined when it was given up or has failed, which the status then says. */
  async #read(place: string): Promise<Page | undefined> {
    const loading = new AbortController();
    this.#loading?.abort();
    this.#loading = loading;
    // The query comes first, as it was written: errors name its columns.
    const search = joinSearch(this.#query.search, place);
    try {
      const answer = await ask<readonly Rec[]>(this.#app, `${encodeURIComponent(this.#table.name)}?${search}`, {
        signal: loading.signal,
      });
      const next = /[?&]cursor=([^&>]*)[^>]*>;\s*rel="?next/.exec(answer.headers.get('link') ?? '');
      const position = Number(answer.headers.get('x-position'));
      this.#next = next?.[1];
      this.error = undefined;
      this.took = answer.took;
      if (this.position === 0 || this.#subscription === undefined) this.position = position;
      if (this.status === 'failed') this.status = this.#subscription === undefined ? 'loading' : 'live';
      const { key } = this.#table;
      const rows = answer.data.map((record, index) => ({
        id: (record[key] as Id | undefined) ?? index,
        record,
        asOf: position,
      }));
      return { rows, isLast: next === null };
    } catch (thrown) {
      if (!loading.signal.aborted) this.#fail(thrown as TablecastError);
      return undefined;
    } finally {
      if (this.#loading === loading) this.#loading = undefined;
    }
  }

  #fail(error: TablecastError): void {
    this.error = error;
    this.status = 'failed';
    const isPassing = error.status === 0 || error.status === 429 || error.status >= 502;
    if (isPassing) this.#later('retry', error.retryAfter ?? RETRY_MS, () => this.reload());
    this.#host.changed(new Map(), 0);
  }

  /** Counts in a request of its own, which may take no longer than a moment. */
  #count(): void {
    if (this.segment.isLast) {
      this.total = this.segment.end;
      return;
    }
    const timeout = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(COUNT_TIMEOUT_MS)]);
    const search = joinSearch(this.#query.filter, 'limit=1&count=true');
    ask(this.#app, `${encodeURIComponent(this.#table.name)}?${search}`, { signal: timeout })
      .then(({ headers }) => {
        this.total = Number(headers.get('x-total-count'));
        this.isUncounted = false;
      })
      .catch(() => {
        this.isUncounted = true;
      })
      .finally(() => {
        if (!this.#abort.signal.aborted) this.#host.changed(new Map(), 0);
      });
  }

  #subscribe(): void {
    this.#subscription?.close();
    // The subscription calls back before it is there: so a number says which of them is the current one.
    const turn = ++this.#turn;
    const { filter, mode, sort, window } = this.#query;
    const search = mode === 'window' ? joinSearch(filter, sort === '' ? '' : `sort=${sort}`, window) : filter;
    this.#subscription = liveClient(this.#app).tables[this.#table.name]?.subscribe(search, {
      since: this.position,
      onChange: (frame) => {
        if (turn !== this.#turn || frame.message_type === 'Publish' || frame.id === null) return;
        const isGone = frame.message_type === 'Delete';
        this.#receive({
          id: frame.id,
          seq: frame.seq,
          record: isGone ? undefined : (frame.data as Rec),
          isNew: frame.op === 'create',
          at: frame.message_type === 'Update' ? frame.at : undefined,
        });
      },
      onReset: () => {
        if (turn === this.#turn) void this.reload();
      },
      onStatus: (status) => {
        if (turn !== this.#turn || status === 'closed') return;
        this.#setStatus(status === 'live' ? 'live' : status === 'connecting' ? this.status : 'waiting');
      },
      onError: (error) => {
        if (turn !== this.#turn) return;
        this.error = error;
        this.#setStatus('off');
      },
    }) as Subscription<Rec>;
  }

  #setStatus(status: LiveStatus): void {
    if (this.status === status) return;
    this.status = status;
    this.#host.changed(new Map(), 0);
  }

  #receive(change: Change): void {
    if (this.#isOverflowing) return;
    this.#held.push(change);
    if (this.#held.length > MAX_HELD) {
      this.#isOverflowing = true;
      this.#held = [];
      this.#subscription?.close();
      if (!this.isFrozen) void this.reload();
    } else this.#schedule();
  }

  /** Folds once per frame; a hidden window draws none. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const fold = () => {
      this.#isScheduled = false;
      if (!this.#abort.signal.aborted) this.#fold();
    };
    if (document.hidden) setTimeout(fold, 250);
    else requestAnimationFrame(fold);
  }

  #fold(): void {
    if (this.isFrozen) {
      this.#host.changed(new Map(), 0);
      return;
    }
    const flashes = new Map<Id, readonly string[] | null>();
    const changes = this.#held;
    this.#held = [];
    const { first } = this.#host.sight();
    let above = 0;
    for (const change of changes) {
      const isWindow = this.#query.mode === 'window';
      const effect = isWindow ? this.segment.applyAt(change) : this.segment.apply(change);
      if (!isWindow) this.#keepCount(change, effect);
      if (effect.index !== undefined) flashes.set(change.id, effect.fields ?? null);
      above += shiftAbove(effect, first - this.segment.start + above);
      this.position = Math.max(this.position, change.seq);
    }
    if (this.segment.hasDrifted) this.#later('settle', SETTLE_MS, () => this.#load(this.segment.start, false));
    this.#host.changed(flashes, above);
  }

  #keepCount({ record, isNew }: Change, { index, from }: Effect): void {
    if (this.segment.isLast && this.segment.start === 0) {
      this.total = this.segment.rows.length;
      return;
    }
    if (this.total === undefined) return;
    if (record === undefined) this.total--;
    else if (isNew) this.total++;
    else if (index === undefined || from === undefined) this.#later('count', RECOUNT_MS, () => this.#count());
  }

  #later(name: string, ms: number, run: () => void): void {
    if (this.#timers.has(name)) return;
    const timer = setTimeout(() => {
      this.#timers.delete(name);
      if (!this.#abort.signal.aborted) run();
    }, ms);
    this.#timers.set(name, timer);
  }
}

/** By how many rows what is in sight has moved down. */
function shiftAbove({ index, from }: Effect, first: number): number {
  const came = index !== undefined && index < first ? 1 : 0;
  const went = from !== undefined && from < first ? 1 : 0;
  return came - went;
}
