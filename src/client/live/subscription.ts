import { randomId } from '../connection/backoff.ts';
import { type Environment, socketUrl } from '../connection/environment.ts';
import { FrameQueue } from '../connection/frame-queue.ts';
import { Link, type Refusal, type Status } from '../connection/link.ts';
import { type Ack, type Answer, type Envelope, Outbox } from '../connection/outbox.ts';
import { asError, TablecastError } from '../error.ts';
import { type Query, tableSearch, takeOut, withSearch } from '../query.ts';
import type { ChangeFrame, Frame, ReadyFrame, ResetFrame } from './frames.ts';
import { whyRefused } from './why-refused.ts';

export interface SubscribeOptions<R> {
  /** The channel of one record. */
  readonly id?: string | number;
  /** Goes on after this seq. */
  readonly since?: number;
  /** First what is stored; as on the server, true for a record and false for a table. */
  readonly retained?: boolean;
  /** Frames that may wait to be taken before the connection is closed until they were, and writes for their answer; 1000. */
  readonly buffer?: number;
  /** The id under which this client's `ref`s are known; made at random. */
  readonly client?: string;
  /** Every Retained, Update, Delete and Publish; the next one waits for its promise. */
  onChange?(frame: ChangeFrame<R>): unknown;
  /** Everything that was told before is to be forgotten. */
  onReset?(frame: ResetFrame): unknown;
  onReady?(frame: ReadyFrame): unknown;
  onStatus?(status: Status): void;
  /** What the server complained about, and the error with which the subscription has ended. */
  onError?(error: TablecastError): void;
}

interface Control extends Answer {
  readonly seq: number;
}

/** What would be wrong again if it were sent again. */
const UNREPEATABLE = new Set([1002, 1003, 1007, 1009]);

/**
 * The live channel of a table or record, over connections that come and go. Every change is told once and in order;
 * where that is not possible, `reset` comes before the state afresh. It is taken by callbacks or by `for await`.
 */
export class Subscription<R> implements AsyncIterable<Frame<R>> {
  /** Resolves when it was closed, rejects with the error that ended it. */
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
  /** Between the beginning of a snapshot and `ready` there is no position to come back to. */
  #isPartial: boolean;
  #hasBegun = false;
  #wasReady = false;
  #isPumping = false;
  #status: Status = 'connecting';
  #error: TablecastError | undefined;
  #settle: () => void = () => {};

  /** `url`: of the table. */
  constructor(environment: Environment, url: string, query: Query | undefined, options: SubscribeOptions<R>) {
    const { id, buffer = 1000 } = options;
    const { rest, taken } = takeOut(tableSearch(query), 'since', 'retained', 'client');
    this.#environment = environment;
    this.#options = options;
    this.#buffer = buffer;
    this.#url = id === undefined ? url : `${url}/${encodeURIComponent(id)}`;
    this.#search = withSearch('', rest, `client=${options.client ?? taken.client ?? randomId()}`).slice(1);
    this.#position = options.since ?? (taken.since === undefined ? undefined : Number(taken.since));
    const retained = options.retained ?? (taken.retained === undefined ? id !== undefined : taken.retained === 'true');
    this.#isPartial = this.#position === undefined && retained;
    this.ended = new Promise((resolve, reject) => {
      this.#settle = () => (this.#error === undefined ? resolve() : reject(this.#error));
    });
    if (options.onError !== undefined) this.ended.catch(() => {});
    this.#outbox = new Outbox(buffer, (text) => this.#link.send(text));
    this.#link = new Link(environment, this.#host());
    this.#link.connect();
  }

  /** seq of the last change that came; undefined until the state is whole. */
  get position(): number | undefined {
    return this.#position;
  }

  get status(): Status {
    return this.#status;
  }

  /** Writes over this connection. Resolves when it is committed, which over lost connections it is once. */
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
        this.#taken();
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
      lost: (code: number, reason: string) => this.#lost(code, reason),
      whyRefused: () => this.#whyRefused(),
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

  #lost(code: number, reason: string): void {
    const error = new TablecastError('PROTOCOL', reason || `The connection was closed with ${code}.`);
    this.#outbox.lost(UNREPEATABLE.has(code) ? error : undefined);
    // Half a snapshot cannot be continued.
    if (this.#isPartial && this.#hasBegun) this.#deliver({ type: 'reset', reason: 'interrupted' });
    this.#hasBegun = false;
  }

  #whyRefused(): Promise<Refusal> {
    const { id } = this.#options;
    return whyRefused(this.#environment, {
      url: this.#url,
      search: this.#search,
      isTable: id === undefined && !this.#wasReady,
    });
  }

  #receive(data: unknown): void {
    const frame = JSON.parse(String(data)) as ChangeFrame<R> | Control;
    if ('message_type' in frame) this.#change(frame);
    else if (!this.#outbox.take(frame)) this.#control(frame);
  }

  #change(frame: ChangeFrame<R>): void {
    if (frame.message_type !== 'Retained') {
      if (this.#position !== undefined && frame.seq <= this.#position) return;
      if (!this.#isPartial) this.#position = frame.seq;
    }
    this.#hasBegun = true;
    this.#deliver(frame);
  }

  #control(frame: Control): void {
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

  /** A newer token on the open connection; where there is none, the connection ends with 4401 and begins anew. */
  async #renew(): Promise<void> {
    if (!this.#environment.canRenew) return;
    const token = await this.#environment.token(true).catch(() => undefined);
    if (token !== undefined) this.#link.send(JSON.stringify({ type: 'auth', token }));
  }

  #deliver(frame: Frame<R>): void {
    this.#queue.add(frame);
    void this.#pump();
    // A snapshot has to be whole before there is a position to come back to.
    if (this.#queue.size > this.#buffer && !this.#isPartial && this.#link.isOpen) this.#link.pause();
  }

  /** Hands the frames to the callbacks, one after the other. */
  async #pump(): Promise<void> {
    const { onChange, onReady, onReset } = this.#options;
    if (this.#isPumping || (onChange ?? onReady ?? onReset) === undefined) return;
    this.#isPumping = true;
    try {
      for (let frame = this.#queue.shift(); frame !== undefined; frame = this.#queue.shift()) {
        const done = this.#tell(frame);
        if (done instanceof Promise) await done;
      }
    } catch (thrown) {
      // Who has failed at one change cannot be told the next.
      this.#link.close(asError(thrown, 'CALLBACK_FAILED'));
    } finally {
      this.#isPumping = false;
    }
    this.#taken();
  }

  #tell(frame: Frame<R>): unknown {
    if ('message_type' in frame) return this.#options.onChange?.(frame);
    return frame.type === 'ready' ? this.#options.onReady?.(frame) : this.#options.onReset?.(frame);
  }

  #taken(): void {
    if (this.#status === 'paused' && this.#queue.size === 0) {
      // What was sent is not known to have arrived.
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
