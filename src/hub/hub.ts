import type { ChannelsConfig } from '../config/config.ts';
import { AppError } from '../errors.ts';
import type { Feed } from '../events/feed.ts';
import type { TablePlan } from '../schema/plan.ts';
import type { Change, LogReader, RecordKey, RecordReader, RelatedReader } from '../store/store.ts';
import { HeldGroups } from './aggregates/held-groups.ts';
import { CatchUp } from './catch-up/catch-up.ts';
import type { CatchUpContext, Start } from './catch-up/context.ts';
import { ChangeView } from './change-view.ts';
import { Channel } from './channel.ts';
import { Dependents } from './dependencies/dependents.ts';
import { WindowLostError } from './dependencies/keys.ts';
import type { RelatedLimits } from './dependencies/related-history.ts';
import type { Encoding, ResetReason } from './encode.ts';
import { Flusher } from './fan-out/flusher.ts';
import { ReadScheduler } from './fan-out/read-scheduler.ts';
import { SlowClients } from './fan-out/slow-clients.ts';
import { EVERYTHING, type Selection } from './selection.ts';
import type { GroupHost, ShapeGroup } from './shape-group.ts';
import { type EndReason, type Sink, Subscription } from './subscription.ts';

export interface HubSubscribeOptions {
  readonly table: TablePlan;
  /** Key of one record; undefined for the whole table. */
  readonly id?: RecordKey;
  readonly encoding: Encoding;
  readonly selection?: Selection;
  readonly sink: Sink;
  /** Resumes after this seq. Wins over `retained`. */
  readonly since?: number;
  /** Reason to reset: what was sent to the sink before is no longer valid. Sends `reset` and what is stored. Wins over `since`. */
  readonly reset?: ResetReason;
  /** Sends what is stored first. */
  readonly retained?: boolean;
  /** Lets the subscriber leave out the changes that it made itself: `Subscription.mute`. */
  readonly suppressEcho?: boolean;
}

export interface HubOptions {
  readonly store: RecordReader & RelatedReader & LogReader;
  readonly feed: Feed;
  readonly channels: Pick<ChannelsConfig, 'slowClientTimeout' | 'clientBuffer'>;
  /** Maximum of groups that live totals hold in all; absent for any number. */
  readonly maxHeldGroups?: number;
  /** Absent for the defaults of config.yaml. */
  readonly relatedLimits?: RelatedLimits | undefined;
  /** Entries or records that are read at once. */
  readonly replayPage: number;
  /** Receives an internal error that made a subscription fail; the hub ends the subscription. */
  onError(error: unknown): void;
}

interface TableChannels {
  readonly table: Channel;
  readonly records: Map<RecordKey, Channel>;
}

/** Channels and their subscriptions: receives committed changes from the feed and writes them to every sink. */
export class Hub {
  readonly #options: HubOptions;
  readonly #channels = new Map<TablePlan, TableChannels>();
  readonly #flusher: Flusher<Subscription, ShapeGroup>;
  readonly #slowClients: SlowClients<Subscription>;
  readonly #context: CatchUpContext;
  readonly #groupHost: GroupHost = {
    serve: (group) => this.#flusher.serve(group),
    opened: (group) => this.#opened.add(group),
    failed: ({ live, states }, error) => {
      for (const state of states) state.drop();
      // Too much has changed for the state to be followed, or it is refused: its subscriptions get it again, or end.
      if (!(error instanceof WindowLostError || isRefusal(error))) this.#options.onError(error);
      for (const subscription of [...live]) this.#lag(subscription);
    },
  };
  readonly #heldGroups: HeldGroups;
  readonly #dependents: Dependents;
  /** Groups that have frames of the transaction whose changes are being delivered. */
  readonly #opened = new Set<ShapeGroup>();
  #size = 0;
  #rewinds = 0;
  #closed = false;

  constructor(options: HubOptions) {
    this.#options = options;
    const { store, feed, replayPage, channels, relatedLimits, maxHeldGroups = Number.POSITIVE_INFINITY } = options;
    this.#heldGroups = new HeldGroups(maxHeldGroups);
    this.#slowClients = new SlowClients(channels.slowClientTimeout, (subscription) => this.#end(subscription, 'slow'));
    this.#flusher = new Flusher({
      clientBuffer: channels.clientBuffer,
      flushed: (group) => group.flushed(feed.head),
      lagging: (subscription) => this.#lag(subscription),
    });
    const reads = new ReadScheduler();
    this.#context = {
      store,
      relatedLimits,
      page: replayPage,
      clientBuffer: channels.clientBuffer,
      acquireRead: () => reads.acquire(),
      waitForDrain: (subscription) => this.#slowClients.wait(subscription),
      rewinds: () => this.#rewinds,
      isOpen: () => !this.#closed,
      join: (subscription) => this.#join(subscription),
      expire: (subscription) => this.#end(subscription, 'lost'),
    };
    this.#dependents = new Dependents({
      store,
      relatedLimits,
      ...this.#groupHost,
      overwhelmed: ({ live }) => {
        for (const subscription of [...live]) this.#lag(subscription, { from: 'reset', reason: 'related_changed' });
      },
      isOpen: () => !this.#closed,
    });
    feed.listen({
      changes: (changes) => this.#deliver(changes),
      missed: (table) => this.#missed(table),
      rewound: (tables) => this.#rewound(tables),
    });
  }

  /** Number of open subscriptions. */
  get size(): number {
    return this.#size;
  }

  /** Number of subscriptions that a change of this record (or, without an id, a message to the table) reaches. */
  audience(table: TablePlan, id: RecordKey | null): number {
    const channels = this.#channels.get(table);
    if (channels === undefined) return 0;
    return channels.table.audience + (id === null ? 0 : (channels.records.get(id)?.audience ?? 0));
  }

  /** Opens a subscription. Its first frames may be written before this returns. */
  subscribe(options: HubSubscribeOptions): Subscription {
    const { table, id, encoding, sink, since } = options;
    const channel = this.#openChannel(table, id);
    const group = channel.group(encoding, options.selection ?? EVERYTHING, this.#options.feed.head);
    if (group.selection.dependent !== undefined) {
      group.dependents = this.#dependents;
      this.#dependents.add(group, channel);
    }
    const subscription = new Subscription(channel, group, sink, since ?? 0);
    if (options.suppressEcho) subscription.suppressedSeqs = new Set();
    group.lagging++;
    this.#size++;
    this.#catchUp(subscription, startOf(options));
    return subscription;
  }

  /** seq up to which everything was written to the subscription's sink, or is not for it; undefined during a snapshot. */
  positionOf({ state, group, cursor, position, inSnapshot, openSince }: Subscription): number | undefined {
    if (inSnapshot) return undefined;
    if (openSince !== undefined) return openSince;
    if (state !== 'live') return position;
    if (cursor >= group.endOffset) return Math.max(position, group.settled(this.#options.feed.head));
    return cursor < group.offset ? position : Math.max(position, group.seqAt(cursor) - 1);
  }

  /** Ends a subscription; nothing is written to its sink any more. */
  unsubscribe(subscription: Subscription): void {
    const { group, channel, state } = subscription;
    if (state === 'closed') return;
    if (state === 'live') group.remove(subscription);
    else group.lagging--;
    subscription.state = 'closed';
    this.#size--;
    subscription.drained();
    channel.removeIfEmpty(group);
    if (group.selection.dependent !== undefined && group.live.length + group.lagging === 0)
      this.#dependents.remove(group);
    if (channel.id !== undefined && channel.size === 0) {
      this.#channels.get(channel.table)?.records.delete(channel.id);
    }
  }

  /** Stops reading from the store. */
  close(): void {
    this.#closed = true;
    this.#slowClients.stop();
  }

  #openChannel(table: TablePlan, id: RecordKey | undefined): Channel {
    const { store, relatedLimits } = this.#options;
    let channels = this.#channels.get(table);
    if (channels === undefined) {
      const { feed } = this.#options;
      const delivered = () => feed.head;
      const settled = () => this.#dependents.settled(feed.head);
      const from = { store, table, relatedLimits, delivered, settled, heldGroups: this.#heldGroups };
      channels = { table: new Channel(table, undefined, from), records: new Map() };
      this.#channels.set(table, channels);
    }
    if (id === undefined) return channels.table;
    let channel = channels.records.get(id);
    if (channel === undefined) {
      channel = new Channel(table, id);
      channels.records.set(id, channel);
    }
    return channel;
  }

  #deliver(changes: readonly Change[]): void {
    let transaction: number | undefined;
    for (const change of changes) {
      if (this.#opened.size > 0 && change.transaction !== transaction) this.#endTransaction();
      transaction = change.transaction;
      const channels = this.#channels.get(change.table);
      if (channels === undefined) continue;
      const view = new ChangeView(change);
      channels.table.append(view, this.#groupHost);
      if (change.id !== null) channels.records.get(change.id)?.append(view, this.#groupHost);
    }
    if (this.#opened.size > 0) this.#endTransaction();
    this.#dependents.deliver(changes);
  }

  #endTransaction(): void {
    for (const group of this.#opened) group.endTransaction(this.#groupHost);
    this.#opened.clear();
  }

  /** Called when changes left the log unread: live subscriptions read it themselves, which shows what each of them lacks. */
  #missed(table: TablePlan): void {
    this.#dependents.missed(table);
    for (const { live } of this.#dependents.groupsOn(table))
      for (const subscription of [...live]) this.#lag(subscription);
    const channels = this.#channels.get(table);
    if (channels === undefined) return;
    for (const { states } of channels.table.groups()) for (const state of states) state.drop();
    for (const channel of [channels.table, ...channels.records.values()]) {
      for (const { live } of channel.groups()) for (const subscription of [...live]) this.#lag(subscription);
    }
  }

  /** Called when changes that were delivered have never happened: every subscriber gets its state again. */
  #rewound(tables: readonly TablePlan[]): void {
    this.#rewinds++;
    for (const table of tables) this.#dependents.missed(table);
    const channels = [...this.#channels.values()].flatMap(({ table, records }) => [table, ...records.values()]);
    for (const { live, states } of channels.flatMap((channel) => [...channel.groups()])) {
      for (const state of states) state.drop();
      for (const subscription of [...live]) this.#lag(subscription, { from: 'reset', reason: 'position_unknown' });
    }
  }

  #catchUp(subscription: Subscription, start: Start): void {
    new CatchUp(this.#context, subscription, start).run(start).catch((error: unknown) => {
      // A read that was under way when the subscription ended may have met a store that is closed by now.
      if (subscription.state === 'closed') return;
      if (isRefusal(error)) return this.#end(subscription, 'refused', error);
      this.#options.onError(error);
      this.#end(subscription, 'failed');
    });
  }

  #lag(subscription: Subscription, start: Start = { from: 'behind' }): void {
    const { group } = subscription;
    group.remove(subscription);
    subscription.state = 'behind';
    group.lagging++;
    this.#catchUp(subscription, start);
  }

  #join(subscription: Subscription): void {
    const { group } = subscription;
    subscription.state = 'live';
    subscription.cursor = group.cursorAfter(subscription.position);
    group.lagging--;
    if (group.add(subscription)) this.#flusher.serve(group);
  }

  #end(subscription: Subscription, reason: EndReason, error?: AppError): void {
    if (subscription.state === 'closed') return;
    this.unsubscribe(subscription);
    subscription.sink.ended(reason, error);
  }
}

/** True for the errors of a query that a list would be refused with, too. */
function isRefusal(error: unknown): error is AppError {
  return error instanceof AppError && (error.code === 'TOO_MANY_GROUPS' || error.code === 'SCAN_TOO_LARGE');
}

function startOf({ reset, since, retained }: HubSubscribeOptions): Start {
  if (reset !== undefined) return { from: 'reset', reason: reset };
  if (since !== undefined) return { from: 'position' };
  return { from: retained ? 'snapshot' : 'now' };
}
