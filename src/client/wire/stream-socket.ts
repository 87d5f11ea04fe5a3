import { pause } from '../connection/backoff.ts';
import type { Environment, SocketLike } from '../connection/environment.ts';
import { EventStreamParser } from '../connection/event-stream.ts';
import { request } from '../connection/http.ts';
import type { Refusal } from '../connection/link.ts';
import { asError, type TablecastError } from '../error.ts';

const CONNECTING = 0;
const OPEN = 1;
const CLOSED = 3;
const ABNORMAL = 1006;
const TOO_LARGE = 1009;
/** Retries of a POST that the server has put off with 429. */
const MAX_POSTPONED = 20;

/**
 * Protocol v1 over an event stream and POST (PROTOCOL.md §7.1), for networks that let no WebSocket through. Otherwise it
 * behaves as a WebSocket.
 */
export class StreamSocket implements SocketLike {
  binaryType = '';
  readyState = CONNECTING;
  onopen: SocketLike['onopen'] = null;
  onmessage: SocketLike['onmessage'] = null;
  onclose: SocketLike['onclose'] = null;
  onerror: SocketLike['onerror'] = null;
  readonly #environment: Environment;
  readonly #url: string;
  readonly #closed = new AbortController();
  #post = '';
  #waiting: string[] = [];
  #isPosting = false;

  constructor(environment: Environment, url: string, protocols: readonly string[]) {
    this.#environment = environment;
    this.#url = url.replace(/^ws/, 'http');
    const token = protocols.find((name) => name.startsWith('bearer.'))?.slice(7);
    void this.#read(token).then(
      () => this.#end(ABNORMAL),
      () => this.#end(ABNORMAL),
    );
  }

  send(data: string | Uint8Array): void {
    this.#waiting.push(String(data));
    if (!this.#isPosting) void this.#postWaiting();
  }

  close(): void {
    this.onclose = null;
    this.#end(1000);
  }

  async #read(token: string | undefined): Promise<void> {
    const headers: Record<string, string> = { accept: 'text/event-stream' };
    if (token !== undefined) headers.authorization = `Bearer ${token}`;
    const { signal } = this.#closed;
    const { ok, body } = await this.#environment.fetch(this.#url, { headers, signal });
    if (!ok || body === null || signal.aborted) return;
    this.readyState = OPEN;
    this.onopen?.();
    const parser = new EventStreamParser();
    const decoder = new TextDecoder();
    const reader = body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      for (const { data } of parser.push(decoder.decode(value, { stream: true }))) this.#receive(data);
    }
  }

  #receive(data: string): void {
    if (this.readyState !== OPEN) return;
    if (this.#post === '' || data.startsWith('{"type":"close"')) {
      const { type, post = '', code, reason } = JSON.parse(data) as Readonly<Record<string, string>>;
      if (type === 'close') {
        this.#end(Number(code), reason);
        return;
      }
      if (type === 'hello') this.#post = new URL(post, this.#url).href;
    }
    this.onmessage?.({ data });
  }

  /** Sends what waits, one request after the other, so that the order stays. */
  async #postWaiting(): Promise<void> {
    this.#isPosting = true;
    try {
      while (this.#waiting.length > 0 && this.readyState === OPEN) {
        const messages = this.#waiting;
        this.#waiting = [];
        await this.#postMessages(new TextEncoder().encode(`[${messages.join(',')}]`));
      }
    } catch (thrown) {
      this.#end(asError(thrown).status === 413 ? TOO_LARGE : ABNORMAL);
    } finally {
      this.#isPosting = false;
    }
  }

  async #postMessages(body: Uint8Array): Promise<void> {
    const { signal } = this.#closed;
    for (let attempt = 0; ; attempt++) {
      try {
        await request(this.#environment, this.#post, { method: 'POST', body, signal, repeatable: false });
        return;
      } catch (thrown) {
        const { status, retryAfter = 1000 } = asError(thrown);
        // None of the messages was handled.
        if (status !== 429 || attempt >= MAX_POSTPONED) throw thrown;
        await pause(retryAfter, signal);
      }
    }
  }

  #end(code: number, reason = ''): void {
    if (this.readyState === CLOSED) return;
    this.readyState = CLOSED;
    this.#closed.abort();
    this.onclose?.({ code, reason });
  }
}

/** Statuses of refusals that another attempt would meet as well. */
const FINAL_STATUSES = new Set([400, 401, 403, 414]);

/**
 * Finds out why a connection could not be opened, since a page does not receive the response to its WebSocket. Undefined when
 * the server would open an event stream at this address. `wasOpen`: the address has existed.
 */
export async function explainRefusal(
  environment: Environment,
  address: string,
  wasOpen: boolean,
): Promise<Refusal | undefined> {
  const error = await probe(environment, address);
  if (error === undefined) return undefined;
  return { error, isFinal: FINAL_STATUSES.has(error.status) || (error.status === 404 && !wasOpen) };
}

/** Returns the error of the server at this address, or undefined when it would open an event stream. */
async function probe(environment: Environment, address: string): Promise<TablecastError | undefined> {
  const once = { ...environment, retryFor: 0, canRenew: false };
  const headers = { accept: 'text/event-stream' };
  try {
    await request(once, address, { method: 'HEAD', headers });
    return undefined;
  } catch (thrown) {
    const error = asError(thrown);
    if (error.status === 0) return error;
  }
  try {
    // The response to HEAD has no body, and so no code.
    const opened = await request(once, address, { method: 'GET', headers });
    await opened.body?.cancel();
    return undefined;
  } catch (thrown) {
    return asError(thrown);
  }
}
