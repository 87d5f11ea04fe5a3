import type { Duplex } from 'node:stream';
import type { Identity } from '../../../auth/identity.ts';
import { AppError } from '../../../errors.ts';
import type { EndReason } from '../../../hub/subscription.ts';
import type { ConnectionDescription } from '../../../server/limits/connection-list.ts';
import { EventStream } from '../../stream/event-stream.ts';
import { adoptIdentity, checkAccess, type LiveContext, type RouteScope } from '../context.ts';
import { toFailure } from '../failures.ts';
import type { SseRoute } from '../route.ts';

/** A comment, which no client takes for an event. */
const KEEPALIVE = ': ping\n\n';
const END = ': end\n\n';
/** Milliseconds between two looks at what the client has taken. */
const FLUSH_CHECK_MS = 50;

export interface RouteStreamOptions {
  readonly route: SseRoute;
  readonly scope: RouteScope;
  readonly context: LiveContext;
  readonly abort: AbortController;
  /** Bytes that may wait before the generator has to. */
  readonly clientBuffer: number;
  readonly slowClientTimeout: number;
}

/** A stream whose events come from a generator, which runs on when there is room for the next event. */
export class RouteStream extends EventStream {
  readonly #options: RouteStreamOptions;
  #iterator: AsyncIterator<unknown> | undefined;
  #onRoom: (() => void) | undefined;
  #hasLeft = false;

  constructor(output: Duplex, isChunked: boolean, options: RouteStreamOptions) {
    super(output, isChunked);
    this.#options = options;
  }

  get identity(): Identity {
    return this.#options.context.identity;
  }

  set identity(identity: Identity) {
    adoptIdentity(this.#options.context, identity, this.#options.scope);
  }

  /** Resolves when the generator has ended. */
  async run(): Promise<void> {
    const { route, context, scope } = this.#options;
    try {
      const iterator = route.handler(context)[Symbol.asyncIterator]();
      this.#iterator = iterator;
      while (!this.#hasLeft) {
        const { done, value } = await iterator.next();
        if (done === true) break;
        if (!this.#hasLeft) await this.#sendEvent(value);
      }
      await this.#flush();
      if (!this.#hasLeft) this.end(END);
    } catch (error) {
      this.#failed(error, scope);
    } finally {
      await this.#endGenerator();
    }
  }

  drained(): void {
    const onRoom = this.#onRoom;
    this.#onRoom = undefined;
    onRoom?.();
  }

  override stop(): void {
    super.stop();
    this.#leave();
  }

  override ended(reason: EndReason): void {
    super.ended(reason);
    this.#leave();
  }

  override expired(): void {
    super.expired();
    this.#leave();
  }

  override revoked(): void {
    super.revoked();
    this.#leave();
  }

  reauthorize(): void {
    const { route, scope } = this.#options;
    checkAccess(route, this.identity, scope.auth);
  }

  describe(): ConnectionDescription {
    return { transport: 'route', path: this.#options.context.path };
  }

  protected get keepalive(): string {
    return KEEPALIVE;
  }

  protected closed(): void {
    this.#leave();
  }

  /** Ends the generator, without waiting for it. */
  #leave(): void {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    this.#options.abort.abort();
    this.drained();
    void this.#endGenerator();
  }

  async #sendEvent(value: unknown): Promise<void> {
    this.send(`data: ${formatData(value)}\n\n`);
    const { clientBuffer, slowClientTimeout } = this.#options;
    while (!this.#hasLeft && this.pending > clientBuffer) {
      const before = this.pending;
      await this.#untilRoom(slowClientTimeout);
      if (!this.#hasLeft && this.pending >= before) this.ended('slow');
    }
  }

  /** Gives the client the time of a slow client to take what is left. */
  async #flush(): Promise<void> {
    const { slowClientTimeout } = this.#options;
    for (let waited = 0; !this.#hasLeft && this.pending > 0 && waited < slowClientTimeout; waited += FLUSH_CHECK_MS) {
      await this.#untilRoom(FLUSH_CHECK_MS);
    }
  }

  /** Resolves when the socket has room again, or after so many milliseconds. */
  async #untilRoom(timeout: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#onRoom = resolve;
      timer = setTimeout(resolve, timeout);
    });
    clearTimeout(timer);
  }

  #failed(error: unknown, scope: RouteScope): void {
    // An error that follows from the abort is not a failure.
    if (this.#hasLeft && (error instanceof AppError || (error instanceof Error && error.name === 'AbortError'))) return;
    const { message } = toFailure(error, scope);
    if (!this.#hasLeft) this.end(`event: error\ndata: ${JSON.stringify({ message })}\n\n`);
  }

  /** A generator that waits for something ends when that is there; no more events are taken from it in any case. */
  async #endGenerator(): Promise<void> {
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
