import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { hasExpired, type OpenConnection } from '../../../auth/connections.ts';
import type { Identity } from '../../../auth/identity.ts';
import type { Limits } from '../../../config/config.ts';
import { AppError } from '../../../errors.ts';
import { checkJson, throwInvalid } from '../../../resources/body/values.ts';
import { formatExpiry, type Ref } from '../../socket/auth-message.ts';
import { ClientSocket, type SocketLimits } from '../../socket/client-socket.ts';
import { errorMessage } from '../../socket/error-message.ts';
import { encodeBinary, encodeText } from '../../socket/text-frames.ts';
import { checkAccess, type LiveContext, type RouteScope } from '../context.ts';
import type { RouteConnection } from '../define.ts';
import { toFailure } from '../failures.ts';
import type { WsRoute } from '../route.ts';
import { validate } from '../standard-schema.ts';
import { Renewal } from './renewal.ts';

/** What a client does not read may wait up to this; then it is cut off. */
const MAX_UNREAD = 1024 * 1024;

export interface RouteSocketOptions {
  readonly route: WsRoute;
  readonly scope: RouteScope;
  readonly context: LiveContext;
  readonly abort: AbortController;
  readonly limits: Limits;
  readonly socketLimits: SocketLimits;
  readonly clientBuffer: number;
  readonly release: (socket: RouteSocket) => void;
}

interface Waiting {
  readonly data: Buffer;
  readonly isBinary: boolean;
}

interface Close {
  readonly code: number;
  readonly reason: string;
}

/** One WebSocket of a route: calls its handler, one call at a time, in the order of what has happened. */
export class RouteSocket extends ClientSocket implements OpenConnection {
  readonly connection: RouteConnection;
  readonly #options: RouteSocketOptions;
  readonly #raw: Socket;
  /** Undefined where messages about tokens are the handler's own. */
  readonly #renewal: Renewal | undefined;
  readonly #waiting: Waiting[] = [];
  #wake: (() => void) | undefined;
  #drains: (() => void)[] = [];
  /** How the server has closed it. */
  #own: Close | undefined;
  #closed: Close | undefined;

  constructor(ws: WebSocket, socket: Socket, options: RouteSocketOptions) {
    super(ws, socket, options.socketLimits);
    this.#options = options;
    this.#raw = socket;
    ws.once('close', (code: number, reason: Buffer) => {
      this.#closed = this.#own ?? { code, reason: reason.toString() };
      this.#wakeUp();
    });
    const { auth, onError } = options.scope;
    this.#renewal = auth !== undefined && options.route.renew ? new Renewal(auth, onError) : undefined;
    this.connection = this.#makeConnection();
  }

  get identity(): Identity {
    return this.#options.context.identity;
  }

  set identity(identity: Identity) {
    this.#options.context.identity = identity;
  }

  /** Resolves when `onClose` has been called and everything before it is done. */
  async run(): Promise<void> {
    const { handler } = this.#options.route;
    try {
      await handler.onOpen?.(this.connection);
    } catch (error) {
      await this.#failed(error);
      this.close(1011, 'failed on our side');
    }
    while (this.#waiting.length > 0 || this.#closed === undefined) {
      const message = this.#waiting.shift();
      if (message === undefined) await new Promise<void>((resolve) => (this.#wake = resolve));
      else await this.#handle(message);
    }
    const { code, reason } = this.#closed;
    await this.#guarded(() => handler.onClose?.(this.connection, code, reason));
  }

  drained(): void {
    const drains = this.#drains;
    this.#drains = [];
    for (const resolve of drains) resolve();
  }

  released(): void {
    this.#options.abort.abort();
    this.drained();
    this.#options.release(this);
  }

  override write(bytes: Buffer): void {
    // The one who sweeps may be late.
    if (this.isOpen && hasExpired(this.identity)) this.expired();
    else super.write(bytes);
  }

  /** What came before and was not handled yet is not handled any more. */
  override close(code: number, reason: string): void {
    if (this.isOpen) {
      super.close(code, reason);
      this.#own = { code, reason };
    }
    for (const { data } of this.#waiting.splice(0)) this.waitsNoMore(data);
  }

  expiring(expiresAt: number): void {
    if (this.#renewal !== undefined) this.answer({ type: 'token_expiring', expires_at: formatExpiry(expiresAt) });
  }

  expired(): void {
    this.close(4401, 'token expired');
  }

  revoked(): void {
    this.close(4403, 'not allowed any more');
  }

  rejudge(): void {
    const { route, scope } = this.#options;
    try {
      checkAccess(route, this.identity, scope.auth);
    } catch {
      this.revoked();
    }
  }

  protected take(data: Buffer, isBinary: boolean): void {
    if (hasExpired(this.identity)) {
      this.expired();
      return;
    }
    // At once: a handler that takes its time is not to cost the connection its new token.
    const renewal = isBinary ? undefined : this.#renewal?.read(data);
    if (renewal !== undefined) {
      void this.#renewal?.take(renewal, this);
      return;
    }
    this.#waiting.push({ data, isBinary });
    this.waits(data);
    this.#wakeUp();
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  async #handle({ data, isBinary }: Waiting): Promise<void> {
    this.waitsNoMore(data);
    const { route } = this.#options;
    try {
      const message = await this.#parse(data, isBinary);
      if (message instanceof AppError) this.refuse(message);
      else await route.handler.onMessage(message, this.connection);
    } catch (error) {
      await this.#failed(error);
    }
  }

  /** The message for the handler, or why it gets none. */
  async #parse(data: Buffer, isBinary: boolean): Promise<unknown> {
    const { route, limits } = this.#options;
    try {
      const message = isBinary ? data : parseText(data.toString());
      if (!isBinary) checkJson(limits)(message, 'message', throwInvalid);
      return await validate(route.message, message, 'message');
    } catch (error) {
      if (error instanceof AppError) return error;
      throw error;
    }
  }

  /** Tells the client what is wrong with a message of its own. */
  refuse(error: AppError, ref?: Ref): void {
    this.reject(errorMessage(error, ref));
  }

  async #failed(error: unknown): Promise<void> {
    const { route, scope } = this.#options;
    const { message } = toFailure(error, scope);
    this.answer({ type: 'error', code: 'HANDLER_ERROR', message });
    await this.#guarded(() => route.handler.onError?.(this.connection, error));
  }

  /** What fails here has nobody else to be told to. */
  async #guarded(run: () => unknown): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.#options.scope.onError(error);
    }
  }

  #makeConnection(): RouteConnection {
    const { context } = this.#options;
    // One object with the context of the hooks, so that all see the identity of now.
    const connection = Object.assign(context, {
      id: randomUUID(),
      buffered: 0,
      send: (message: unknown) => this.#send(message),
      drained: () => this.#untilDrained(),
      close: (code = 1000, reason = '') => this.close(code, reason),
    });
    return Object.defineProperty(connection, 'buffered', { get: () => this.pending, enumerable: true });
  }

  #send(message: unknown): boolean {
    const frame = encodeMessage(message);
    if (!this.isOpen) return false;
    if (this.pending > MAX_UNREAD) this.terminate();
    else this.write(frame);
    return this.isOpen && this.pending <= this.#options.clientBuffer;
  }

  async #untilDrained(): Promise<void> {
    if (this.isOpen && this.#raw.writableNeedDrain) await new Promise<void>((resolve) => this.#drains.push(resolve));
  }
}

function parseText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function encodeMessage(message: unknown): Buffer {
  if (typeof message === 'string') return encodeText(message);
  if (message instanceof Uint8Array) return encodeBinary(message);
  if (message instanceof ArrayBuffer) return encodeBinary(new Uint8Array(message));
  const json: string | undefined = JSON.stringify(message);
  if (json === undefined) throw new TypeError(`a message is text, bytes or what is JSON, not ${typeof message}`);
  return encodeText(json);
}
