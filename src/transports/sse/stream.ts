import type { Duplex } from 'node:stream';
import type { Identity } from '../../auth/identity.ts';
import type { RealtimeConnection } from '../../hooks/realtime-hooks.ts';
import type { FullEncoding } from '../../hub/encode.ts';
import type { Subscription } from '../../hub/subscription.ts';
import type { SubscriptionQuery } from '../../resources/subscription-query.ts';
import type { TableResource } from '../../resources/table/resource.ts';
import type { ConnectionDescription } from '../../server/limits/connection-list.ts';
import { EventStream } from '../stream/event-stream.ts';
import { CHUNKED_ENCODING, formatEvent, PLAIN_ENCODING } from '../stream/events.ts';

const CONNECTED = formatEvent('message', '{"type":"connected","status":"ok"}');
const PING = formatEvent('ping', '{"type":"ping"}');

export interface SseStreamOptions {
  readonly identity: Identity;
  readonly resource: Pick<TableResource, 'table' | 'subscribe' | 'unsubscribe' | 'reauthorize' | 'positionOf'>;
  /** Query string of the request, which is read again when the rights of the caller change. */
  readonly rawQuery: string;
  /** The connection as hooks of the application see it. */
  readonly realtime?: RealtimeConnection | undefined;
}

/** An open stream of a table or record: the sink of its subscription. */
export class SseStream extends EventStream {
  identity: Identity;
  readonly #options: SseStreamOptions;
  #subscription: Subscription | undefined;

  constructor(output: Duplex, isChunked: boolean, options: SseStreamOptions) {
    super(output, isChunked);
    this.identity = options.identity;
    this.#options = options;
  }

  subscribe(query: SubscriptionQuery): void {
    this.send(CONNECTED);
    this.#subscription = this.#options.resource.subscribe(query, this.encoding, this);
  }

  get encoding(): FullEncoding {
    return this.isChunked ? CHUNKED_ENCODING : PLAIN_ENCODING;
  }

  drained(): void {
    this.#subscription?.drained();
  }

  reauthorize(): void {
    if (this.#subscription === undefined) return;
    const { resource, rawQuery } = this.#options;
    this.#subscription = resource.reauthorize(this.#subscription, this.identity, rawQuery);
  }

  describe(): ConnectionDescription {
    const { resource, rawQuery } = this.#options;
    const subscription = this.#subscription;
    return { transport: 'sse', listens: subscription === undefined ? [] : [{ resource, rawQuery, subscription }] };
  }

  protected get keepalive(): string {
    return PING;
  }

  protected closed(): void {
    const { resource, realtime } = this.#options;
    if (this.#subscription !== undefined) resource.unsubscribe(this.#subscription);
    realtime?.closed();
  }
}
