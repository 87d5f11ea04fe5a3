import { FrameQueue } from '../connection/frame-queue.ts';
import type { Status } from '../connection/link.ts';
import type { Ack, Envelope } from '../connection/outbox.ts';
import { asError, closedError, type TablecastError } from '../error.ts';
import { encode, type Query, tableSearch, takeOut, withSearch } from '../query.ts';
import type { Channel } from '../wire/channel.ts';
import type { LiveConnection } from '../wire/connection.ts';
import type { ConnectionPool } from '../wire/pool.ts';
import type { ChangeFrame, Frame, ReadyFrame, ResetFrame, TotalFrame } from './frames.ts';

/** Position in the log of the server, to be stored and given back; what is in it is the server's affair. */
export type Position = number;

export interface SubscribeOptions<R> {
  /** Subscribes to the record with this id instead of the table. */
  readonly id?: string | number;
  /** Continues after this position. */
  readonly since?: Position | string;
  /** Sends the stored state first; as on the server, the default is true for a record or a window, and false for a table. */
  readonly retained?: boolean;
  /** Frames that may be queued before the subscription is paused until they are processed; 1000. A transaction is queued whole. */
  readonly buffer?: number;
  /** Id that scopes the `ref`s of this client, over a connection of its own; by default that of the client, made at random. */
  readonly client?: string;
  /** Called for every Retained, Update, Delete and Publish; the next frame waits for the returned promise. */
  onChange?(frame: ChangeFrame<R>): unknown;
  /** Called before the full state is sent again: discard the state of earlier frames. */
  onReset?(frame: ResetFrame): unknown;
  onReady?(frame: ReadyFrame): unknown;
  /** Called with `count=true`, after a change of the number of matching records that has no other frame here. */
  onTotal?(frame: TotalFrame): unknown;
  onStatus?(status: Status): void;
  /** Called for the error that ended the subscription. */
  onError?(error: TablecastError): void;
}

export interface ChannelOptions<R> extends SubscribeOptions<R> {
  /** True for the subscription of a list. */
  readonly isList?: boolean;
}

/**
 * Subscription to a table or record that survives reconnects. Every change arrives once and in order; where that is
 * impossible, `reset` announces the full state. Frames are read by callbacks or by `for await`.
 */
export class Subscription<R> implements AsyncIterable<Frame<R>> {
  /** Resolves after `close`; rejects with the error that ended the subscription. */
  readonly ended: Promise<void>;
  readonly #table: string;
  readonly #options: SubscribeOptions<R>;
  readonly #connection: LiveConnection;
  readonly #channel: Channel;
  readonly #queue = new FrameQueue<Frame<R>>();
  readonly #buffer: number;
  #position: Position | undefined;
  /** True between the start of a snapshot and `ready`, when there is no position to resume from. */
  #isPartial: boolean;
  readonly #retained: boolean;
  #hasBegun = false;
  #isPumping = false;
  #status: Status | undefined;
  #error: TablecastError | undefined;
  #settle: () => void = () => {};

  constructor(pool: ConnectionPool, table: string, query: Query | undefined, options: ChannelOptions<R>) {
    const { id, buffer = 1000, isList = false } = options;
    const { rest, taken } = takeOut(tableSearch(query), 'since', 'retained', 'client');
    this.#table = table;
    this.#options = options;
    this.#buffer = buffer;
    const since = options.since ?? taken.since;
    this.#position = since === undefined ? undefined : Number(since);
    const isState = id !== undefined || /(?:^|&)(?:aggregate|sort|limit|offset|cursor)=/.test(rest);
    const retained = options.retained ?? (taken.retained === undefined ? isState : taken.retained === 'true');
    this.#isPartial = this.#position === undefined && retained;
    this.#retained = retained;
    this.ended = new Promise((resolve, reject) => {
      this.#settle = () => (this.#error === undefined ? resolve() : reject(this.#error));
    });
    if (options.onError !== undefined) this.ended.catch(() => {});
    const path = id === undefined ? encode(table) : `${encode(table)}/${encodeURIComponent(id)}`;
    this.#channel = this.#makeChannel(withSearch(path, rest), isList);
    this.#connection = pool.connection(options.client ?? taken.client);
    this.#connection.attach(this.#channel);
  }

  /** Last position that was received; undefined until the first snapshot is complete. */
  get position(): Position | undefined {
    return this.#position;
  }

  get status(): Status {
    return this.#status ?? 'connecting';
  }

  /** Error that ended the subscription. */
  get error(): TablecastError | undefined {
    return this.#error;
  }

  /** Writes over this connection. Resolves when the write is committed, exactly once even over lost connections. */
  send(envelope: Envelope): Promise<Ack> {
    if (this.#status === 'closed') return Promise.reject(this.#error ?? closedError('subscription'));
    return this.#connection.write(this.#table, envelope, this.#options.id);
  }

  /**
   * Asks for the current position of the server, which changes that are not for this subscription do not tell: `onReady`
   * is called with it, after the changes before it.
   */
  catchUp(): void {
    if (this.#status === 'live' && !this.#isPartial) this.#connection.renew(this.#channel);
  }

  close(): void {
    if (this.#status === 'closed') return;
    this.#connection.detach(this.#channel);
    this.#end(undefined);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Frame<R>, void, undefined> {
    this.ended.catch(() => {});
    try {
      for (;;) {
        const frame = await this.#queue.next();
        this.#resumeIfDrained();
        if (frame === undefined) break;
        yield frame;
      }
      if (this.#error !== undefined) throw this.#error;
    } finally {
      this.close();
    }
  }

  #makeChannel(query: string, isList: boolean): Channel {
    return {
      isList,
      start: () => {
        if (this.#isPartial) return { query };
        return { query, ...(this.#position === undefined ? { snapshot: false } : { since: String(this.#position) }) };
      },
      received: (frame) => this.#receive(frame as Frame<R>),
      lost: () => this.#interrupt(),
      restart: () => this.#restart(),
      status: (status) => this.#setStatus(status),
      ended: (error) => this.#end(error),
    };
  }

  #setStatus(status: Status): void {
    // A subscription that has paused itself is not on the connection.
    if (status === this.#status || this.#status === 'closed') return;
    this.#status = status;
    this.#options.onStatus?.(status);
  }

  /** Forgets what was told to another user: the state follows for the one that is logged in now. */
  #restart(): void {
    if (!this.#retained) return;
    this.#isPartial = true;
    this.#position = undefined;
    this.#hasBegun = false;
    this.#deliver({ type: 'reset', reason: 'rights_changed' });
  }

  /** Discards a partial snapshot, which cannot be continued. */
  #interrupt(): void {
    if (this.#isPartial && this.#hasBegun) {
      this.#deliver({ type: 'reset', reason: 'interrupted' });
    }
    this.#hasBegun = false;
  }

  #receive(frame: Frame<R>): void {
    if ('message_type' in frame || frame.type === 'total') this.#receiveChange(frame);
    else if (frame.type === 'ready') {
      this.#isPartial = false;
      this.#position = Math.max(frame.seq, this.#position ?? 0);
      this.#setStatus('live');
      this.#deliver(frame);
    } else {
      this.#isPartial = true;
      this.#hasBegun = false;
      this.#position = undefined;
      this.#deliver(frame);
    }
  }

  #receiveChange(frame: ChangeFrame<R> | TotalFrame): void {
    if (!('op' in frame && frame.op === 'retained')) {
      if (this.#position !== undefined && frame.seq <= this.#position) return;
      // The position is reached with the last frame of a change or a transaction.
      if (!this.#isPartial && frame.more === undefined) this.#position = frame.tx ?? frame.seq;
    }
    this.#hasBegun = true;
    this.#deliver(frame);
  }

  #deliver(frame: Frame<R>): void {
    if (this.#status === 'closed') return;
    this.#queue.add(frame);
    void this.#pump();
    // A snapshot or a transaction has to be complete before there is a position to resume from.
    const isWhole = !this.#isPartial && !('more' in frame && frame.more);
    if (this.#queue.size > this.#buffer && isWhole && this.#status === 'live') {
      this.#connection.detach(this.#channel);
      this.#setStatus('paused');
    }
  }

  /** Calls the callbacks for the queued frames, one after the other. */
  async #pump(): Promise<void> {
    const { onChange, onReady, onReset, onTotal } = this.#options;
    if (this.#isPumping || (onChange ?? onReady ?? onReset ?? onTotal) === undefined) return;
    this.#isPumping = true;
    try {
      for (let frame = this.#queue.shift(); frame !== undefined; frame = this.#queue.shift()) {
        const done = this.#dispatch(frame);
        if (done instanceof Promise) await done;
      }
    } catch (thrown) {
      // After a callback has failed at one change, its state is unknown for the next.
      this.#connection.detach(this.#channel);
      this.#end(asError(thrown, 'CALLBACK_FAILED'));
    } finally {
      this.#isPumping = false;
    }
    this.#resumeIfDrained();
  }

  #dispatch(frame: Frame<R>): unknown {
    const on = this.#options;
    if ('message_type' in frame) return on.onChange?.(frame);
    if (frame.type === 'total') return on.onTotal?.(frame);
    return frame.type === 'ready' ? on.onReady?.(frame) : on.onReset?.(frame);
  }

  #resumeIfDrained(): void {
    if (this.#status === 'paused' && this.#queue.size === 0) this.#connection.attach(this.#channel);
  }

  #end(error: TablecastError | undefined): void {
    if (this.#status === 'closed') return;
    this.#error = error;
    this.#setStatus('closed');
    this.#queue.end();
    if (error !== undefined) this.#options.onError?.(error);
    this.#settle();
  }
}
