import { asError, TablecastError } from '../error.ts';
import { delayBefore, pause } from './backoff.ts';
import { type Environment, parseMessage } from './environment.ts';
import { EventStreamParser, type StreamEvent } from './event-stream.ts';
import { errorOf } from './http.ts';

export interface SseHandlers<E = unknown> {
  onOpen?(): void;
  onMessage(data: E, event: StreamEvent): void;
  /** Called for an error of the server's handler, after which the stream reconnects, and for the error that ends the stream. */
  onError?(error: TablecastError): void;
  /** False to stop when the stream ends. Otherwise it reconnects, as an EventSource does. */
  readonly reconnect?: boolean;
}

export interface SseHandle {
  close(): void;
  /** Resolves when the stream has ended; rejects with the error that ended it. */
  readonly ended: Promise<void>;
}

/** Longer silence means a dead connection: the server sends a ping every 15 s. */
const MAX_SILENCE_MS = 40_000;
const TRANSIENT = new Set([0, 408, 429, 500, 502, 503, 504]);

/**
 * Reads an event stream until `closed` is aborted. Behaves as an EventSource, but uses fetch, which sends tokens and exists
 * in Node. Rejects with the error that ended it.
 */
export function readEventSource<E>(
  environment: Environment,
  url: string,
  handlers: SseHandlers<E>,
  closed: AbortController,
): Promise<void> {
  return new EventSourceReader<E>(environment, url, handlers, closed).run();
}

class EventSourceReader<E> {
  readonly #environment: Environment;
  readonly #url: string;
  readonly #handlers: SseHandlers<E>;
  readonly #closed: AbortController;
  #parser = new EventStreamParser();
  #attempts = 0;
  #renew = false;

  constructor(environment: Environment, url: string, handlers: SseHandlers<E>, closed: AbortController) {
    this.#environment = environment;
    this.#url = url;
    this.#handlers = handlers;
    this.#closed = closed;
  }

  async run(): Promise<void> {
    const { signal } = this.#closed;
    while (!signal.aborted) {
      let minDelay = 0;
      try {
        const isOver = await this.#readOnce();
        if (isOver || this.#handlers.reconnect === false) return;
      } catch (thrown) {
        if (signal.aborted) return;
        const error = asError(thrown);
        minDelay = error.retryAfter ?? 0;
        if (!this.#shouldRetry(error)) {
          this.#handlers.onError?.(error);
          throw error;
        }
      }
      await this.#pause(minDelay);
    }
  }

  /** Waits before the next attempt, not less than the `minDelay` that the server requested. */
  async #pause(minDelay: number): Promise<void> {
    const { signal } = this.#closed;
    const { maxPause: maxDelay } = this.#environment;
    const delay = delayBefore(this.#attempts++, { minDelay: Math.max(minDelay, this.#parser.retry ?? 0), maxDelay });
    await pause(delay, signal, minDelay === 0).catch(() => {});
  }

  #shouldRetry({ code, status }: TablecastError): boolean {
    if (code === 'CALLBACK_FAILED' || this.#handlers.reconnect === false) return false;
    if (status !== 401 || !this.#environment.canRenew || this.#renew) return TRANSIENT.has(status);
    this.#renew = true;
    return true;
  }

  /** Reads one connection to its end. True when the server has ended the stream for good (204). */
  async #readOnce(): Promise<boolean> {
    const { lastId, retry } = this.#parser;
    const token = await this.#environment.token(this.#renew);
    const connection = new AbortController();
    const stop = () => connection.abort();
    this.#closed.signal.addEventListener('abort', stop);
    let silence = setTimeout(stop, this.#environment.timeout);
    try {
      const headers: Record<string, string> = { accept: 'text/event-stream' };
      if (lastId !== '') headers['last-event-id'] = lastId;
      if (token !== undefined) headers.authorization = `Bearer ${token}`;
      const response = await this.#environment.fetch(this.#url, {
        headers,
        signal: connection.signal,
      });
      if (!response.ok) throw await errorOf(response);
      if (response.status === 204 || response.body === null) return true;
      this.#renew = false;
      this.#parser = new EventStreamParser(lastId, retry);
      this.#handlers.onOpen?.();
      const decoder = new TextDecoder();
      const reader = response.body.getReader();
      for (;;) {
        clearTimeout(silence);
        silence = setTimeout(stop, MAX_SILENCE_MS);
        const { done, value } = await reader.read();
        if (done) return false;
        this.#attempts = 0;
        for (const event of this.#parser.push(decoder.decode(value, { stream: true }))) this.#dispatch(event);
      }
    } finally {
      clearTimeout(silence);
      this.#closed.signal.removeEventListener('abort', stop);
      connection.abort();
    }
  }

  #dispatch(event: StreamEvent): void {
    if (this.#closed.signal.aborted) return;
    const data = parseMessage(event.data) as E;
    if (event.event === 'error') {
      const { message = 'The stream has failed.', code = 'HANDLER_ERROR' } = Object(data);
      this.#handlers.onError?.(new TablecastError(code, message));
      return;
    }
    try {
      this.#handlers.onMessage(data, event);
    } catch (thrown) {
      throw asError(thrown, 'CALLBACK_FAILED');
    }
  }
}
