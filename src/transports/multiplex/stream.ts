import type { Duplex } from 'node:stream';
import type { Identity } from '../../auth/identity.ts';
import type { RealtimeConnection } from '../../hooks/realtime-hooks.ts';
import { WriteLock } from '../../hub/fan-out/write-lock.ts';
import type { ConnectionDescription } from '../../server/limits/connection-list.ts';
import { formatExpiry } from '../socket/auth-message.ts';
import { EventStream } from '../stream/event-stream.ts';
import { formatEvent } from '../stream/events.ts';
import { errorMessage, formatMessage, heartbeatEvent, streamWire } from './frames.ts';
import { type CheckedSubscription, Subscriptions } from './subscriptions.ts';

export interface GatewayStreamOptions {
  readonly isChunked: boolean;
  readonly identity: Identity;
  /** Bytes that may wait for a client before it counts as full. */
  readonly clientBuffer: number;
  /** The connection as hooks of the application see it. */
  readonly realtime: RealtimeConnection | undefined;
  /** Called after something was written to a stream with several subscriptions. */
  readonly written: (stream: GatewayStream) => void;
}

/** An event stream with the changes of several tables: the sink of all its subscriptions. */
export class GatewayStream extends EventStream {
  identity: Identity;
  readonly writeLock = new WriteLock();
  readonly #options: GatewayStreamOptions;
  #subscriptions: Subscriptions | undefined;
  /** True for several subscriptions: then events have no ids of their own. */
  #hasSeveral = false;
  /** Position that the client has as its last event id. */
  #notedPosition: number | undefined;
  #owesHeartbeat = false;

  constructor(output: Duplex, options: GatewayStreamOptions) {
    super(output, options.isChunked);
    this.identity = options.identity;
    this.#options = options;
  }

  subscribe(checked: readonly CheckedSubscription[]): void {
    this.#hasSeveral = checked.length > 1;
    const subscriptions = new Subscriptions(this, streamWire(this.isChunked, !this.#hasSeveral));
    this.#subscriptions = subscriptions;
    for (const each of checked) subscriptions.open(each);
    this.notePosition();
  }

  override write(bytes: Buffer): void {
    super.write(bytes);
    if (this.#hasSeveral && this.isOpen) this.#options.written(this);
  }

  /**
   * Sends the position from which the client may resume. The seq of an event would not do where tables are sent at
   * different speeds: one may be far behind the other. An id without data is no event (HTML §9.2.6).
   */
  notePosition(): void {
    const position = this.#subscriptions?.position;
    if (position === undefined || position === this.#notedPosition) return;
    this.#notedPosition = position;
    super.send(`id: ${position}\n\n`);
  }

  /** Sends a heartbeat; a client with a full buffer gets it when there is room, if it makes progress. */
  override beat(): void {
    this.#owesHeartbeat = this.pending > this.#options.clientBuffer;
    if (!this.#owesHeartbeat) this.send(this.keepalive);
  }

  drained(): void {
    if (this.#owesHeartbeat) this.beat();
    this.#subscriptions?.drained();
  }

  override expiring(expiresAt: number): void {
    this.send(formatMessage(JSON.stringify({ type: 'token_expiring', expires_at: formatExpiry(expiresAt) })));
  }

  override expired(): void {
    this.#refuse('Token expired');
  }

  override revoked(): void {
    this.#refuse('Authentication failed');
  }

  reauthorize(): void {
    if ((this.#subscriptions?.reauthorize(this.identity).length ?? 0) > 0) this.#refuse('Forbidden');
  }

  describe(): ConnectionDescription {
    return { transport: 'multiplex', listens: this.#subscriptions?.listed() ?? [] };
  }

  protected get keepalive(): string {
    return formatMessage(heartbeatEvent(), this.#subscriptions?.position);
  }

  protected closed(): void {
    this.#subscriptions?.closeAll();
    this.#options.realtime?.closed();
  }

  #refuse(error: string): void {
    this.end(formatEvent('error', JSON.stringify(errorMessage(error))));
  }
}
