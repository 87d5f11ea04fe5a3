import { asError, TablecastError } from '../error.ts';
import { onWake } from '../wake.ts';
import { delayBefore } from './backoff.ts';
import { type Environment, listenForEnd, type SocketLike } from './environment.ts';

/** `paused`: nothing is read until what came has been taken. `waiting`: for the next attempt. */
export type Status = 'connecting' | 'live' | 'waiting' | 'paused' | 'closed';

/** What a link connects, and who hears of it. */
export interface LinkHost {
  /** WebSocket URL of the next connection. */
  address(): string;
  /** Offered beside the token. */
  readonly protocol?: string;
  /** What the server answers, whatever it answers; without it silence says nothing. */
  readonly ping?: string;
  opened(): void;
  received(data: unknown): void;
  /** The connection has ended; what was sent may or may not have arrived. */
  lost(code: number, reason: string): void;
  /** Why a connection was refused, as far as that can be found out. */
  whyRefused?(): Promise<Refusal>;
  status(status: Status): void;
  /** Once, at the end; with the error when it was not asked for. */
  ended(error?: TablecastError): void;
}

export interface Refusal {
  readonly error: TablecastError;
  /** Another attempt would end in the same way. */
  readonly isFinal: boolean;
}

const OPEN = 1;
/** A connection that held this long was a good one. */
const GOOD = 5_000;
const BUSY = new Set([1008, 1013, 4429]);

/**
 * A WebSocket that comes back: after growing pauses with full jitter, at once when the network or the window does, with
 * a new token when the old one was refused. Silence is no proof of life: pings of the protocol are not shown to pages,
 * so a link with `ping` asks, and goes when nothing comes.
 */
export class Link {
  readonly #environment: Environment;
  readonly #host: LinkHost;
  /** Stops listening for the network and the window. */
  readonly #forget: () => void;
  #socket: SocketLike | undefined;
  #isOpen = false;
  #openedAt = 0;
  #attempts = 0;
  /** Every connection has a number, so that what a former one still does is not heard. */
  #turn = 0;
  #renew = false;
  /** Tokens that were refused since the last that was good. */
  #refused = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #silence: ReturnType<typeof setTimeout> | undefined;
  #status: Status | undefined;

  constructor(environment: Environment, host: LinkHost) {
    this.#environment = environment;
    this.#host = host;
    this.#forget = onWake(() => this.#wake());
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get isClosed(): boolean {
    return this.#status === 'closed';
  }

  connect(): void {
    if (this.isClosed) return;
    this.#drop();
    this.#show('connecting');
    void this.#open(this.#turn);
  }

  send(data: string | Uint8Array): boolean {
    if (!this.#isOpen || this.#socket?.readyState !== OPEN) return false;
    this.#socket.send(data);
    return true;
  }

  /** The connection does what it is for. */
  ready(): void {
    this.#attempts = 0;
    this.#refused = 0;
    this.#show('live');
  }

  /** Lets go of the connection until `connect`. */
  pause(): void {
    this.#drop();
    this.#show('paused');
  }

  close(error?: TablecastError): void {
    if (this.isClosed) return;
    this.#drop();
    this.#forget();
    this.#show('closed');
    this.#host.ended(error);
  }

  async #open(turn: number): Promise<void> {
    try {
      this.#watch(turn, this.#environment.timeout);
      const Socket = await this.#environment.socketClass();
      const token = await this.#environment.token(this.#renew);
      if (turn !== this.#turn) return;
      this.#renew = false;
      const { protocol } = this.#host;
      const offers = [protocol, token && `bearer.${token}`].filter((it) => it !== undefined && it !== '');
      const address = this.#host.address();
      this.#listen(offers.length === 0 ? new Socket(address) : new Socket(address, offers as string[]), turn);
    } catch (thrown) {
      if (turn !== this.#turn) return;
      const error = asError(thrown, 'NETWORK');
      const isFinal =
        error.code === 'NO_WEBSOCKET' || isForGood(error) || (thrown as Error | undefined)?.name === 'SyntaxError';
      if (isFinal) this.close(error);
      else this.#later();
    }
  }

  #listen(socket: SocketLike, turn: number): void {
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      if (turn !== this.#turn) return;
      this.#isOpen = true;
      this.#openedAt = Date.now();
      this.#heard(turn);
      this.#host.opened();
    };
    socket.onmessage = ({ data }) => {
      if (turn !== this.#turn) return;
      this.#heard(turn);
      this.#host.received(data);
    };
    listenForEnd(socket, {
      end: (code, reason) => {
        if (turn === this.#turn) void this.#lost(code, reason);
      },
    });
  }

  #heard(turn: number): void {
    if (this.#host.ping === undefined) clearTimeout(this.#silence);
    else this.#watch(turn, this.#environment.pingInterval, this.#host.ping);
  }

  /** After so much silence the server is asked, or given up when it was. */
  #watch(turn: number, ms: number, ping?: string): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      if (turn !== this.#turn) return;
      if (ping !== undefined && this.send(ping)) this.#watch(turn, this.#environment.timeout);
      else void this.#lost(1006, 'silence');
    }, ms);
  }

  async #lost(code: number, reason: string): Promise<void> {
    const wasOpen = this.#isOpen;
    if (wasOpen && Date.now() - this.#openedAt > GOOD) this.#attempts = 0;
    this.#drop();
    if (wasOpen) this.#host.lost(code, reason);
    if (this.isClosed) return;
    if (code === 4403) {
      return this.close(new TablecastError('FORBIDDEN', reason || 'Not allowed any more.', { status: 403 }));
    }
    if (code === 4401) {
      const error = new TablecastError('UNAUTHORIZED', reason || 'The token is not accepted.', { status: 401 });
      if (!this.#environment.canRenew) return this.close(error);
      this.#renew = true;
    }
    if (wasOpen || this.#host.whyRefused === undefined) return this.#later({ busy: BUSY.has(code) });
    // A page is not told with what status its WebSocket was refused.
    const turn = this.#turn;
    this.#show('waiting');
    const refusal = await this.#host.whyRefused();
    if (turn === this.#turn) this.#refusedBecause(refusal);
  }

  #refusedBecause({ error, isFinal }: Refusal): void {
    if (error.status === 401 && this.#environment.canRenew && ++this.#refused < 3) this.#renew = true;
    else if (isFinal) this.close(error);
    if (!this.isClosed) this.#later({ busy: error.status === 429, least: error.retryAfter ?? 0 });
  }

  #later(why: { busy?: boolean; least?: number } = {}): void {
    const delay = delayBefore(this.#attempts, { ...why, longest: this.#environment.longestPause });
    this.#attempts++;
    this.#show('waiting');
    clearTimeout(this.#silence);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.connect(), delay);
  }

  /** The network or the window is back: who waits need not, and who believes to be connected makes sure. */
  #wake(): void {
    if (this.#status === 'waiting' && this.#timer !== undefined) this.connect();
    else if (this.#isOpen && this.#host.ping !== undefined) this.#watch(this.#turn, 0, this.#host.ping);
  }

  #drop(): void {
    const socket = this.#socket;
    this.#turn++;
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

  #show(status: Status): void {
    if (status === this.#status) return;
    this.#status = status;
    this.#host.status(status);
  }
}

/** A token that cannot be had now cannot be had later either. */
function isForGood({ status }: TablecastError): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}
