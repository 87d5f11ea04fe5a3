import type { LiveList } from '../../../src/client/live/live-list.ts';
import { ask, type TablecastError } from '../state/http.ts';
import { liveClient } from '../state/live.ts';
import { GridRows, type RowsOptions } from './grid-rows.ts';
import { changedFields, type Id, type Rec, type Row } from './segment.ts';

/** Rows of a window or of totals: a live list of the client, which the server keeps. */
export class ListRows extends GridRows {
  loaded: readonly Row[] = [];
  readonly start = 0;
  held = 0;
  readonly #groups: readonly string[];
  readonly #abort = new AbortController();
  #list: LiveList<Rec> | undefined;
  #began = performance.now();

  constructor(options: RowsOptions) {
    super(options);
    this.#groups = decodeURIComponent(/(?:^|&)group=([^&]*)/.exec(this.query.search)?.[1] ?? '').split(',');
    this.#open();
  }

  get isLast(): boolean {
    return this.status !== 'loading' && this.status !== 'failed';
  }

  async reload(): Promise<void> {
    this.#list?.close();
    this.#began = performance.now();
    this.#open();
  }

  close(): void {
    this.#abort.abort();
    this.#list?.close();
  }

  protected thaw(): void {
    this.held = 0;
    if (this.#list !== undefined) this.#show(this.#list.records);
  }

  #open(): void {
    const list: LiveList<Rec> | undefined = liveClient(this.app).tables[this.table.name]?.live(this.query.search, {
      // What the server does not follow is shown as it was read once: all that match may be more than a window can hold.
      fallback: false,
      onChange: (records, _frame, frames = []) => {
        if (list !== undefined && list !== this.#list) return;
        this.held += frames.length;
        if (this.isFrozen && this.loaded.length > 0) this.host.changed(new Map(), 0);
        else this.#show(records);
      },
      onStatus: (status) => {
        if (status === 'waiting') this.setStatus('waiting');
        else if (status === 'live' && this.status === 'waiting') this.setStatus('live');
      },
      onError: () => void this.#readOnce(),
    }) as LiveList<Rec> | undefined;
    this.#list = list;
  }

  /** Shows the records, and lights up what is different from those that were shown. */
  #show(records: readonly Rec[]): void {
    const isFirst = this.status === 'loading' || this.status === 'failed';
    if (isFirst) this.took = performance.now() - this.#began;
    const before = new Map(this.loaded.map((row) => [row.id, row.record]));
    const { first } = this.host.sight();
    const anchor = this.loaded[first]?.id;
    this.held = 0;
    this.error = undefined;
    this.position = Number(this.#list?.position ?? this.position);
    this.loaded = records.map((record, index) => this.#toRow(record, index));
    this.total = this.loaded.length;
    this.status = this.#list === undefined || this.#list.status === 'closed' ? 'off' : 'live';
    const flashes = new Map<Id, readonly string[] | null>();
    for (const { id, record } of isFirst ? [] : this.loaded) {
      const old = before.get(id);
      if (old !== record) flashes.set(id, old === undefined ? null : changedFields(old, record));
    }
    const now = anchor === undefined ? -1 : this.loaded.findIndex(({ id }) => id === anchor);
    this.host.changed(flashes, now < 0 ? 0 : now - first);
  }

  #toRow(record: Rec, index: number): Row {
    const isTotals = this.query.mode === 'totals';
    const id = isTotals ? JSON.stringify(this.#groups.map((name) => record[name])) : (record[this.table.key] as Id);
    return { id: id ?? index, record, asOf: Number(this.#list?.seq(id) ?? this.position) };
  }

  /** Reads what cannot be followed. An error of the list then names the columns of the query as it was written. */
  async #readOnce(): Promise<void> {
    try {
      const { signal } = this.#abort;
      const path = `${encodeURIComponent(this.table.name)}?${this.query.search}`;
      const { data, headers, took } = await ask<readonly Rec[]>(this.app, path, { signal });
      this.#show(data);
      this.took = took;
      this.position = Number(headers.get('x-position'));
      this.setStatus('off');
    } catch (thrown) {
      if (this.#abort.signal.aborted) return;
      this.error = thrown as TablecastError;
      this.status = 'failed';
      this.host.changed(new Map(), 0);
    }
  }
}
