import type { Duplex } from 'node:stream';
import { EXPIRED, REVOKED } from '../../../auth/auth-errors.ts';
import { hasExpired, type OpenConnection } from '../../../auth/connections.ts';
import type { Identity } from '../../../auth/identity.ts';
import { AppError } from '../../../errors.ts';
import { EventStream, formatError } from '../../stream/event-stream.ts';
import { checkAccess, type LiveContext, type RouteScope } from '../context.ts';
import { toFailure } from '../failures.ts';
import type { SseRoute } from '../route.ts';

/** A comment, which no client takes for an event. */
const PING = ': ping\n\n';
const END = ': end\n\n';
/** Milliseconds between two looks at what the client has taken. */
const LOOK = 50;

export interface RouteStreamOptions {
  readonly route: SseRoute;
  readonly scope: RouteScope;
  readonly context: LiveContext;
  readonly abort: AbortController;
  /** Bytes that may wait before the generator has to. */
  readonly clientBuffer: number;
  readonly slowClientTimeout: number;
}

/** One stream whose events come from a generator. It is asked for the next one when there is room for it. */
export class RouteStream extends EventStream implements OpenConnection {
  readonly #options: RouteStreamOptions;
  #iterator: AsyncIterator<unknown> | undefined;
  #hasRoom: (() => void) | undefined;
  #left = false;

  constructor(output: Duplex, isChunked: boolean, options: RouteStreamOptions) {
    super(output, isChunked);
    this.#options = options;
  }

  get identity(): Identity {
    return this.#options.context.identity;
  }

  set identity(identity: Identity) {
    this.#options.context.identity = identity;
  }

  /** Resolves when the generator has ended. */
  async run(): Promise<void> {
    const { route, context, scope } = this.#options;
    try {
      const iterator = route.handler(context)[Symbol.asyncIterator]();
      this.#iterator = iterator;
      while (!this.#left) {
        const { done, value } = await iterator.next();
        if (done === true) break;
        if (!this.#left) await this.#send(value);
      }
      await this.#flush();
      if (!this.#left) this.end(END);
    } catch (error) {
      this.#failed(error, scope);
    } finally {
      await this.#return();
    }
  }

  ping(): void {
    if (this.pending === 0) this.tell(PING);
  }

  drained(): void {
    const hasRoom = this.#hasRoom;
    this.#hasRoom = undefined;
    hasRoom?.();
  }

  /** The client has gone, or has to: the generator is told at once, and ended. */
  leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#options.abort.abort();
    this.drained();
    void this.#return();
  }

  override stop(): void {
    super.stop();
    this.leave();
  }

  /** A stream has no way to show another token. */
  expiring(): void {}

  expired(): void {
    this.#endWith(formatError('UNAUTHORIZED', EXPIRED));
  }

  revoked(): void {
    this.#endWith(formatError('FORBIDDEN', REVOKED));
  }

  rejudge(): void {
    const { route, scope } = this.#options;
    try {
      checkAccess(route, this.identity, scope.auth);
    } catch {
      this.revoked();
    }
  }

  #endWith(text: string): void {
    this.end(text);
    this.leave();
  }

  async #send(value: unknown): Promise<void> {
    if (hasExpired(this.identity)) return this.expired();
    this.tell(`data: ${formatData(value)}\n\n`);
    const { clientBuffer, slowClientTimeout } = this.#options;
    while (!this.#left && this.pending > clientBuffer) {
      const before = this.pending;
      await this.#room(slowClientTimeout);
      if (!this.#left && this.pending >= before) {
        this.ended('slow');
        this.leave();
      }
    }
  }

  /** Gives the client the time of a slow one to take what is left. */
  async #flush(): Promise<void> {
    const { slowClientTimeout } = this.#options;
    for (let waited = 0; !this.#left && this.pending > 0 && waited < slowClientTimeout; waited += LOOK) {
      await this.#room(LOOK);
    }
  }

  /** Resolves when the socket has room again, or after so many milliseconds. */
  async #room(timeout: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#hasRoom = resolve;
      timer = setTimeout(resolve, timeout);
    });
    clearTimeout(timer);
  }

  #failed(error: unknown, scope: RouteScope): void {
    // What comes of the abort is no failure.
    if (this.#left && (error instanceof AppError || (error instanceof Error && error.name === 'AbortError'))) return;
    const { message } = toFailure(error, scope);
    if (!this.#left) this.end(`event: error\ndata: ${JSON.stringify({ message })}\n\n`);
  }

  /** A generator that waits for something ends when that has come; it is not asked for more in any case. */
  async #return(): Promise<void> {
    const iterator = this.#iterator;
    this.#iterator = undefined;
    try {
      await iterator?.return?.();
    } catch (error) {
      this.#failed(error, this.#options.scope);
    }
  }
}

/** JSON text has no line breaks, which would end the event. */
function formatData(value: unknown): string {
  if (value instanceof Uint8Array) throw new TypeError('an event stream is text: bytes cannot be yielded');
  return JSON.stringify(value) ?? 'null';
}
