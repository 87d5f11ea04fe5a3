import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { endIfExpired } from '../../auth/connections.ts';
import type { Identity } from '../../auth/identity.ts';
import type { ConnectionDescription } from '../../server/limits/connection-list.ts';
import { ClientSocket, MAX_UNREAD_BYTES, type SocketLimits } from '../socket/client-socket.ts';
import { encodeFrame } from '../socket/text-frames.ts';
import type { LiveCodec } from './codec.ts';
import type { LoneFrames } from './lone-frames.ts';
import { ConnectionOutput } from './output.ts';
import { type LiveClient, LiveSession, type LiveSessionOptions } from './session.ts';

export interface LiveSocketOptions extends Omit<LiveSessionOptions, 'client'> {
  readonly identity: Identity;
  readonly codec: LiveCodec;
  readonly limits: SocketLimits;
  readonly loneFrames: LoneFrames;
}

/** A WebSocket that speaks protocol v1. */
export class LiveSocket extends ClientSocket implements LiveClient {
  identity: Identity;
  readonly output: ConnectionOutput;
  readonly session: LiveSession;
  readonly #codec: LiveCodec;

  constructor(ws: WebSocket, socket: Socket, { identity, codec, limits, loneFrames, ...options }: LiveSocketOptions) {
    super(ws, socket, limits);
    this.identity = identity;
    this.#codec = codec;
    this.output = new ConnectionOutput(codec, this, { loneFrames, carryFrames: (frames) => this.write(frames) });
    this.session = new LiveSession({ ...options, client: this });
  }

  carry(parts: readonly Buffer[]): void {
    this.write(encodeFrame(this.#codec.opcode, parts));
  }

  override answer(message: object): void {
    if (this.pending > MAX_UNREAD_BYTES) this.abort();
    else this.output.send(this.#codec.encode(message));
  }

  override close(code: number, reason: string): void {
    // The client may take its time to answer, and is in no room meanwhile.
    this.session.rooms.closeAll();
    super.close(code, reason);
  }

  override expiring(expiresAt: number): void {
    this.session.announceExpiry(expiresAt);
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

  protected closed(): void {
    this.output.close();
    this.session.closed();
  }

  protected take(data: Buffer, isBinary: boolean): void {
    if (endIfExpired(this)) return;
    this.messageWaits(data);
    void this.session.receive(() => this.#codec.decode(data, isBinary)).then(() => this.messageTaken(data));
  }
}
