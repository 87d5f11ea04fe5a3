import type { OverlaidQuery, OverlaidRows, Overlay, QueryAddress, WriteStep } from '../live/overlay.ts';
import type { Position } from '../live/subscription.ts';
import { makeOperation, nameSteps, type Operation, type PendingWrite } from './operation.ts';
import { type OverlayHost, QueryOverlay } from './query-overlay.ts';

type Id = string | number;

export interface OptimisticOptions {
  /** Primary keys of tables where it is not `id`: `{ Product: 'sku' }`. */
  readonly keys?: Readonly<Record<string, string>>;
}

/** Milliseconds after which the server is asked for its position, when no change told it. */
const FIRST_WAIT_MS = 50;
const MAX_WAIT_MS = 5_000;
/** The same for lists that do not show the record: they can wait, and many writes are confirmed by one question. */
const PATIENT_WAIT_MS = 1_600;

/**
 * Makes the option `optimistic` of `connect`: writes are shown in live lists at once, and taken back when they are refused.
 *
 * @param options names of primary keys
 * @example
 * ```ts
 * // page.ts
 * import { connect } from 'tablecast/client';
 * import { optimistic } from 'tablecast/optimistic';
 *
 * const client = connect<{ Task: { id: string; done: boolean } }>('https://example.com/my-app', {
 *   optimistic: optimistic(),
 * });
 * const list = client.tables.Task.live('', { onChange: (tasks) => console.log(tasks) });
 * await list.ready;
 * await client.tables.Task.patch('milk', { done: true }); // in the list before the server has answered
 * client.close();
 * ```
 */
export function optimistic(options: OptimisticOptions = {}): () => Overlay {
  return () => new PendingWrites(options);
}

/** Writes of one client that are shown before they are confirmed. */
class PendingWrites implements Overlay, OverlayHost {
  readonly #keys: Readonly<Record<string, string>>;
  readonly #writes = new Set<PendingWrite>();
  readonly #queries = new Set<QueryOverlay<unknown>>();
  /** Ends of the last write to each record. */
  readonly #last = new Map<string, Promise<unknown>>();
  compile: OverlayHost['compile'];

  constructor({ keys = {} }: OptimisticOptions) {
    this.#keys = keys;
    // Here long before the first list has its records.
    import('./conditions.ts').then(
      ({ compileConditions }) => {
        this.compile = compileConditions;
        for (const query of this.#queries) query.reconsider();
      },
      () => {},
    );
  }

  async write<V extends { readonly position: Position }>(
    steps: readonly WriteStep[],
    send: (steps: readonly WriteStep[]) => Promise<V>,
  ): Promise<V> {
    const named = nameSteps(steps, (table) => this.keyOf(table));
    const write = this.#show(named);
    try {
      const result = await this.#inTurn(write, () => {
        this.#markSent(write);
        return send(named);
      });
      write.position = result.position;
      this.#watch(write, FIRST_WAIT_MS);
      return result;
    } catch (thrown) {
      this.#writes.delete(write);
      throw thrown;
    } finally {
      this.#settle(write);
    }
  }

  attach<R>(query: OverlaidQuery<R>, of: QueryAddress): OverlaidRows<R> {
    const overlay = new QueryOverlay(query, of, this);
    this.#queries.add(overlay as QueryOverlay<unknown>);
    return overlay;
  }

  detach(query: object): void {
    this.#queries.delete(query as QueryOverlay<unknown>);
    this.#sweep();
  }

  operations(table: string): readonly Operation[] {
    return [...this.#writes].flatMap(({ operations }) => operations.filter((one) => one.table === table));
  }

  keyOf(table: string): string {
    return this.#keys[table] ?? 'id';
  }

  find(table: string, id: Id, besides: object): Readonly<Record<string, unknown>> | undefined {
    for (const query of this.#queries) {
      if (query === besides || query.table !== table || !query.isWhole) continue;
      const found = query.peek(id);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  moved(query: object): void {
    this.#sweep();
    if (this.#writes.size === 0) return;
    for (const other of this.#queries) if (other !== query && other.isStale) other.changed();
  }

  #sweep(): void {
    for (const write of [...this.#writes]) {
      if (write.position !== undefined && this.#waitingFor(write).length === 0) this.#writes.delete(write);
    }
  }

  #show(steps: readonly WriteStep[]): PendingWrite {
    const operations: Operation[] = [];
    const write: PendingWrite = { operations, isSent: false, position: undefined };
    operations.push(...steps.map((step) => makeOperation(write, step, this.keyOf(step.table))));
    this.#writes.add(write);
    this.#tell(write);
    return write;
  }

  /** Waits for the earlier writes to the same records, whose order would not be kept by the network. */
  async #inTurn<V>({ operations }: PendingWrite, run: () => Promise<V>): Promise<V> {
    const names = [...new Set(operations.map(({ table, id }) => JSON.stringify([table, String(id)])))];
    const before = names.flatMap((name) => this.#last.get(name) ?? []);
    const done = Promise.all(before).then(run);
    const ended = done.catch(() => {});
    for (const name of names) this.#last.set(name, ended);
    try {
      return await done;
    } finally {
      for (const name of names) if (this.#last.get(name) === ended) this.#last.delete(name);
    }
  }

  #markSent(write: PendingWrite): void {
    write.isSent = true;
    this.#eachCounting(write, (query, operation) => query.hold(operation));
  }

  #settle(write: PendingWrite): void {
    this.#eachCounting(write, (query, operation) => query.release(operation));
    this.#tell(write);
    this.#sweep();
  }

  #eachCounting({ operations }: PendingWrite, run: (query: QueryOverlay<unknown>, operation: Operation) => void): void {
    for (const operation of operations.filter(({ isRepeatable }) => !isRepeatable)) {
      for (const query of this.#queries) if (query.table === operation.table) run(query, operation);
    }
  }

  #tell({ operations }: PendingWrite): void {
    const tables = new Set(operations.map(({ table }) => table));
    for (const query of this.#queries) if (tables.has(query.table)) query.changed();
  }

  /** Returns the queries whose rows do not contain the write yet; with `isShown` those that show its records. */
  #waitingFor({ operations }: PendingWrite, isShown = false): QueryOverlay<unknown>[] {
    return [...this.#queries].filter((query) =>
      operations.some((one) => one.table === query.table && query.awaits(one) && (!isShown || query.concerns(one))),
    );
  }

  /** Asks for the position of lists that do not get the change, so that the write is confirmed there, too. */
  #watch(write: PendingWrite, wait: number): void {
    setTimeout(() => {
      if (!this.#writes.has(write)) return;
      for (const query of this.#waitingFor(write, wait < PATIENT_WAIT_MS)) query.catchUp();
      this.#watch(write, Math.min(wait * 2, MAX_WAIT_MS));
    }, wait);
  }
}
