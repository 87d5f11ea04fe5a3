import type { Duplex } from 'node:stream';
import type { Identity } from '../../auth/identity.ts';
import { hasExpired, type OpenConnection } from '../../auth/open-connections.ts';
import { EXPIRED, REVOKED } from '../../auth/refusals.ts';
import type { ErrorCode } from '../../errors.ts';
import type { Encoding } from '../../hub/encode.ts';
import type { EndReason, Sink, Subscription } from '../../hub/subscription.ts';
import { type SocketOwner, watchDrain } from '../socket-sink.ts';
import { CHUNKED_ENCODING, chunked, type Framing, formatEvent, LAST_CHUNK, PLAIN_ENCODING, plain } from './events.ts';

const CONNECTED = formatEvent('message', '{"type":"connected","status":"ok"}');
const PING = formatEvent('ping', '{"type":"ping"}');

const ENDS: Readonly<Record<EndReason | 'expired' | 'revoked', string>> = {
  slow: formatError('SLOW_CLIENT', 'The stream made no progress; resume it.'),
  failed: formatError('INTERNAL', 'The stream failed on our side; resume it.'),
  expired: formatError('UNAUTHORIZED', EXPIRED),
  revoked: formatError('FORBIDDEN', REVOKED),
};

function formatError(code: ErrorCode, message: string): string {
  return formatEvent('error', JSON.stringify({ code, message }));
}

/** One open stream: the sink of its subscription. */
export class SseStream implements Sink, SocketOwner, OpenConnection {
  identity: Identity;
  subscription: Subscription | undefined;
  /** Its place among the heartbeat's slots. */
  slot = 0;
  readonly #output: Duplex;
  readonly #chunked: boolean;

  constructor(output: Duplex, isChunked: boolean, identity: Identity) {
    this.identity = identity;
    this.#output = output;
    this.#chunked = isChunked;
    watchDrain(output, this);
  }

  get encoding(): Encoding {
    return this.#chunked ? CHUNKED_ENCODING : PLAIN_ENCODING;
  }

  get pending(): number {
    return this.#output.writableLength;
  }

  write(bytes: Buffer): void {
    if (!this.#output.writable) return;
    // The one who sweeps may be late.
    if (hasExpired(this.identity)) this.expired();
    else this.#output.write(bytes);
  }

  connected(): void {
    this.write(this.#framing(CONNECTED));
  }

  /** A stream that has events waiting is not idle, and a ping would only wait behind them. */
  ping(): void {
    if (this.pending === 0) this.write(this.#framing(PING));
  }

  ended(reason: EndReason): void {
    this.#endWith(ENDS[reason]);
  }

  /** An event stream has no way to show another token: its client opens the next one in time, and is not warned. */
  expiring(): void {}

  expired(): void {
    this.#endWith(ENDS.expired);
  }

  revoked(): void {
    this.#endWith(ENDS.revoked);
  }

  destroy(): void {
    this.#output.destroy();
  }

  /** The server stops: the client is told to come back, not all at the same moment. */
  stop(): void {
    this.#end(`retry: ${1000 + Math.floor(Math.random() * 4001)}\n\n`);
  }

  #endWith(text: string): void {
    this.#end(text);
    // The last event may never be read; nothing waits for ever.
    setTimeout(() => this.#output.destroy(), 1000).unref();
  }

  #end(text: string): void {
    if (!this.#output.writable) return;
    this.#output.write(this.#framing(text));
    if (this.#chunked) this.#output.write(LAST_CHUNK);
    this.#output.end();
  }

  get #framing(): Framing {
    return this.#chunked ? chunked : plain;
  }
}
