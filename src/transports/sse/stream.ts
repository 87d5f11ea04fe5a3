import type { FullEncoding } from '../../hub/encode.ts';
import type { Subscription } from '../../hub/subscription.ts';
import { EventStream } from './event-stream.ts';
import { CHUNKED_ENCODING, formatEvent, PLAIN_ENCODING } from './events.ts';

const CONNECTED = formatEvent('message', '{"type":"connected","status":"ok"}');
const PING = formatEvent('ping', '{"type":"ping"}');

/** One open stream of a table or record: the sink of its subscription. */
export class SseStream extends EventStream {
  subscription: Subscription | undefined;

  get encoding(): FullEncoding {
    return this.isChunked ? CHUNKED_ENCODING : PLAIN_ENCODING;
  }

  drained(): void {
    this.subscription?.drained();
  }

  connected(): void {
    this.tell(CONNECTED);
  }

  /** A stream that has events waiting is not idle, and a ping would only wait behind them. */
  ping(): void {
    if (this.pending === 0) this.tell(PING);
  }
}
