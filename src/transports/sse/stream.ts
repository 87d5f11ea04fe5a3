import type { Duplex } from 'node:stream';
import { EXPIRED, REVOKED } from '../../auth/auth-errors.ts';
import { hasExpired, type OpenConnection } from '../../auth/connections.ts';
import type { Identity } from '../../auth/identity.ts';
import { AppError } from '../../errors.ts';
import type { FullEncoding } from '../../hub/encode.ts';
import type { Subscription } from '../../hub/subscription.ts';
import type { TableResource } from '../../resources/table/resource.ts';
import { EventStream, formatError } from '../stream/event-stream.ts';
import { CHUNKED_ENCODING, formatEvent, PLAIN_ENCODING } from '../stream/events.ts';

const CONNECTED = formatEvent('message', '{"type":"connected","status":"ok"}');
const PING = formatEvent('ping', '{"type":"ping"}');

/** Who asked whom for what: his rights may change. */
export interface OpenedStream {
  readonly identity: Identity;
  readonly resource: Pick<TableResource, 'rejudge'>;
  readonly rawQuery: string;
}

/** One open stream of a table or record: the sink of its subscription. */
export class SseStream extends EventStream implements OpenConnection {
  identity: Identity;
  subscription: Subscription | undefined;
  readonly #opened: OpenedStream;

  constructor(output: Duplex, isChunked: boolean, opened: OpenedStream) {
    super(output, isChunked);
    this.identity = opened.identity;
    this.#opened = opened;
  }

  get encoding(): FullEncoding {
    return this.isChunked ? CHUNKED_ENCODING : PLAIN_ENCODING;
  }

  drained(): void {
    this.subscription?.drained();
  }

  override write(bytes: Buffer): void {
    // The one who sweeps may be late.
    if (this.isOpen && hasExpired(this.identity)) this.expired();
    else super.write(bytes);
  }

  connected(): void {
    this.tell(CONNECTED);
  }

  /** A stream that has events waiting is not idle, and a ping would only wait behind them. */
  ping(): void {
    if (this.pending === 0) this.tell(PING);
  }

  /** An event stream has no way to show another token: its client opens the next one in time, and is not warned. */
  expiring(): void {}

  expired(): void {
    this.end(formatError('UNAUTHORIZED', EXPIRED));
  }

  rejudge(): void {
    if (this.subscription === undefined) return;
    try {
      const { resource, rawQuery } = this.#opened;
      this.subscription = resource.rejudge(this.subscription, this.identity, rawQuery);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      this.revoked();
    }
  }

  revoked(): void {
    this.end(formatError('FORBIDDEN', REVOKED));
  }
}
