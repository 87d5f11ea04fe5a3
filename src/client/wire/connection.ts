import { delayBefore } from '../connection/backoff.ts';
import { type Environment, type SocketFactory, socketUrl } from '../connection/environment.ts';
import { Link, type Refusal, type Status } from '../connection/link.ts';
import type { Ack, Envelope } from '../connection/outbox.ts';
import { asError, closedError, problemError, TablecastError } from '../error.ts';
import type { Frame } from '../live/frames.ts';
import type { Channel, ConnectionHost } from './channel.ts';
import { CommitBuffer } from './commit-buffer.ts';
import type { WireMessage } from './messages.ts';
import type { ConnectionWrites, Sent } from './writes.ts';

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
/** Milliseconds within which a WebSocket has to open before an event stream is tried. */
const SOCKET_TIMEOUT_MS = 3_000;
/** Failed WebSockets in a row after which one that worked before counts as blocked. */
const BLOCKED_AFTER = 3;
/** Milliseconds for which a connection without subscriptions stays open. */
const IDLE_MS = 1_000;

/**
 * Connection of protocol v1 (PROTOCOL.md §7): all subscriptions, rooms and writes of a client over one WebSocket, or over an
 * event stream where WebSockets do not get through. After a reconnect each subscription resumes by its own position.
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

  constructor(environment: Environment, address: string, host: ConnectionHost) {
    this.#environment = environment;
    this.#address = address;
    this.#host = host;
    this.#link = new Link(environment, {
      protocol: 'tablecast.v1.json',
      ping: '{"type":"ping"}',
      address: () => socketUrl(this.#address),
      socketFactory: () => this.#socketFactory(),
      openTimeout: () => Math.min(this.#environment.timeout, this.#usesStream ? Infinity : SOCKET_TIMEOUT_MS),
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

  get isLive(): boolean {
    return this.#status === 'live';
  }

  /** Opens a subscription now, or with the next connection. */
  attach(channel: Channel): void {
    clearTimeout(this.#idle);
    this.#channels.set(channel, { id: undefined, attempts: 0, hasRenewed: false });
    channel.status(this.#status === 'waiting' ? 'waiting' : 'connecting');
    this.#subscribe(channel);
  }

  /** Ends a subscription; resolves when the server has confirmed it. The connection is closed when it has none for a second. */
  detach(channel: Channel): Promise<void> {
    const id = this.#leave(channel);
    this.#channels.delete(channel);
    this.#closeWhenIdle();
    if (id === undefined || !this.#isGreeted) return Promise.resolve();
    return new Promise((resolve) => {
      const handle = (message: WireMessage) =>
        message.type === 'unsubscribed' ? resolve() : channel.handle?.(message);
      // A room hears what was sent to it before the server has confirmed.
      this.#byId.set(id, { ...channel, handle });
    });
  }

  /** Subscribes again from the position of the channel, which learns the current position of the server by that. */
  renew(channel: Channel): void {
    if (!this.#isGreeted) return;
    this.#leave(channel);
    this.#subscribe(channel);
  }

  /** Resolves when the write is committed, exactly once even over lost connections. */
  write(table: string, envelope: Envelope, id?: string | number): Promise<Ack> {
    return this.#request((writes) => writes.write(table, envelope, id));
  }

  /** Sends a message to the flows of a connector, at most once. `buffer`: messages that may wait for a connection. */
  send(message: { readonly connector: string | undefined; readonly data: unknown }, buffer: number): Promise<Sent> {
    return this.#request((writes) => writes.send(message, this.#isGreeted ? undefined : buffer));
  }

  async #request<V>(run: (writes: ConnectionWrites) => Promise<V>): Promise<V> {
    clearTimeout(this.#idle);
    this.#pendingWrites++;
    try {
      return await run(this.#writes ?? (await this.#openWrites()));
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
    this.#send({ type: 'subscribe', id: state.id, ...channel.start() });
  }

  /** Forgets the id of a subscription, and returns it: messages on their way for it reach nothing. */
  #leave(channel: Channel): number | undefined {
    const state = this.#channels.get(channel);
    const id = state?.id;
    if (id === undefined) return undefined;
    this.#forget(id);
    if (this.#isGreeted) this.#send({ type: 'unsubscribe', id });
    (state as ChannelState).id = undefined;
    return id;
  }

  #send(message: object): void {
    this.#link.send(JSON.stringify(message));
  }

  #receive(message: WireMessage): void {
    const { s, type, id } = message;
    if (s !== undefined) this.#buffer.take(message);
    else if (type === 'commit') this.#buffer.commit(message.tx, (id) => this.#byId.get(id)?.isList === true);
    else if (type === 'hello') this.#greet(message);
    else if (type === 'expiring') void this.#renewToken();
    else if (/subscribed$/.test(type)) this.#hand(id as number, message, []);
    else if (!this.#writes?.answer(message) && type === 'error') this.#refuse(message);
  }

  #greet({ limits }: WireMessage): void {
    this.#maxChannels = limits?.subscriptions ?? this.#maxChannels;
    this.#isGreeted = true;
    this.#wasGreeted = true;
    this.#socketWorked ||= !this.#usesStream;
    this.#blocked = 0;
    for (const channel of this.#channels.keys()) this.#subscribe(channel);
    this.#writes?.connected();
    if (this.#channels.size === 0) this.#link.ready();
  }

  #hand(id: number, message: WireMessage, frames: readonly Frame<unknown>[]): void {
    const channel = this.#byId.get(id);
    if (channel === undefined) return;
    // A room has no snapshot, and is open at once.
    if (message.type === (channel.handle ? 'subscribed' : 'ready')) this.#opened(channel);
    if (channel.handle !== undefined) channel.handle(message);
    else for (const frame of frames) channel.received?.(frame);
    if (message.type === 'unsubscribed') this.#forget(id);
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
  #refuse(message: WireMessage): void {
    const { id, ref, problem } = message;
    if (id === undefined && ref === undefined) for (const channel of this.#channels.keys()) channel.handle?.(message);
    const channel = this.#byId.get(id as number) as Channel;
    const state = this.#channels.get(channel);
    if (state === undefined) return;
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
    // A refused token ends nothing before the one that the server has.
    if (token !== undefined) this.#send({ type: 'auth', token, ref: 'auth' });
  }

  #lost(code: number, reason: string): void {
    this.#isGreeted = false;
    this.#isStream = false;
    this.#forgetAll();
    this.#writes?.disconnected(code, reason);
    for (const [channel, state] of [...this.#channels]) {
      state.id = undefined;
      channel.lost();
    }
  }

  #forgetAll(): void {
    for (const { handle } of this.#byId.values()) handle?.({ type: 'unsubscribed' });
    this.#byId.clear();
    this.#buffer.clear();
  }

  #setStatus(status: Status): void {
    this.#status = status;
    this.#host.status?.(status);
    if (status !== 'connecting' && status !== 'waiting') return;
    for (const channel of [...this.#channels.keys()]) channel.status(status);
  }

  get #usesStream(): boolean {
    return this.#isStream || this.#environment.eventStream || this.#host.socketFactory !== undefined;
  }

  async #socketFactory(): Promise<SocketFactory> {
    if (this.#host.socketFactory !== undefined) return this.#host.socketFactory();
    const Socket = this.#usesStream ? undefined : await this.#environment.socketClass().catch(() => undefined);
    if (Socket !== undefined) return (url, protocols) => new Socket(url, protocols);
    const { StreamSocket } = await import('./stream-socket.ts');
    return (url, protocols) => new StreamSocket(this.#environment, url, protocols);
  }

  async #openWrites(): Promise<ConnectionWrites> {
    const { ConnectionWrites } = await import('./writes.ts');
    if (this.#link.isClosed) throw closedError();
    this.#writes ??= new ConnectionWrites(MAX_WRITES, (text) => this.#isGreeted && this.#link.send(text));
    return this.#writes;
  }

  async #explainRefusal(): Promise<Refusal> {
    const refusal = { error: new TablecastError('NETWORK', 'The connection was refused.'), isFinal: false };
    if (this.#host.socketFactory !== undefined) return refusal;
    const found = await import('./stream-socket.ts').then(
      ({ explainRefusal }) => explainRefusal(this.#environment, this.#address, this.#wasGreeted),
      (thrown: unknown) => ({ error: asError(thrown), isFinal: false }),
    );
    if (found !== undefined) return found;
    this.#blocked++;
    this.#isStream = !this.#isStream && this.#blocked >= (this.#socketWorked ? BLOCKED_AFTER : 1);
    return refusal;
  }

  #end(error: TablecastError | undefined): void {
    clearTimeout(this.#idle);
    this.#forgetAll();
    this.#host.ended?.();
    this.#writes?.end(error ?? closedError());
    const channels = [...this.#channels.keys()];
    this.#channels.clear();
    for (const channel of channels) channel.ended(error);
  }
}
