import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { endIfExpired } from '../../../auth/connections.ts';
import type { Identity } from '../../../auth/identity.ts';
import type { Limits } from '../../../config/config.ts';
import type { AppError } from '../../../errors.ts';
import type { ConnectionDescription } from '../../../server/limits/connection-list.ts';
import type { Ref } from '../../socket/auth-message.ts';
import { ClientSocket, MAX_UNREAD_BYTES, type SocketLimits } from '../../socket/client-socket.ts';
import { errorMessage } from '../../socket/text-frames.ts';
import { adoptIdentity, checkAccess, type LiveContext, type RouteScope } from '../context.ts';
import type { RouteConnection } from '../define.ts';
import type { WsRoute } from '../route.ts';
import { HandlerLoop, type SocketClose } from './handler-loop.ts';
import { encodeRouteMessage, type RouteMessage } from './messages.ts';
import { Renewal } from './renewal.ts';

export interface RouteSocketOptions {
  readonly route: WsRoute;
  readonly scope: RouteScope;
  readonly context: LiveContext;
  readonly abort: AbortController;
  readonly limits: Limits;
  readonly socketLimits: SocketLimits;
  /** Bytes that may wait for a client before `send` returns false. */
  readonly clientBuffer: number;
}

/** A WebSocket of a route. */
export class RouteSocket extends ClientSocket {
  readonly connection: RouteConnection;
  readonly #options: RouteSocketOptions;
  readonly #raw: Socket;
  readonly #loop: HandlerLoop;
  /** Undefined where messages with tokens are left to the handler. */
  readonly #renewal: Renewal | undefined;
  #drains: (() => void)[] = [];
  /** Set when the server has closed the socket. */
  #ownClose: SocketClose | undefined;

  constructor(ws: WebSocket, socket: Socket, options: RouteSocketOptions) {
    super(ws, socket, options.socketLimits);
    this.#options = options;
    this.#raw = socket;
    this.#loop = new HandlerLoop(this, options);
    ws.once('close', (code: number, reason: Buffer) => {
      this.#loop.close(this.#ownClose ?? { code, reason: reason.toString() });
    });
    const { auth, onError } = options.scope;
    this.#renewal = auth !== undefined && options.route.renew ? new Renewal(auth, onError) : undefined;
    this.connection = makeRouteConnection(this, options.context);
  }

  get identity(): Identity {
    return this.#options.context.identity;
  }

  set identity(identity: Identity) {
    adoptIdentity(this.#options.context, identity, this.#options.scope);
  }

  /** Runs the handler. Resolves when `onClose` has been called and everything before it is done. */
  run(): Promise<void> {
    return this.#loop.run();
  }

  /** Sends a message of the handler; false when the handler should wait for `untilDrained`. */
  send(message: unknown): boolean {
    const frame = encodeRouteMessage(message);
    if (!this.isOpen) return false;
    if (this.pending > MAX_UNREAD_BYTES) this.abort();
    else this.write(frame);
    return this.isOpen && this.pending <= this.#options.clientBuffer;
  }

  async untilDrained(): Promise<void> {
    if (this.isOpen && this.#raw.writableNeedDrain) await new Promise<void>((resolve) => this.#drains.push(resolve));
  }

  drained(): void {
    for (const resolve of this.#drains.splice(0)) resolve();
  }

  /** Closes the socket, and drops the messages that were received and not handled yet. */
  override close(code: number, reason: string): void {
    if (this.isOpen) {
      super.close(code, reason);
      this.#ownClose = { code, reason };
    }
    for (const message of this.#loop.clear()) this.taken(message);
  }

  override expiring(expiresAt: number): void {
    if (this.#renewal !== undefined) super.expiring(expiresAt);
  }

  reauthorize(): void {
    const { route, scope } = this.#options;
    checkAccess(route, this.identity, scope.auth);
  }

  describe(): ConnectionDescription {
    return { transport: 'route', path: this.#options.context.path };
  }

  /** Reports to the client what is wrong with its message. */
  refuse(error: AppError, ref?: Ref): void {
    this.reject(errorMessage(error, ref));
  }

  /** Called when a message does not wait any more. */
  taken({ data }: RouteMessage): void {
    this.messageTaken(data);
  }

  protected closed(): void {
    this.#options.abort.abort();
    this.drained();
  }

  protected take(data: Buffer, isBinary: boolean): void {
    if (endIfExpired(this)) return;
    // Before those that wait: a slow handler must not cost the connection its new token.
    const renewal = isBinary ? undefined : this.#renewal?.read(data);
    if (renewal !== undefined) {
      void this.#renewal?.take(renewal, this);
      return;
    }
    this.messageWaits(data);
    this.#loop.push({ data, isBinary });
  }
}

/** The socket behind the connection of a handler. */
export interface HandlerSocket {
  readonly pending: number;
  send(message: unknown): boolean;
  untilDrained(): Promise<void>;
  close(code: number, reason: string): void;
}

/** Makes the connection that a handler gets: one object with the context of the hooks, so that all see changed rights. */
export function makeRouteConnection(socket: HandlerSocket, context: LiveContext): RouteConnection {
  const connection = Object.assign(context, {
    id: randomUUID(),
    buffered: 0,
    send: (message: unknown) => socket.send(message),
    drained: () => socket.untilDrained(),
    close: (code = 1000, reason = '') => socket.close(code, reason),
  });
  return Object.defineProperty(connection, 'buffered', { get: () => socket.pending, enumerable: true });
}
