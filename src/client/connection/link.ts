import { asError, TablecastError } from '../error.ts';
import { delayBefore, onWake } from './backoff.ts';
import { type Environment, listenForEnd, type SocketLike } from './environment.ts';

/** State of a connection or a subscription. `paused`: until the queued frames are processed. `waiting`: for the next attempt. */
export type Status = 'connecting' | 'live' | 'waiting' | 'paused' | 'closed';

/** Address and callbacks of a link. */
export interface LinkHost {
  /** WebSocket URL of the next connection. */
  address(): string;
  /** Class of the next connection; the environment's by default. */
  socketClass?(): Promise<new (url: string, protocols?: string[]) => SocketLike>;
  /** Milliseconds until a connection that does not open is given up; the environment's timeout by default. */
  openTimeout?(): number;
  /** Subprotocol that is offered with the token. */
  readonly protocol?: string;
  /** Message that the server replies to. Without it a silent connection is not checked. */
  readonly ping?: string;
  opened(): void;
  received(data: unknown): void;
  /** Called when the connection has ended. Sent messages may or may not have arrived. */
  lost(code: number, reason: string): void;
  /** Finds out why a connection was refused, as far as possible. */
  explainRefusal?(): Promise<Refusal>;
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
 * new token when the old one was refused. Pages do not receive the ping frames of the protocol, so that a link with `ping`
 * sends its own after a silence and reconnects when no message follows.
 */
export class Link {
  readonly #environment: Environment;
  readonly #host: LinkHost;
  /** Removes the listeners of the network and the window. */
  readonly #stopListening: () => void;
  #socket: SocketLike | undefined;
  #isOpen = false;
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

  get isOpen(): boolean {
    return this.#isOpen;
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
    if (!this.#isOpen || this.#socket?.readyState !== OPEN) return false;
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
      this.#watchSilence(generation, this.#host.openTimeout?.() ?? this.#environment.timeout);
      const Socket = await (this.#host.socketClass ?? this.#environment.socketClass)();
      const token = await this.#environment.token(this.#renew);
      if (generation !== this.#generation) return;
      this.#renew = false;
      const { protocol } = this.#host;
      const offers = [protocol, token && `bearer.${token}`].filter((it) => it !== undefined && it !== '');
      const address = this.#host.address();
      this.#listen(offers.length === 0 ? new Socket(address) : new Socket(address, offers as string[]), generation);
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
      this.#isOpen = true;
      this.#openedAt = Date.now();
      this.#sawTraffic(generation);
      this.#host.opened();
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
    if (this.#host.ping === undefined) clearTimeout(this.#silence);
    else this.#watchSilence(generation, this.#environment.pingInterval, this.#host.ping);
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
    const wasOpen = this.#isOpen;
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
    if (wasOpen || this.#host.explainRefusal === undefined) return this.#scheduleRetry({ busy: BUSY.has(code) });
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
    else if (this.#isOpen && this.#host.ping !== undefined) this.#watchSilence(this.#generation, 0, this.#host.ping);
  }

  #detach(): void {
    const socket = this.#socket;
    this.#generation++;
    this.#socket = undefined;
    this.#isOpen = false;
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
