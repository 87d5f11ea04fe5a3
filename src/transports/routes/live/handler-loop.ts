import { AppError } from '../../../errors.ts';
import { toFailure } from '../failures.ts';
import { parseRouteMessage, type RouteMessage } from './messages.ts';
import type { RouteSocket, RouteSocketOptions } from './socket.ts';

export interface SocketClose {
  readonly code: number;
  readonly reason: string;
}

/** Calls the handler of one socket: one call at a time, in the order of events, `onClose` last. */
export class HandlerLoop {
  readonly #socket: RouteSocket;
  readonly #options: RouteSocketOptions;
  readonly #waiting: RouteMessage[] = [];
  #wake: (() => void) | undefined;
  #closed: SocketClose | undefined;

  constructor(socket: RouteSocket, options: RouteSocketOptions) {
    this.#socket = socket;
    this.#options = options;
  }

  push(message: RouteMessage): void {
    this.#waiting.push(message);
    this.#wakeUp();
  }

  /** Removes the messages that were received and not handled yet. */
  clear(): readonly RouteMessage[] {
    return this.#waiting.splice(0);
  }

  /** The socket has closed: the loop ends after the messages that wait. */
  close(closed: SocketClose): void {
    this.#closed = closed;
    this.#wakeUp();
  }

  /** Resolves when `onClose` has been called and everything before it is done. */
  async run(): Promise<void> {
    const { handler } = this.#options.route;
    const { connection } = this.#socket;
    try {
      await handler.onOpen?.(connection);
    } catch (error) {
      await this.#failed(error);
      this.#socket.close(1011, 'internal error');
    }
    while (this.#waiting.length > 0 || this.#closed === undefined) {
      const message = this.#waiting.shift();
      if (message === undefined) await new Promise<void>((resolve) => (this.#wake = resolve));
      else await this.#handle(message);
    }
    const { code, reason } = this.#closed;
    await this.#logged(() => handler.onClose?.(connection, code, reason));
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  async #handle(received: RouteMessage): Promise<void> {
    this.#socket.taken(received);
    const { route, limits } = this.#options;
    try {
      const message = await parseRouteMessage(received, route, limits);
      if (message instanceof AppError) this.#socket.refuse(message);
      else await route.handler.onMessage(message, this.#socket.connection);
    } catch (error) {
      await this.#failed(error);
    }
  }

  async #failed(error: unknown): Promise<void> {
    const { route, scope } = this.#options;
    const { message } = toFailure(error, scope);
    this.#socket.answer({ type: 'error', code: 'HANDLER_ERROR', message });
    await this.#logged(() => route.handler.onError?.(this.#socket.connection, error));
  }

  /** Runs code of the application whose errors can only be logged. */
  async #logged(run: () => unknown): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.#options.scope.onError(error);
    }
  }
}
