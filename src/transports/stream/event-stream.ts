import type { Duplex } from 'node:stream';
import type { ErrorCode } from '../../errors.ts';
import type { EndReason, Sink } from '../../hub/subscription.ts';
import { type SocketOwner, watchDrain } from '../socket-sink.ts';
import { chunked, type Framing, formatEvent, LAST_CHUNK, plain } from './events.ts';

const ENDS: Readonly<Record<EndReason, string>> = {
  slow: formatError('SLOW_CLIENT', 'The stream made no progress; resume it.'),
  failed: formatError('INTERNAL', 'The stream failed on our side; resume it.'),
  lost: formatError('SLOW_CLIENT', 'The stream fell too far behind; read the state afresh.'),
};

/** The last event of a stream that ends for a reason. */
export function formatError(code: ErrorCode, message: string): string {
  return formatEvent('error', JSON.stringify({ code, message }));
}

/** One open stream of events: a sink, and how it ends. */
export abstract class EventStream implements Sink, SocketOwner {
  /** Its place among the heartbeat's slots. */
  slot = 0;
  readonly #output: Duplex;
  readonly #chunked: boolean;

  constructor(output: Duplex, isChunked: boolean) {
    this.#output = output;
    this.#chunked = isChunked;
    watchDrain(output, this);
  }

  /** The socket has room again. */
  abstract drained(): void;

  get isChunked(): boolean {
    return this.#chunked;
  }

  get isOpen(): boolean {
    return this.#output.writable;
  }

  get pending(): number {
    return this.#output.writableLength;
  }

  write(bytes: Buffer): void {
    if (this.#output.writable) this.#output.write(bytes);
  }

  /** Writes what is for this stream alone. */
  tell(text: string): void {
    this.write(this.#framing(text));
  }

  ended(reason: EndReason): void {
    this.end(ENDS[reason]);
  }

  destroy(): void {
    this.#output.destroy();
  }

  /** The server stops: the client is told to come back, not all at the same moment. */
  stop(): void {
    this.#finish(`retry: ${1000 + Math.floor(Math.random() * 4001)}\n\n`);
  }

  /** Writes a last event and ends the stream. */
  end(text: string): void {
    this.#finish(text);
    // The last event may never be read; nothing waits for ever.
    setTimeout(() => this.#output.destroy(), 1000).unref();
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
