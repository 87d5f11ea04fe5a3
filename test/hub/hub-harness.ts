import { onTestFinished } from 'vitest';
import { type MemoryBus, ring } from '../../src/events/bus.ts';
import type { Feed } from '../../src/events/feed.ts';
import type { Hub, HubSubscribeOptions } from '../../src/hub/hub.ts';
import type { EndReason, Sink, Subscription } from '../../src/hub/subscription.ts';
import type { TablePlan } from '../../src/schema/plan.ts';
import type { Write } from '../../src/store/rows/write.ts';
import type { SqliteStore } from '../../src/store/sqlite/store.ts';
import type { Change, LogReader, RecordReader, RelatedReader } from '../../src/store/store.ts';
import { onlyTable, StoreFolder } from '../store/stores.ts';
import { Engine, LINES } from '../support/engine.ts';

export const SDL = 'type T @table { id: ID! @primaryKey n: Int text: String }';

export interface Line {
  readonly type: string;
  readonly op?: string;
  readonly id?: string | null;
  readonly seq: number;
  readonly reason?: string;
  readonly data?: Record<string, unknown>;
}

/** Records the lines that are written to it. Its reader accepts everything at once, or nothing until `resume`. */
export class Reader implements Sink {
  pending = 0;
  reads = true;
  end: EndReason | undefined;
  subscription: Subscription | undefined;
  readonly lines: Line[] = [];
  readonly writes: number[] = [];
  onWrite: (() => void) | undefined;

  write(bytes: Buffer): void {
    if (!this.reads) this.pending += bytes.length;
    this.writes.push(bytes.length);
    for (const text of bytes.toString().trimEnd().split('\n')) this.lines.push(JSON.parse(text) as Line);
    this.onWrite?.();
  }

  ended(reason: EndReason): void {
    this.end = reason;
  }

  /** Accepts what waited and everything from now on. */
  resume(): void {
    this.reads = true;
    this.pending = 0;
    this.subscription?.drained();
  }

  get types(): string[] {
    return this.lines.map(({ type }) => type);
  }

  /** Lines of changes. */
  get changes(): Line[] {
    return this.lines.filter(({ op }) => op !== undefined && op !== 'retained');
  }
}

export interface HubHarnessOptions {
  readonly replayPage?: number;
  readonly clientBuffer?: number;
  readonly slowClientTimeout?: number;
  readonly maxCount?: number;
  /** Folder of the store; a new one by default. */
  readonly folder?: StoreFolder;
  /** Wraps the store for the hub. */
  wrap?(store: SqliteStore): RecordReader & RelatedReader & LogReader;
}

/** Store, feed and hub; writes are committed and delivered at once. */
export class HubHarness {
  readonly store: SqliteStore;
  readonly table: TablePlan;
  readonly bus: MemoryBus;
  readonly feed: Feed;
  readonly hub: Hub;
  readonly faults: unknown[];
  readonly history: Change[] = [];

  constructor(options: HubHarnessOptions = {}) {
    const { replayPage = 500, clientBuffer = 100_000, slowClientTimeout = 60_000, maxCount = 100_000 } = options;
    const folder = options.folder ?? new StoreFolder();
    const opened = folder.open(SDL, { events: { retention: 86_400_000, maxCount, replayPage } });
    this.store = opened.store;
    this.table = onlyTable(opened);
    const engine = new Engine({
      ...{ store: this.store, tables: [this.table], hubStore: options.wrap?.(this.store) },
      ...{ replayPage, clientBuffer, slowClientTimeout },
    });
    this.bus = engine.bus;
    this.feed = engine.feed;
    this.hub = engine.hub;
    this.faults = engine.faults;
    onTestFinished(() => this.hub.close());
  }

  write(...writes: readonly (Omit<Write, 'table'> | Write)[]): number {
    const result = this.store.commit([writes.map((one) => ({ ...one, table: this.table }) as Write)]);
    this.history.push(...result.changes);
    if (result.changes.length > 0) ring(this.bus, result);
    return this.feed.head;
  }

  put(id: string, n: number, text: string | null = null): number {
    return this.write({ type: 'put', id, cells: [id, n, text] } as never);
  }

  remove(id: string): number {
    return this.write({ type: 'delete', id } as never);
  }

  publish(id: string | null, data: unknown): number {
    return this.write({ type: 'publish', id, data: JSON.stringify(data) } as never);
  }

  subscribe(options: Partial<HubSubscribeOptions> = {}, sink = new Reader()): Reader {
    sink.subscription = this.hub.subscribe({ table: this.table, encoding: LINES, sink, ...options });
    return sink;
  }

  /** Lets the event loop turn until the condition holds. */
  async until(holds: () => boolean): Promise<void> {
    for (let turn = 0; !holds(); turn++) {
      if (turn > 20_000) throw new Error('the condition does not come to hold');
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
