import { delayBefore } from '../connection/backoff.ts';
import { type Environment, type SocketLike, socketUrl } from '../connection/environment.ts';
import { Link, type Refusal, type Status } from '../connection/link.ts';
import type { Ack, Envelope } from '../connection/outbox.ts';
import { asError, closedError, problemError, TablecastError } from '../error.ts';
import type { Frame } from '../live/frames.ts';
import { CommitBuffer } from './commit-buffer.ts';
import type { WireMessage } from './messages.ts';
import type { ConnectionWrites } from './writes.ts';

/** Subscription as its connection sees it. */
export interface Channel {
  /** Address of the list or record below the application, with its query. */
  readonly query: string;
  /** True for a list, which has a transaction before the callbacks of other subscriptions are called for it. */
  readonly isList: boolean;
  /** Start of the subscription: `since`, `snapshot`, or nothing for the stored state. */
  start(): { readonly since?: string; readonly snapshot?: boolean };
  received(frame: Frame<unknown>): void;
  /** Called when the connection is lost; the channel is subscribed again over the next one. */
  lost(): void;
  status(status: Status): void;
  /** Called when another user is logged in: what is subscribed begins again. */
  restart(): void;
  /** Called once at the end, with an error unless the connection was closed on purpose. */
  ended(error?: TablecastError): void;
}

/** Events of a connection. */
export interface ConnectionHost {
  status(status: Status): void;
  ended(): void;
}

interface ChannelState {
  /** Id of the subscription on this connection; undefined while there is none. */
  id: number | undefined;
  attempts: number;
  /** True when its last refusal asked for a newer token. */
  hasRenewed: boolean;
}

/** Subscriptions of one connection by the defaults of a server, until `hello` says it. */
const MAX_SUBSCRIPTIONS = 100;
const MAX_WRITES = 1000;
/** Close codes of protocol errors, which would occur again if the message were sent again. */
const FINAL_CLOSE_CODES = new Set([1002, 1003, 1007, 1009]);
const FINAL_STATUSES = new Set([400, 401, 403, 414]);
/** Milliseconds within which a WebSocket has to open before an event stream is tried. */
const SOCKET_TIMEOUT_MS = 3_000;
/** Failed WebSockets in a row after which one that worked before counts as blocked. */
const BLOCKED_AFTER = 3;
/** Milliseconds for which a connection without subscriptions stays open. */
const IDLE_MS = 1_000;

/**
 * Connection of protocol v1 (PROTOCOL.md §7): all subscriptions and writes of a client over one WebSocket, or over an event
 * stream where WebSockets do not get through. After a reconnect each subscription resumes by its own position.
 */
export class LiveConnection {
  readonly #environment: Environment;
  readonly #address: string;
  readonly #link: Link;
  #writes: ConnectionWrites | undefined;
  /** Writes without an answer. */
  #pendingWrites = 0;
  readonly #channels = new Map<Channel, ChannelState>();
  readonly #byId = new Map<number, Channel>();
  readonly #buffer = new CommitBuffer((id, message, frames) => this.#hand(id, message, frames));
  readonly #host: ConnectionHost;
  #maxChannels = MAX_SUBSCRIPTIONS;
  #lastId = 0;
  /** True between `hello` and the end of a connection. */
  #isGreeted = false;
  #wasGreeted = false;
  #isStream = false;
  #socketWorked = false;
  /** WebSockets in a row that have failed although the server is there. */
  #blocked = 0;
  #status: Status = 'connecting';
  #idle: ReturnType<typeof setTimeout> | undefined;

  constructor(environment: Environment, client: string, host: ConnectionHost) {
    this.#environment = environment;
    this.#address = `${new URL('_/live', environment.base).href}?client=${encodeURIComponent(client)}`;
    this.#host = host;
    this.#link = new Link(environment, {
      protocol: 'tablecast.v1.json',
      ping: '{"type":"ping"}',
      address: () => socketUrl(this.#address),
      socketClass: () => this.#socketClass(),
      openTimeout: () => Math.min(this.#environment.timeout, this.#usesStream ? Infinity : SOCKET_TIMEOUT_MS),
      opened: () => {},
      received: (data) => this.#receive(JSON.parse(String(data)) as WireMessage),
      lost: (code, reason) => this.#lost(code, reason),
      explainRefusal: () => this.#explainRefusal(),
      status: (status) => this.#setStatus(status),
      ended: (error) => this.#end(error),
    });
    this.#link.connect();
  }

  get isFull(): boolean {
    return this.#channels.size >= this.#maxChannels;
  }

  /** Opens a subscription now, or with the next connection. */
  attach(channel: Channel): void {
    clearTimeout(this.#idle);
    this.#channels.set(channel, { id: undefined, attempts: 0, hasRenewed: false });
    channel.status(this.#status === 'waiting' ? 'waiting' : 'connecting');
    this.#subscribe(channel);
  }

  /** Ends a subscription. The connection is closed when it has none for a second. */
  detach(channel: Channel): void {
    this.#leave(channel);
    this.#channels.delete(channel);
    this.#closeWhenIdle();
  }

  /** Subscribes again from the position of the channel, which learns the current position of the server by that. */
  renew(channel: Channel): void {
    if (!this.#isGreeted) return;
    this.#leave(channel);
    this.#subscribe(channel);
  }

  /** Resolves when the write is committed, exactly once even over lost connections. */
  async write(table: string, envelope: Envelope, id?: string | number): Promise<Ack> {
    clearTimeout(this.#idle);
    this.#pendingWrites++;
    try {
      return await (this.#writes ?? (await this.#openWrites())).write(table, envelope, id);
    } finally {
      this.#pendingWrites--;
      this.#closeWhenIdle();
    }
  }

  /** Connects again as the user that is logged in now. */
  restart(): void {
    this.#lost(1000, '');
    for (const channel of [...this.#channels.keys()]) channel.restart();
    this.#link.connect();
  }

  close(): void {
    this.#link.close();
  }

  #closeWhenIdle(): void {
    clearTimeout(this.#idle);
    if (this.#channels.size > 0 || this.#pendingWrites > 0 || this.#link.isClosed) return;
    this.#idle = setTimeout(() => this.#link.close(), IDLE_MS);
  }

  #subscribe(channel: Channel): void {
    const state = this.#channels.get(channel);
    if (state === undefined || state.id !== undefined || !this.#isGreeted) return;
    state.id = ++this.#lastId;
    this.#byId.set(state.id, channel);
    this.#send({ type: 'subscribe', id: state.id, query: channel.query, ...channel.start() });
  }

  /** Forgets the id of a subscription, so that messages on their way for it reach nothing. */
  #leave(channel: Channel): void {
    const state = this.#channels.get(channel);
    if (state?.id === undefined) return;
    this.#forget(state.id);
    if (this.#isGreeted) this.#send({ type: 'unsubscribe', id: state.id });
    state.id = undefined;
  }

  #send(message: object): void {
    this.#link.send(JSON.stringify(message));
  }

  #receive(message: WireMessage): void {
    const { s, type } = message;
    if (s !== undefined) this.#buffer.take(message);
    else if (type === 'commit') this.#buffer.commit(message.tx, (id) => this.#byId.get(id)?.isList === true);
    else if (type === 'hello') this.#greet(message);
    else if (type === 'expiring') void this.#renewToken();
    else if (!this.#writes?.answer(message) && type === 'error') this.#refuse(message);
  }

  #greet({ limits }: WireMessage): void {
    this.#maxChannels = limits?.subscriptions ?? MAX_SUBSCRIPTIONS;
    this.#isGreeted = true;
    this.#wasGreeted = true;
    this.#socketWorked ||= !this.#usesStream;
    this.#blocked = 0;
    for (const channel of this.#channels.keys()) this.#subscribe(channel);
    this.#writes?.connected();
    if (this.#channels.size === 0) this.#link.ready();
  }

  #hand(id: number, { type }: WireMessage, frames: readonly Frame<unknown>[]): void {
    const channel = this.#byId.get(id);
    if (channel === undefined) return;
    if (type === 'ready') this.#opened(channel);
    for (const frame of frames) channel.received(frame);
  }

  #forget(id: number): void {
    this.#byId.delete(id);
    this.#buffer.forget(id);
  }

  #opened(channel: Channel): void {
    this.#link.ready();
    const state = this.#channels.get(channel);
    if (state !== undefined) Object.assign(state, { attempts: 0, hasRenewed: false });
  }

  /** Handles an error about a subscription: tries again where that may help, else ends it. */
  #refuse({ id, problem }: WireMessage): void {
    const channel = this.#byId.get(id as number);
    const state = channel && this.#channels.get(channel);
    if (channel === undefined || state === undefined) return;
    const error = problemError(problem);
    this.#forget(id as number);
    state.id = undefined;
    const mayRenew = error.status === 401 && this.#environment.canRenew && !state.hasRenewed;
    if (mayRenew) {
      state.hasRenewed = true;
      void this.#renewToken().then(() => this.#subscribe(channel));
    } else if (error.status >= 500 || error.status === 429) {
      channel.status('waiting');
      const delay = delayBefore(state.attempts++, { busy: error.status === 429 });
      setTimeout(() => this.#subscribe(channel), delay);
    } else {
      this.detach(channel);
      channel.ended(error);
    }
  }

  /** Sends a newer token over the open connection. Without one the server closes with 4401 and the link reconnects. */
  async #renewToken(): Promise<void> {
    if (!this.#environment.canRenew) return;
    const token = await this.#environment.token(true).catch(() => undefined);
    if (token !== undefined) this.#send({ type: 'auth', token });
  }

  #lost(code: number, reason: string): void {
    this.#isGreeted = false;
    this.#isStream = false;
    this.#byId.clear();
    this.#buffer.clear();
    const error = new TablecastError('PROTOCOL', reason || `The connection was closed with ${code}.`);
    this.#writes?.lost(FINAL_CLOSE_CODES.has(code) ? error : undefined);
    for (const [channel, state] of [...this.#channels]) {
      state.id = undefined;
      channel.lost();
    }
  }

  #setStatus(status: Status): void {
    this.#status = status;
    this.#host.status(status);
    if (status !== 'connecting' && status !== 'waiting') return;
    for (const channel of [...this.#channels.keys()]) channel.status(status);
  }

  get #usesStream(): boolean {
    return this.#isStream || this.#environment.eventStream;
  }

  async #socketClass(): Promise<new (url: string, protocols?: string[]) => SocketLike> {
    if (this.#usesStream) return this.#streamClass();
    return this.#environment.socketClass().catch(() => this.#streamClass());
  }

  /** Loads what most pages do not need. */
  async #streamClass(): Promise<new (url: string, protocols?: string[]) => SocketLike> {
    const { streamSocketClass } = await import('./stream-socket.ts');
    return streamSocketClass(this.#environment);
  }

  async #openWrites(): Promise<ConnectionWrites> {
    const { ConnectionWrites } = await import('./writes.ts');
    if (this.#link.isClosed) throw closedError();
    this.#writes ??= new ConnectionWrites(MAX_WRITES, (text) => this.#isGreeted && this.#link.send(text));
    return this.#writes;
  }

  async #explainRefusal(): Promise<Refusal> {
    const error = await import('./stream-socket.ts')
      .then(({ probe }) => probe(this.#environment, this.#address))
      .catch((thrown: unknown) => asError(thrown));
    if (error !== undefined) {
      const isFinal = FINAL_STATUSES.has(error.status) || (error.status === 404 && !this.#wasGreeted);
      return { error, isFinal };
    }
    this.#blocked++;
    this.#isStream = !this.#isStream && this.#blocked >= (this.#socketWorked ? BLOCKED_AFTER : 1);
    return { error: new TablecastError('NETWORK', 'The connection was refused.'), isFinal: false };
  }

  #end(error: TablecastError | undefined): void {
    clearTimeout(this.#idle);
    this.#host.ended();
    this.#writes?.end(error ?? closedError());
    const channels = [...this.#channels.keys()];
    this.#channels.clear();
    for (const channel of channels) channel.ended(error);
  }
}
