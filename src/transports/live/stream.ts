import type { Duplex } from 'node:stream';
import { endIfExpired } from '../../auth/connections.ts';
import type { Identity } from '../../auth/identity.ts';
import { AppError } from '../../errors.ts';
import type { EndReason } from '../../hub/subscription.ts';
import type { ConnectionDescription } from '../../server/limits/connection-list.ts';
import { TokenBucket } from '../../server/limits/token-bucket.ts';
import { ErrorCount } from '../socket/client-socket.ts';
import { EventStream } from '../stream/event-stream.ts';
import { JSON_CODEC } from './codec.ts';
import { ConnectionOutput } from './output.ts';
import { type LiveClient, LiveSession, type LiveSessionOptions } from './session.ts';

const PING = formatData('{"type":"ping"}');

export interface LiveStreamOptions extends Omit<LiveSessionOptions, 'client'> {
  readonly identity: Identity;
  readonly isChunked: boolean;
}

/** An event stream that speaks protocol v1; its client sends messages in requests beside it. */
export class LiveStream extends EventStream implements LiveClient {
  identity: Identity;
  readonly output: ConnectionOutput;
  readonly session: LiveSession;
  readonly #options: LiveStreamOptions;
  readonly #bucket: TokenBucket;
  readonly #errors = new ErrorCount();
  #waiting = 0;
  #waitingBytes = 0;

  constructor(output: Duplex, options: LiveStreamOptions) {
    super(output, options.isChunked);
    this.identity = options.identity;
    this.#options = options;
    const { messagesPerSecond, messagesBurst } = options.context.limits;
    this.#bucket = new TokenBucket(messagesPerSecond, messagesBurst);
    this.output = new ConnectionOutput(JSON_CODEC, this);
    this.session = new LiveSession({ ...options, client: this });
  }

  /**
   * Handles the messages of one request, whose body has so many bytes. Throws RATE_LIMITED before any of them is handled
   * when they are too many, or when too many wait.
   */
  receive(messages: readonly unknown[], bytes: number): void {
    if (endIfExpired(this)) return;
    const { waitingMessages, message: maxBytes } = this.#options.context.limits;
    const isFull = this.#waiting > 0 && this.#waitingBytes + bytes > maxBytes;
    if (isFull || this.#waiting + messages.length > waitingMessages + this.#options.context.limits.subscriptions) {
      throw tooMany('Earlier messages of this connection wait to be handled; send these again shortly.');
    }
    for (let count = 0; count < messages.length; count++) {
      if (!this.#bucket.take()) throw tooMany('The connection has sent too many messages; send these again shortly.');
    }
    this.#waitingBytes += bytes;
    this.#waiting += messages.length;
    const share = bytes / messages.length;
    for (const message of messages) {
      void this.session
        .receive(() => message)
        .then(() => {
          this.#waiting--;
          this.#waitingBytes -= share;
        });
    }
  }

  carry(parts: readonly Buffer[]): void {
    this.send(formatData(parts.length === 1 ? String(parts[0]) : Buffer.concat(parts).toString()));
  }

  answer(message: object): void {
    this.output.send(JSON_CODEC.encode(message));
  }

  reject(message: object): void {
    this.answer(message);
    if (this.#errors.add()) this.close(1008, 'too many bad messages');
  }

  /** Sends the code with which a WebSocket would be closed, and ends the stream. */
  close(code: number, reason: string): void {
    this.output.flush();
    this.session.rooms.closeAll();
    this.end(formatData(JSON.stringify({ type: 'close', code, reason })));
  }

  override ended(reason: EndReason): void {
    if (reason === 'slow') this.close(4408, 'no progress: resume with your positions');
    else if (reason === 'lost') this.close(4408, 'too far behind: read the state again');
    else this.close(1011, 'internal error: resume with your positions');
  }

  override expiring(expiresAt: number): void {
    this.session.announceExpiry(expiresAt);
  }

  override expired(): void {
    this.close(4401, 'token expired');
  }

  override revoked(): void {
    this.close(4403, 'no longer allowed');
  }

  override stop(): void {
    this.close(1001, 'the server stops');
  }

  drained(): void {
    this.session.drained();
  }

  reauthorize(): void {
    this.session.reauthorize();
  }

  describe(): ConnectionDescription {
    return this.session.describe();
  }

  protected get keepalive(): string {
    return PING;
  }

  protected closed(): void {
    this.output.close();
    this.session.closed();
    this.#options.realtime?.closed();
  }
}

function formatData(json: string): string {
  return `data: ${json}\n\n`;
}

function tooMany(message: string): AppError {
  return new AppError('RATE_LIMITED', message, { headers: { 'retry-after': '1' } });
}
