import { asError, TablecastError } from '../error.ts';
import { delayBefore, onWake } from './backoff.ts';
import { type Environment, listenForEnd, type SocketFactory, type SocketLike } from './environment.ts';

/** State of a connection or a subscription. `paused`: until the queued frames are processed. `waiting`: for the next attempt. */
export type Status = 'connecting' | 'live' | 'waiting' | 'paused' | 'closed';

/** Address and callbacks of a link. */
export interface LinkHost {
  /** WebSocket URL of the next connection. */
  address(): string;
  /** Resolves with what opens the next connection. */
  socketFactory(): Promise<SocketFactory>;
  /** Milliseconds until a connection that does not open is given up. */
  openTimeout(): number;
  /** Subprotocol that is offered with the token. */
  readonly protocol: string;
  /** Message that the server replies to. */
  readonly ping: string;
  received(data: unknown): void;
  /** Called when the connection has ended. Sent messages may or may not have arrived. */
  lost(code: number, reason: string): void;
  /** Finds out why a connection was refused, as far as possible. */
  explainRefusal(): Promise<Refusal>;
  status(status: Status): void;
  /** Called once at the end, with an error unless `close` was called. */
  ended(error?: TablecastError): void;
}

export interface Refusal {
  readonly error: TablecastError;
  /** True when another attempt would fail in the same way. */
  readonly isFinal: boolean;
}

const OPEN = 1;
/** Age in milliseconds at which a connection counts as stable, so that pauses start again from the shortest one. */
const STABLE_AFTER_MS = 5_000;
const BUSY = new Set([1008, 1013, 4429]);

/**
 * WebSocket that reconnects: after growing pauses with full jitter, at once when the network or the window is back, with a
 * new token when the old one was refused. Pages do not receive the ping frames of the protocol, so that a link sends its own
 * after a silence and reconnects when no message follows.
 */
export class Link {
  readonly #environment: Environment;
  readonly #host: LinkHost;
  /** Removes the listeners of the network and the window. */
  readonly #stopListening: () => void;
  #socket: SocketLike | undefined;
  /** Milliseconds since 1970; 0 while it is not open. */
  #openedAt = 0;
  #attempts = 0;
  /** Number of the current connection, so that events of former ones are ignored. */
  #generation = 0;
  #renew = false;
  /** Tokens that were refused since the last one that was accepted. */
  #refusedTokens = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #silence: ReturnType<typeof setTimeout> | undefined;
  #status: Status | undefined;

  constructor(environment: Environment, host: LinkHost) {
    this.#environment = environment;
    this.#host = host;
    this.#stopListening = onWake(() => this.#wake());
  }

  get isClosed(): boolean {
    return this.#status === 'closed';
  }

  connect(): void {
    if (this.isClosed) return;
    this.#detach();
    this.#setStatus('connecting');
    void this.#open(this.#generation);
  }

  send(data: string | Uint8Array): boolean {
    if (this.#socket?.readyState !== OPEN) return false;
    this.#socket.send(data);
    return true;
  }

  /** Reports that the connection works: pauses start again from the shortest one. */
  ready(): void {
    this.#attempts = 0;
    this.#refusedTokens = 0;
    this.#setStatus('live');
  }

  close(error?: TablecastError): void {
    if (this.isClosed) return;
    this.#detach();
    this.#stopListening();
    this.#setStatus('closed');
    this.#host.ended(error);
  }

  async #open(generation: number): Promise<void> {
    try {
      this.#watchSilence(generation, this.#host.openTimeout());
      const openSocket = await this.#host.socketFactory();
      const token = await this.#environment.token(this.#renew);
      if (generation !== this.#generation) return;
      this.#renew = false;
      const { protocol } = this.#host;
      const offers = token === undefined || token === '' ? [protocol] : [protocol, `bearer.${token}`];
      this.#listen(openSocket(this.#host.address(), offers), generation);
    } catch (thrown) {
      if (generation !== this.#generation) return;
      const error = asError(thrown, 'NETWORK');
      const isFinal =
        error.code === 'NO_WEBSOCKET' || isPermanent(error) || (thrown as Error | undefined)?.name === 'SyntaxError';
      if (isFinal) this.close(error);
      else this.#scheduleRetry();
    }
  }

  #listen(socket: SocketLike, generation: number): void {
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      if (generation !== this.#generation) return;
      this.#openedAt = Date.now();
      this.#sawTraffic(generation);
    };
    socket.onmessage = ({ data }) => {
      if (generation !== this.#generation) return;
      this.#sawTraffic(generation);
      this.#host.received(data);
    };
    listenForEnd(socket, {
      end: (code, reason) => {
        if (generation === this.#generation) void this.#handleEnd(code, reason);
      },
    });
  }

  #sawTraffic(generation: number): void {
    this.#watchSilence(generation, this.#environment.pingInterval, this.#host.ping);
  }

  /** Sends a ping after this much silence, or ends the connection when the ping was sent already. */
  #watchSilence(generation: number, ms: number, ping?: string): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      if (generation !== this.#generation) return;
      if (ping !== undefined && this.send(ping)) this.#watchSilence(generation, this.#environment.timeout);
      else void this.#handleEnd(1006, 'silence');
    }, ms);
  }

  async #handleEnd(code: number, reason: string): Promise<void> {
    const wasOpen = this.#openedAt > 0;
    if (wasOpen && Date.now() - this.#openedAt > STABLE_AFTER_MS) this.#attempts = 0;
    this.#detach();
    if (wasOpen) this.#host.lost(code, reason);
    if (this.isClosed) return;
    if (code === 4401 || code === 4403) {
      this.#renew = code === 4401 && this.#environment.canRenew;
      const status = code - 4000;
      const error = new TablecastError(status === 401 ? 'UNAUTHORIZED' : 'FORBIDDEN', reason, { status });
      if (!this.#renew) return this.close(error);
    }
    if (wasOpen) return this.#scheduleRetry({ busy: BUSY.has(code) });
    // A page does not receive the status with which its WebSocket was refused.
    const generation = this.#generation;
    this.#setStatus('waiting');
    const refusal = await this.#host.explainRefusal();
    if (generation === this.#generation) this.#handleRefusal(refusal);
  }

  #handleRefusal({ error, isFinal }: Refusal): void {
    if (error.status === 401 && this.#environment.canRenew && ++this.#refusedTokens < 3) this.#renew = true;
    else if (isFinal) this.close(error);
    if (!this.isClosed) this.#scheduleRetry({ busy: error.status === 429, minDelay: error.retryAfter ?? 0 });
  }

  #scheduleRetry(why: { busy?: boolean; minDelay?: number } = {}): void {
    const delay = delayBefore(this.#attempts, { ...why, maxDelay: this.#environment.maxPause });
    this.#attempts++;
    this.#setStatus('waiting');
    clearTimeout(this.#silence);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.connect(), delay);
  }

  /** Reconnects at once when the network or the window is back. An open connection is checked by a ping. */
  #wake(): void {
    if (this.#status === 'waiting' && this.#timer !== undefined) this.connect();
    else if (this.#openedAt > 0) this.#watchSilence(this.#generation, 0, this.#host.ping);
  }

  #detach(): void {
    const socket = this.#socket;
    this.#generation++;
    this.#socket = undefined;
    this.#openedAt = 0;
    clearTimeout(this.#timer);
    clearTimeout(this.#silence);
    this.#timer = undefined;
    if (socket === undefined) return;
    socket.onopen = null;
    socket.onmessage = null;
    socket.onclose = null;
    if (socket.readyState === OPEN) socket.close(1000);
    else (socket.terminate ?? socket.close).call(socket);
  }

  #setStatus(status: Status): void {
    if (status === this.#status) return;
    this.#status = status;
    this.#host.status(status);
  }
}

/** True when a token cannot be obtained later either. */
function isPermanent({ status }: TablecastError): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}
