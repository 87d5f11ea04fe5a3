import type { Subscription } from '../../../src/client/live/subscription.ts';
import { ask, type TablecastError } from '../state/http.ts';
import { liveClient } from '../state/live.ts';
import { GridRows, type RowsOptions } from './grid-rows.ts';
import { PageReader } from './page-reader.ts';
import { MAX_PAGE_ROWS } from './page-shape.ts';
import { joinSearch } from './query.ts';
import { type Change, type Effect, type Id, type Page, type Rec, type Row, Segment } from './segment.ts';

const PAGE = MAX_PAGE_ROWS;
const MAX_ROWS = 4_000;
/** Rows before an end of the segment at which more are asked for. */
const MARGIN = 60;
/** Changes that are kept while rows must not move; beyond, the list is read again. */
const MAX_HELD = 5_000;
const COUNT_TIMEOUT_MS = 2_000;
const RECOUNT_MS = 3_000;
const RETRY_MS = 2_000;
const SETTLE_MS = 800;

/**
 * Rows of everything that matches, read in pages wherever the grid is scrolled to. The first page gives the position from
 * which the subscription to the same conditions goes on; its changes are folded in once per frame. A live list of the client
 * would be a window that begins at most `limits.window` records from the top, needs an index for its order, and is sent anew
 * wherever it begins: none of that is so here.
 */
export class LiveRows extends GridRows {
  readonly segment: Segment;
  readonly #pages: PageReader;
  readonly #abort = new AbortController();
  #subscription: Subscription<Rec> | undefined;
  #held: Change[] = [];
  #turn = 0;
  #isScheduled = false;
  #isOverflowing = false;
  #next: string | undefined;
  #loading: AbortController | undefined;
  #timers = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(options: RowsOptions) {
    super(options);
    this.segment = new Segment(this.query.sort);
    this.#pages = new PageReader(options);
    void this.#load(0, true);
  }

  get loaded(): readonly Row[] {
    return this.segment.rows;
  }

  get start(): number {
    return this.segment.start;
  }

  get isLast(): boolean {
    return this.segment.isLast;
  }

  get held(): number {
    return this.isFrozen ? this.#held.length : 0;
  }

  protected thaw(): void {
    if (this.#isOverflowing) void this.reload();
    else this.#schedule();
  }

  /** Asks for what is in sight and not there. */
  override need(first: number, last: number): void {
    if (this.#loading !== undefined || this.status === 'failed') return;
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
    const { first } = this.host.sight();
    await this.#load(Math.max(0, first - (PAGE >> 1) + 30), true);
  }

  close(): void {
    this.#abort.abort();
    this.#loading?.abort();
    this.#subscription?.close();
    for (const timer of this.#timers.values()) clearTimeout(timer);
  }

  async #load(offset: number, subscribe: boolean): Promise<void> {
    const page = await this.#read(offset > 0 ? `offset=${offset}` : '');
    if (page === undefined) return;
    this.segment.replace(offset, page);
    if (page.rows.length === 0 && offset > 0) return this.#load(0, subscribe);
    this.#count();
    if (subscribe) this.#subscribe();
    this.host.changed(new Map(), 0);
  }

  async #loadMore(): Promise<void> {
    if (this.#next === undefined) return this.#load(Math.max(0, this.host.sight().first - 30), false);
    const page = await this.#read(`cursor=${this.#next}`);
    if (page === undefined) return;
    this.segment.append(page);
    if (this.segment.rows.length > MAX_ROWS) this.segment.dropHead(MAX_ROWS);
    this.host.changed(new Map(), 0);
  }

  /** Reads one page. Undefined when it was given up or has failed, which the status then says. */
  async #read(place: string): Promise<Page | undefined> {
    const loading = new AbortController();
    this.#loading?.abort();
    this.#loading = loading;
    try {
      const answer = await this.#pages.read(place, loading.signal);
      this.leftOut = this.#pages.leftOut;
      const next = /[?&]cursor=([^&>]*)[^>]*>;\s*rel="?next/.exec(answer.headers.get('link') ?? '');
      const position = Number(answer.headers.get('x-position'));
      this.#next = next?.[1];
      this.error = undefined;
      this.took = answer.took;
      if (this.position === 0 || this.#subscription === undefined) this.position = position;
      if (this.status === 'failed') this.status = this.#subscription === undefined ? 'loading' : 'live';
      const { key } = this.table;
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
    this.host.changed(new Map(), 0);
  }

  /** Counts in a request of its own, which may take no longer than a moment. */
  #count(): void {
    if (this.segment.isLast) {
      this.total = this.segment.end;
      return;
    }
    const timeout = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(COUNT_TIMEOUT_MS)]);
    const search = joinSearch(this.query.filter, 'limit=1&count=true');
    ask(this.app, `${encodeURIComponent(this.table.name)}?${search}`, { signal: timeout })
      .then(({ headers }) => {
        this.total = Number(headers.get('x-total-count'));
        this.isUncounted = false;
      })
      .catch(() => {
        this.isUncounted = true;
      })
      .finally(() => {
        if (!this.#abort.signal.aborted) this.host.changed(new Map(), 0);
      });
  }

  #subscribe(): void {
    this.#subscription?.close();
    // The subscription calls back before it is there: so a number says which of them is the current one.
    const turn = ++this.#turn;
    this.#subscription = liveClient(this.app).tables[this.table.name]?.subscribe(
      joinSearch(this.query.filter, this.#pages.select),
      {
        since: this.position,
        onChange: (frame) => {
          if (turn !== this.#turn || frame.message_type === 'Publish' || frame.id === null) return;
          const isGone = frame.message_type === 'Delete';
          this.#receive({
            id: frame.id,
            seq: frame.seq,
            record: isGone ? undefined : (frame.data as Rec),
            isNew: frame.op === 'create',
          });
        },
        onReset: () => {
          if (turn === this.#turn) void this.reload();
        },
        onStatus: (status) => {
          if (turn !== this.#turn || status === 'closed') return;
          this.setStatus(status === 'live' ? 'live' : status === 'connecting' ? this.status : 'waiting');
        },
        onError: (error) => {
          if (turn !== this.#turn) return;
          this.error = error;
          this.setStatus('off');
        },
      },
    ) as Subscription<Rec>;
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
      this.host.changed(new Map(), 0);
      return;
    }
    const flashes = new Map<Id, readonly string[] | null>();
    const changes = this.#held;
    this.#held = [];
    const { first } = this.host.sight();
    let above = 0;
    for (const change of changes) {
      const effect = this.segment.apply(change);
      this.#keepCount(change, effect);
      if (effect.index !== undefined) flashes.set(change.id, effect.fields ?? null);
      above += shiftAbove(effect, first - this.segment.start + above);
      this.position = Math.max(this.position, change.seq);
    }
    if (this.segment.hasDrifted) this.#later('settle', SETTLE_MS, () => this.#load(this.segment.start, false));
    this.host.changed(flashes, above);
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
