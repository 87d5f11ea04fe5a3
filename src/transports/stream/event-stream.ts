import type { Duplex } from 'node:stream';
import { EXPIRED, REVOKED } from '../../auth/auth-errors.ts';
import { endIfExpired } from '../../auth/connections.ts';
import type { Identity } from '../../auth/identity.ts';
import type { AppError, ErrorCode } from '../../errors.ts';
import type { EndReason, Sink } from '../../hub/subscription.ts';
import type { ConnectionDescription } from '../../server/limits/connection-list.ts';
import { type Connection, type Opened, type SocketOwner, watchDrain } from '../connections.ts';
import { chunked, type Framing, formatEvent, LAST_CHUNK, plain } from './events.ts';

/** Milliseconds that a client has to read the last event before its connection is cut off. */
const MAX_FAREWELL_MS = 1000;
/** Milliseconds after which clients reconnect when the server stops: spread, so that they do not come all at once. */
const MIN_RETRY_MS = 1000;
const MAX_RETRY_MS = 5000;

const ENDS: Readonly<Record<Exclude<EndReason, 'refused'>, string>> = {
  slow: formatError('SLOW_CLIENT', 'The stream made no progress; resume it.'),
  failed: formatError('INTERNAL', 'The stream has failed; resume it.'),
  lost: formatError('SLOW_CLIENT', 'The stream fell too far behind; read the state again.'),
};

/** Formats the last event of a stream that ends for a reason. */
export function formatError(code: ErrorCode, message: string): string {
  return formatEvent('error', JSON.stringify({ code, message }));
}

/** An open stream of events: a sink, and its ends. */
export abstract class EventStream implements Connection, Sink, SocketOwner {
  abstract identity: Identity;
  release = noRelease;
  opened: Opened | undefined;
  readonly #output: Duplex;
  readonly #chunked: boolean;

  constructor(output: Duplex, isChunked: boolean) {
    this.#output = output;
    this.#chunked = isChunked;
    watchDrain(output, this);
    output.on('error', onError);
    output.once('close', () => {
      this.closed();
      this.release();
    });
  }

  /** Sent at each beat of a stream that has nothing else to send. */
  protected abstract get keepalive(): string;
  /** Called once when the stream has closed. */
  protected abstract closed(): void;
  /** Called when the socket has room again. */
  abstract drained(): void;
  abstract reauthorize(): void;
  abstract describe(): ConnectionDescription;

  get isChunked(): boolean {
    return this.#chunked;
  }

  get isOpen(): boolean {
    return this.#output.writable;
  }

  get carrier(): 'sse' {
    return 'sse';
  }

  get pending(): number {
    return this.#output.writableLength;
  }

  write(bytes: Buffer): void {
    if (this.isOpen && !endIfExpired(this)) this.#output.write(bytes);
  }

  /** Sends events to this client alone. */
  send(text: string): void {
    this.write(this.#framing(text));
  }

  /** A stream with events that wait is not idle, and a sign of life would only wait behind them. */
  beat(): void {
    if (this.pending === 0) this.send(this.keepalive);
  }

  ended(reason: EndReason, error?: AppError): void {
    const refusal = error === undefined ? ENDS.failed : formatError(error.code, error.message);
    this.end(reason === 'refused' ? refusal : ENDS[reason]);
  }

  /** Sends nothing: a stream cannot be continued with another token. Its client opens the next one in time. */
  expiring(_expiresAt: number): void {}

  expired(): void {
    this.end(formatError('UNAUTHORIZED', EXPIRED));
  }

  revoked(): void {
    this.end(formatError('FORBIDDEN', REVOKED));
  }

  abort(): void {
    this.#output.destroy();
  }

  stop(): void {
    this.#finish(`retry: ${MIN_RETRY_MS + Math.floor(Math.random() * (MAX_RETRY_MS - MIN_RETRY_MS + 1))}\n\n`);
  }

  /** Writes a last event and ends the stream. */
  end(text: string): void {
    this.#finish(text);
    setTimeout(() => this.#output.destroy(), MAX_FAREWELL_MS).unref();
  }

  #finish(text: string): void {
    if (!this.#output.writable) return;
    this.#output.write(this.#framing(text));
    if (this.#chunked) this.#output.write(LAST_CHUNK);
    this.#output.end();
  }

  get #framing(): Framing {
    return this.#chunked ? chunked : plain;
  }
}

function noRelease(): void {}

/** A peer that breaks off is not reported: `close` follows. */
function onError(): void {}
