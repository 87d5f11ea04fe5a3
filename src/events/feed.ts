import type { TablePlan } from '../schema/plan.ts';
import type { Change, LogReader } from '../store/store.ts';
import type { Bell, Bus } from './bus.ts';

export interface FeedListener {
  /** Called with changes in seq order, each once. */
  changes(changes: readonly Change[]): void;
  /** Called when changes of the table left the log before this feed had read them: later ones may not be delivered as if nothing was missed. */
  missed?(table: TablePlan): void;
  /** Called when the store has lost the end of its log: some changes that were delivered have never happened. */
  rewound?(tables: readonly TablePlan[]): void;
}

export interface FeedOptions {
  readonly log: LogReader;
  readonly tables: readonly TablePlan[];
  readonly bus: Bus;
  /** Called with a failure to read the log. The next bell tries again. */
  onError(error: unknown): void;
}

/**
 * Delivers committed changes in seq order, each once: a cursor on the log that moves when a bell rings. A bell that
 * carries the very next changes saves reading them.
 */
export class Feed {
  readonly #options: FeedOptions;
  readonly #listeners: FeedListener[] = [];
  readonly #stopListening: () => void;
  #head: number;
  #reading: Promise<void> | undefined;
  #closed = false;

  /** Begins at the end of the log: earlier changes are not delivered. */
  constructor(options: FeedOptions) {
    this.#options = options;
    this.#head = options.log.lastSeq;
    this.#stopListening = options.bus.listen((bell) => this.#onBell(bell));
  }

  /** seq of the last change that was delivered. */
  get head(): number {
    return this.#head;
  }

  listen(listener: FeedListener): void {
    this.#listeners.push(listener);
  }

  /** Must be called when the store has lost the end of its log, and has a position after it. */
  rewound(): void {
    const { log, tables } = this.#options;
    this.#head = Math.max(this.#head, log.lastSeq);
    for (const listener of this.#listeners) listener.rewound?.(tables);
  }

  /** Stops the feed; resolves when nothing is read any more. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stopListening();
    await this.#reading;
  }

  #onBell({ after, head, changes }: Bell): void {
    if (this.#reading === undefined && changes !== undefined && after === this.#head) this.#deliver(changes);
    else if (head > this.#head) this.#read();
  }

  #read(): void {
    if (this.#reading !== undefined) return;
    this.#reading = this.#catchUp()
      .catch((error: unknown) => this.#options.onError(error))
      .finally(() => {
        this.#reading = undefined;
      });
  }

  async #catchUp(): Promise<void> {
    const { log, tables } = this.#options;
    while (!this.#closed && this.#head < log.lastSeq) {
      const { changes, upTo, missed } = await readChanges(log, tables, this.#head);
      for (const table of missed) for (const listener of this.#listeners) listener.missed?.(table);
      // The log may have been lost while it was read.
      const head = this.#head;
      this.#deliver(changes.filter(({ seq }) => seq > head));
      this.#head = Math.max(this.#head, upTo);
    }
  }

  /** Throws when the changes are not after everything before: order is an invariant. */
  #deliver(changes: readonly Change[]): void {
    if (changes.length === 0) return;
    for (const { seq } of changes) {
      if (seq <= this.#head) throw new Error(`The feed got seq ${seq} after ${this.#head}.`);
      this.#head = seq;
    }
    for (const listener of this.#listeners) listener.changes(changes);
  }
}

/** Changes of one table that are read at once. */
const MAX_PAGE_CHANGES = 500;

export interface ChangesPage {
  /** In seq order. */
  readonly changes: readonly Change[];
  /** seq up to which every change is in `changes`, or was before `after`. */
  readonly upTo: number;
  /** Tables of which changes after `after` had left the log already. */
  readonly missed: readonly TablePlan[];
}

/**
 * Reads the next changes of all tables after a position. Changes that are committed meanwhile are left for the next page; the
 * page has all changes of a transaction or none.
 */
export async function readChanges(log: LogReader, tables: readonly TablePlan[], after: number): Promise<ChangesPage> {
  const page = await readPage(log, tables, after);
  for (let last = page.changes.at(-1); ; last = page.changes.at(-1)) {
    const { transaction = 0 } = last ?? {};
    if (transaction <= page.upTo) return page;
    const rest = await readPage(log, tables, page.upTo);
    if (rest.upTo <= page.upTo) return page;
    page.changes.push(...rest.changes.filter(({ seq }) => seq <= transaction));
    page.missed.push(...rest.missed.filter((table) => !page.missed.includes(table)));
    page.upTo = Math.min(rest.upTo, transaction);
  }
}

interface OpenPage {
  readonly changes: Change[];
  readonly missed: TablePlan[];
  upTo: number;
}

async function readPage(log: LogReader, tables: readonly TablePlan[], after: number): Promise<OpenPage> {
  let upTo = log.lastSeq;
  const found: Change[] = [];
  const missed: TablePlan[] = [];
  for (const table of tables) {
    if (log.lastTableSeq(table) <= after) continue;
    const page = await log.readLog(table, after, MAX_PAGE_CHANGES);
    if (hasGap(log, table, { after, page })) missed.push(table);
    found.push(...page);
    // The table may have more entries after the last one of a full page.
    const last = page.at(-1)?.seq;
    if (page.length === MAX_PAGE_CHANGES && last !== undefined) upTo = Math.min(upTo, last);
  }
  const changes = found.filter(({ seq }) => seq <= upTo).sort((one, other) => one.seq - other.seq);
  return { changes, upTo, missed };
}

/** True when entries after a position were removed before this page after it was read. */
export function hasGap(
  log: LogReader,
  table: TablePlan,
  { after, page }: { readonly after: number; readonly page: readonly Change[] },
): boolean {
  const start = log.logStart(table);
  const first = page[0]?.seq;
  return start > after && (first === undefined || first > start);
}
