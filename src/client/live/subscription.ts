import { randomId } from '../connection/backoff.ts';
import { type Environment, socketUrl } from '../connection/environment.ts';
import { FrameQueue } from '../connection/frame-queue.ts';
import { Link, type Refusal, type Status } from '../connection/link.ts';
import { type Ack, type Envelope, Outbox, type WriteReply } from '../connection/outbox.ts';
import { asError, TablecastError } from '../error.ts';
import { type Query, tableSearch, takeOut, withSearch } from '../query.ts';
import type { ChangeFrame, Frame, ReadyFrame, ResetFrame } from './frames.ts';
import { explainRefusal } from './refusal.ts';

export interface SubscribeOptions<R> {
  /** Subscribes to the record with this id instead of the table. */
  readonly id?: string | number;
  /** Continues after this seq. */
  readonly since?: number;
  /** Sends the stored state first; as on the server, the default is true for a record or a window, and false for a table. */
  readonly retained?: boolean;
  /** Frames that may be queued before the connection is paused until they are processed; also the bound of pending writes; 1000. */
  readonly buffer?: number;
  /** Id that scopes the `ref`s of this client; random by default. */
  readonly client?: string;
  /** Called for every Retained, Update, Delete and Publish; the next frame waits for the returned promise. */
  onChange?(frame: ChangeFrame<R>): unknown;
  /** Called before the full state is sent again: discard the state of earlier frames. */
  onReset?(frame: ResetFrame): unknown;
  onReady?(frame: ReadyFrame): unknown;
  onStatus?(status: Status): void;
  /** Called for errors that the server reports, and for the error that ended the subscription. */
  onError?(error: TablecastError): void;
}

interface ControlFrame extends WriteReply {
  readonly seq: number;
}

/** Close codes of protocol errors, which would occur again if the message were sent again. */
const FINAL_CLOSE_CODES = new Set([1002, 1003, 1007, 1009]);

/**
 * Subscription to a table or record that survives reconnects. Every change arrives once and in order; where that is
 * impossible, `reset` announces the full state. Frames are read by callbacks or by `for await`.
 */
export class Subscription<R> implements AsyncIterable<Frame<R>> {
  /** Resolves after `close`; rejects with the error that ended the subscription. */
  readonly ended: Promise<void>;
  readonly #environment: Environment;
  readonly #url: string;
  readonly #search: string;
  readonly #options: SubscribeOptions<R>;
  readonly #link: Link;
  readonly #outbox: Outbox;
  readonly #queue = new FrameQueue<Frame<R>>();
  readonly #buffer: number;
  #position: number | undefined;
  /** True between the start of a snapshot and `ready`, when there is no position to resume from. */
  #isPartial: boolean;
  #hasBegun = false;
  #wasReady = false;
  #isPumping = false;
  #status: Status = 'connecting';
  #error: TablecastError | undefined;
  #settle: () => void = () => {};

  /** `url` is the address of the table. */
  constructor(environment: Environment, url: string, query: Query | undefined, options: SubscribeOptions<R>) {
    const { id, buffer = 1000 } = options;
    const { rest, taken } = takeOut(tableSearch(query), 'since', 'retained', 'client');
    this.#environment = environment;
    this.#options = options;
    this.#buffer = buffer;
    this.#url = id === undefined ? url : `${url}/${encodeURIComponent(id)}`;
    this.#search = withSearch('', rest, `client=${options.client ?? taken.client ?? randomId()}`).slice(1);
    this.#position = options.since ?? (taken.since === undefined ? undefined : Number(taken.since));
    const isWhole = id !== undefined || /(?:^|&)(?:sort|limit|offset|cursor)=/.test(rest);
    const retained = options.retained ?? (taken.retained === undefined ? isWhole : taken.retained === 'true');
    this.#isPartial = this.#position === undefined && retained;
    this.ended = new Promise((resolve, reject) => {
      this.#settle = () => (this.#error === undefined ? resolve() : reject(this.#error));
    });
    if (options.onError !== undefined) this.ended.catch(() => {});
    this.#outbox = new Outbox(buffer, (text) => this.#link.send(text));
    this.#link = new Link(environment, this.#host());
    this.#link.connect();
  }

  /** Last received seq; undefined until the first snapshot is complete. */
  get position(): number | undefined {
    return this.#position;
  }

  get status(): Status {
    return this.#status;
  }

  /** Writes over this connection. Resolves when the write is committed, exactly once even over lost connections. */
  send(envelope: Envelope): Promise<Ack> {
    if (this.#link.isClosed) return Promise.reject(this.#error ?? closedError());
    return this.#outbox.add(envelope);
  }

  close(): void {
    this.#link.close();
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

  #host() {
    return {
      protocol: 'tablecast.json',
      ping: '{"message_type":"Ping"}',
      address: () => this.#address(),
      opened: () => this.#outbox.connected(),
      received: (data: unknown) => this.#receive(data),
      lost: (code: number, reason: string) => this.#connectionLost(code, reason),
      explainRefusal: () => this.#explainRefusal(),
      status: (status: Status) => {
        this.#status = status;
        this.#options.onStatus?.(status);
      },
      ended: (error?: TablecastError) => this.#end(error),
    };
  }

  #address(): string {
    const from =
      this.#isPartial || this.#position === undefined ? `retained=${this.#isPartial}` : `since=${this.#position}`;
    return withSearch(socketUrl(this.#url), this.#search, from);
  }

  #connectionLost(code: number, reason: string): void {
    const error = new TablecastError('PROTOCOL', reason || `The connection was closed with ${code}.`);
    this.#outbox.lost(FINAL_CLOSE_CODES.has(code) ? error : undefined);
    // A partial snapshot cannot be continued.
    if (this.#isPartial && this.#hasBegun) this.#deliver({ type: 'reset', reason: 'interrupted' });
    this.#hasBegun = false;
  }

  #explainRefusal(): Promise<Refusal> {
    const { id } = this.#options;
    return explainRefusal(this.#environment, {
      url: this.#url,
      search: this.#search,
      isTable: id === undefined && !this.#wasReady,
    });
  }

  #receive(data: unknown): void {
    const frame = JSON.parse(String(data)) as ChangeFrame<R> | ControlFrame;
    if ('message_type' in frame) this.#receiveChange(frame);
    else if (!this.#outbox.take(frame)) this.#receiveControl(frame);
  }

  #receiveChange(frame: ChangeFrame<R>): void {
    if (frame.message_type !== 'Retained') {
      if (this.#position !== undefined && frame.seq <= this.#position) return;
      // The position is reached with the last frame of a change.
      if (!this.#isPartial && frame.more === undefined) this.#position = frame.seq;
    }
    this.#hasBegun = true;
    this.#deliver(frame);
  }

  #receiveControl(frame: ControlFrame): void {
    const { type, seq, code = '', message = '', details } = frame;
    if (type === 'ready') {
      this.#isPartial = false;
      this.#wasReady = true;
      this.#position = Math.max(seq, this.#position ?? 0);
      this.#link.ready();
      this.#deliver(frame as ReadyFrame);
    } else if (type === 'reset') {
      this.#isPartial = true;
      this.#hasBegun = false;
      this.#position = undefined;
      this.#deliver(frame as unknown as ResetFrame);
    } else if (type === 'token_expiring') void this.#renew();
    else if (type === 'error') {
      this.#options.onError?.(new TablecastError(code, message, details && { errors: details }));
    }
  }

  /** Sends a newer token over the open connection. Without one the server closes with 4401 and the link reconnects. */
  async #renew(): Promise<void> {
    if (!this.#environment.canRenew) return;
    const token = await this.#environment.token(true).catch(() => undefined);
    if (token !== undefined) this.#link.send(JSON.stringify({ type: 'auth', token }));
  }

  #deliver(frame: Frame<R>): void {
    this.#queue.add(frame);
    void this.#pump();
    // A snapshot has to be complete before there is a position to resume from.
    if (this.#queue.size > this.#buffer && !this.#isPartial && this.#link.isOpen) this.#link.pause();
  }

  /** Calls the callbacks for the queued frames, one after the other. */
  async #pump(): Promise<void> {
    const { onChange, onReady, onReset } = this.#options;
    if (this.#isPumping || (onChange ?? onReady ?? onReset) === undefined) return;
    this.#isPumping = true;
    try {
      for (let frame = this.#queue.shift(); frame !== undefined; frame = this.#queue.shift()) {
        const done = this.#dispatch(frame);
        if (done instanceof Promise) await done;
      }
    } catch (thrown) {
      // After a callback has failed at one change, its state is unknown for the next.
      this.#link.close(asError(thrown, 'CALLBACK_FAILED'));
    } finally {
      this.#isPumping = false;
    }
    this.#resumeIfDrained();
  }

  #dispatch(frame: Frame<R>): unknown {
    if ('message_type' in frame) return this.#options.onChange?.(frame);
    return frame.type === 'ready' ? this.#options.onReady?.(frame) : this.#options.onReset?.(frame);
  }

  #resumeIfDrained(): void {
    if (this.#status === 'paused' && this.#queue.size === 0) {
      // Sent writes may not have arrived.
      this.#outbox.lost();
      this.#link.connect();
    }
  }

  #end(error: TablecastError | undefined): void {
    this.#error = error;
    this.#outbox.end(error ?? closedError());
    this.#queue.end();
    if (error !== undefined) this.#options.onError?.(error);
    this.#settle();
  }
}

function closedError(): TablecastError {
  return new TablecastError('CLOSED', 'The subscription is closed.');
}
