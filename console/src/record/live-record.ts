import { signal } from '@preact/signals';
import type { Subscription } from '../../../src/client/live/subscription.ts';
import { recordPath } from '../edits/drafts.ts';
import { changedFields, type Id, type Rec } from '../grid/segment.ts';
import { ask, seqOf, type TablecastError } from '../state/http.ts';
import { liveClient } from '../state/live.ts';
import type { Table } from '../state/schema.ts';

/** One record that stays as it is in the database; undefined once it is deleted. */
export class LiveRecord {
  readonly key: Id;
  readonly record = signal<Rec | undefined>(undefined);
  readonly seq = signal<number | undefined>(undefined);
  readonly error = signal<TablecastError | undefined>(undefined);
  readonly isGone = signal(false);
  /** Fields that the last change from elsewhere was about. */
  readonly touched = signal<readonly string[]>([]);
  readonly #abort = new AbortController();
  #subscription: Subscription<Rec> | undefined;

  constructor(app: string, table: Table, id: string) {
    const field = table.fields.find(({ name }) => name === table.key);
    this.key = field?.kind === 'number' ? Number(id) : id;
    void this.#load(app, table.name);
  }

  close(): void {
    this.#abort.abort();
    this.#subscription?.close();
  }

  async #load(app: string, table: string): Promise<void> {
    try {
      const { data, headers } = await ask<Rec>(app, recordPath(table, this.key), { signal: this.#abort.signal });
      this.record.value = data;
      this.seq.value = seqOf(headers);
      this.#subscribe(app, table, Number(headers.get('x-position')));
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      this.error.value = error as TablecastError;
      this.isGone.value = (error as TablecastError).status === 404;
    }
  }

  #subscribe(app: string, table: string, since: number): void {
    if (this.#abort.signal.aborted) return;
    this.#subscription = liveClient(app).tables[table]?.subscribe('', {
      id: this.key,
      since,
      onChange: (frame) => {
        if (frame.message_type === 'Publish') return;
        if (frame.message_type === 'Delete') {
          this.isGone.value = true;
          return;
        }
        const next = frame.data as Rec;
        this.touched.value = this.record.value === undefined ? [] : changedFields(this.record.value, next);
        this.isGone.value = false;
        this.record.value = next;
        this.seq.value = frame.record_seq ?? frame.seq;
      },
      onReset: () => undefined,
      onError: () => undefined,
    }) as Subscription<Rec> | undefined;
  }
}
