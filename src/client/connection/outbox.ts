import { type FieldError, TablecastError } from '../error.ts';
import { randomId } from './backoff.ts';

/** A write over a table's connection. */
export interface Envelope<R = unknown> {
  readonly message_type: 'Update' | 'Delete' | 'Publish';
  readonly id?: string | number | null;
  readonly data?: R;
  /** Only when the record's seq is this; null: only when there is no such record. */
  readonly if_seq?: number | null;
  /** What the write is known by when it is sent again; made, where it is missing. */
  readonly ref?: string | number;
}

/** The write is committed. */
export interface Ack {
  readonly type: 'ack';
  readonly ref: string | number;
  readonly id: string | number | null;
  readonly seq: number;
  /** It was sent before, and nothing was written this time. */
  readonly replayed?: true;
}

interface Waiting {
  readonly message: Envelope;
  isSent: boolean;
  resolve(ack: Ack): void;
  reject(error: TablecastError): void;
}

export interface Answer {
  readonly type?: string;
  readonly ref?: string | number;
  readonly code?: string;
  readonly message?: string;
  readonly details?: readonly FieldError[];
}

/** A little less than a server takes of one connection, unless it is configured otherwise: 50 a second, 100 in one go. */
const PER_SECOND = 40;
const IN_ONE_GO = 80;
const IN_PROGRESS_DELAY = 200;

/**
 * Writes until they are acknowledged. Whatever was not when a connection ended is sent again over the next one, with the
 * same `ref`, in the same order; the server does it once.
 */
export class Outbox {
  readonly #waiting = new Map<string | number, Waiting>();
  readonly #most: number;
  readonly #send: (text: string) => boolean;
  readonly #prefix = randomId().slice(0, 12);
  #lastRef = 0;
  #allowance = IN_ONE_GO;
  #allowedAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `send` says whether there is a connection. */
  constructor(most: number, send: (text: string) => boolean) {
    this.#most = most;
    this.#send = send;
  }

  add(envelope: Envelope): Promise<Ack> {
    const { ref = `${this.#prefix}-${++this.#lastRef}` } = envelope;
    if (this.#waiting.size >= this.#most || this.#waiting.has(ref)) {
      const code = this.#waiting.has(ref) ? 'IDEMPOTENCY_IN_PROGRESS' : 'BUFFER_FULL';
      return Promise.reject(new TablecastError(code, `${this.#waiting.size} writes wait for their answer.`));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.set(ref, { message: { ...envelope, ref }, isSent: false, resolve, reject });
      this.flush();
    });
  }

  /** There is a connection, and nothing was sent over it. */
  connected(): void {
    this.#allowance = IN_ONE_GO;
    this.#allowedAt = Date.now();
    this.flush();
  }

  /** Sends what was not sent over this connection, in the order in which it was given, and no faster than is taken. */
  flush(): void {
    for (const waiting of this.#waiting.values()) {
      if (waiting.isSent) continue;
      if (!this.#isAllowed() || !this.#send(JSON.stringify(waiting.message))) return;
      waiting.isSent = true;
      this.#allowance--;
    }
  }

  #isAllowed(): boolean {
    const now = Date.now();
    this.#allowance = Math.min(IN_ONE_GO, this.#allowance + ((now - this.#allowedAt) / 1000) * PER_SECOND);
    this.#allowedAt = now;
    if (this.#allowance >= 1) return true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.flush(), 1000 / PER_SECOND);
    return false;
  }

  /** Whether the frame was the answer to a write. */
  take(frame: Answer): boolean {
    const { type, ref, code = '', message = '', details } = frame;
    if (ref === undefined || (type !== 'ack' && type !== 'error')) return false;
    const waiting = this.#waiting.get(ref);
    if (waiting === undefined) return false;
    if (code === 'IDEMPOTENCY_IN_PROGRESS') {
      // The former connection's is not done yet.
      setTimeout(() => {
        waiting.isSent = false;
        this.flush();
      }, IN_PROGRESS_DELAY);
      return true;
    }
    this.#waiting.delete(ref);
    if (type === 'ack') waiting.resolve(frame as Ack);
    else waiting.reject(new TablecastError(code, message, details && { errors: details }));
    return true;
  }

  /** The connection is lost. `error`: because of what was sent over it, which therefore is not sent again. */
  lost(error?: TablecastError): void {
    for (const [ref, waiting] of [...this.#waiting]) {
      if (waiting.isSent && error !== undefined) {
        this.#waiting.delete(ref);
        waiting.reject(error);
      }
      waiting.isSent = false;
    }
  }

  /** Nothing is sent any more. */
  end(error: TablecastError): void {
    clearTimeout(this.#timer);
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
