import type { Duplex } from 'node:stream';
import { hasExpired, type OpenConnection } from '../../auth/connections.ts';
import type { Identity } from '../../auth/identity.ts';
import { WriteLock } from '../../hub/fan-out/write-lock.ts';
import { EventStream } from '../stream/event-stream.ts';
import { formatEvent } from '../stream/events.ts';
import { errorMessage, formatMessage, heartbeatNow, streamWire } from './frames.ts';
import { type Checked, Subscriptions } from './subscriptions.ts';

export interface GatewayStreamOptions {
  readonly isChunked: boolean;
  readonly identity: Identity;
  readonly clientBuffer: number;
  /** Called after something was written to a stream with several subscriptions. */
  readonly written: (stream: GatewayStream) => void;
}

/** One event stream with the changes of several tables: the sink of all its subscriptions. */
export class GatewayStream extends EventStream implements OpenConnection {
  identity: Identity;
  readonly lane = new WriteLock();
  readonly #options: GatewayStreamOptions;
  #subscriptions: Subscriptions | undefined;
  /** Its events have no ids of their own. */
  #hasSeveral = false;
  /** The id that the client has. */
  #noted: number | undefined;
  #owesHeartbeat = false;

  constructor(output: Duplex, options: GatewayStreamOptions) {
    super(output, options.isChunked);
    this.identity = options.identity;
    this.#options = options;
  }

  open(checked: readonly Checked[]): void {
    this.#hasSeveral = checked.length > 1;
    const subscriptions = new Subscriptions(this, streamWire(this.isChunked, !this.#hasSeveral));
    this.#subscriptions = subscriptions;
    for (const each of checked) subscriptions.open(each);
    this.notePosition();
  }

  close(): void {
    this.#subscriptions?.closeAll();
  }

  override write(bytes: Buffer): void {
    if (hasExpired(this.identity)) {
      this.expired();
      return;
    }
    super.write(bytes);
    if (this.#hasSeveral) this.#options.written(this);
  }

  /**
   * Tells the client from where it may resume. An event's own seq would not do where tables are sent at different
   * speeds: one may be far behind the other. An id without data is no event (HTML §9.2.6).
   */
  notePosition(): void {
    const position = this.#subscriptions?.position;
    if (position === undefined || position === this.#noted) return;
    this.#noted = position;
    super.tell(`id: ${position}\n\n`);
  }

  /** One that is full is told when it has room: then it has not stood still. */
  heartbeat(): void {
    this.#owesHeartbeat = this.pending > this.#options.clientBuffer;
    if (!this.#owesHeartbeat) this.tell(formatMessage(heartbeatNow().json, this.#subscriptions?.position));
  }

  drained(): void {
    if (this.#owesHeartbeat) this.heartbeat();
    this.#subscriptions?.drained();
  }

  expiring(expiresAt: number): void {
    this.tell(formatMessage(JSON.stringify({ type: 'token_expiring', expires_at: new Date(expiresAt).toISOString() })));
  }

  expired(): void {
    this.#refuse('Token expired');
  }

  revoked(): void {
    this.#refuse('Authentication failed');
  }

  rejudge(): void {
    if ((this.#subscriptions?.judge(this.identity).length ?? 0) > 0) this.#refuse('Forbidden');
  }

  #refuse(error: string): void {
    this.end(formatEvent('error', JSON.stringify(errorMessage(error))));
  }
}
