import type { Status } from '../connection/link.ts';
import { closedError, problemError, TablecastError } from '../error.ts';
import type { Channel } from '../wire/channel.ts';
import { LiveConnection } from '../wire/connection.ts';
import type { WireMessage } from '../wire/messages.ts';
import type { ConnectionPool } from '../wire/pool.ts';
import type { Sent } from '../wire/writes.ts';
import type { RoomsOptions } from './rooms.ts';

interface OpenRoom {
  readonly joined: Promise<void>;
  members: readonly string[];
  /** Settles `joined`. */
  settle(error?: TablecastError): void;
  /** Settles `joined` and resolves when the server has confirmed it. */
  leave(error?: TablecastError): Promise<void>;
}

/** What `Rooms` does once it is loaded. */
export class OpenRooms {
  /** Resolves after `close`; rejects with the error that ended the rooms. */
  readonly ended: Promise<void>;
  readonly #pool: ConnectionPool;
  readonly #options: RoomsOptions;
  /** Name or path of the connector. */
  readonly #connector: string | undefined;
  /** Connection to a connector that protocol v1 does not reach. */
  readonly #own: LiveConnection | undefined;
  /** Joined rooms by name; under undefined, what is sent to all clients and to the user. */
  readonly #open = new Map<string | undefined, OpenRoom>();
  #status: Status | undefined;
  #settle: (error?: TablecastError) => void = () => {};

  constructor(pool: ConnectionPool, { href, origin, pathname, search }: URL, options: RoomsOptions) {
    this.#pool = pool;
    this.#options = options;
    const { environment } = pool;
    const { base } = environment;
    if (origin === base.origin && search === '') {
      this.#connector = pathname.replace(base.pathname, '');
    } else {
      const socketFactory = async () => (await import('../wire/connector-socket.ts')).connectorSockets(environment);
      this.#own = new LiveConnection(environment, href, { socketFactory });
    }
    this.ended = new Promise((resolve, reject) => {
      this.#settle = (error) => (error === undefined ? resolve() : reject(error));
    });
    if (options.onError !== undefined) this.ended.catch(() => {});
    if (options.broadcasts !== false) this.#attach(undefined).joined.catch(() => {});
  }

  get joined(): readonly string[] {
    return [...this.#open.keys()].filter((room) => room !== undefined);
  }

  members(room: string): readonly string[] {
    return this.#open.get(room)?.members ?? [];
  }

  async join(room: string): Promise<void> {
    if (this.#isClosed) throw closedError();
    await (this.#open.get(room) ?? this.#attach(room)).joined;
  }

  async leave(room: string): Promise<void> {
    await this.#open.get(room)?.leave();
  }

  send(data: unknown): Promise<Sent> {
    const sent = this.#send(data);
    sent.catch((error: TablecastError) => this.#options.onError?.(error));
    return sent;
  }

  close(): void {
    this.#end();
  }

  get #isClosed(): boolean {
    return this.#status === 'closed';
  }

  get #connection(): LiveConnection {
    return this.#own ?? this.#pool.connection();
  }

  async #send(data: unknown): Promise<Sent> {
    if (this.#isClosed) throw closedError();
    const { buffer = 100, onMessage } = this.#options;
    const sent = await this.#connection.send({ connector: this.#connector, data }, buffer);
    if (sent.data !== undefined) onMessage?.(sent.data);
    return sent;
  }

  #attach(room: string | undefined): OpenRoom {
    const connection = this.#connection;
    const { environment } = this.#pool;
    let settle: OpenRoom['settle'] = () => {};
    const joined = new Promise<void>((resolve, reject) => {
      const timer = setInterval(() => {
        if (connection.isLive)
          this.#lose(room, new TablecastError('TIMEOUT', `No answer within ${environment.timeout} ms.`));
      }, environment.timeout);
      settle = (error) => {
        clearInterval(timer);
        if (error === undefined) resolve();
        else reject(error);
      };
    });
    const channel: Channel = {
      isList: false,
      start: () => ({ connector: this.#connector, room }),
      handle: (message) => this.#receive(room, open, message),
      lost: () => {},
      restart: () => {},
      status: (status) => this.#setStatus(room, status),
      ended: (error) => this.#lose(room, error),
    };
    const leave = (error?: TablecastError) => {
      settle(error);
      this.#open.delete(room);
      return connection.detach(channel);
    };
    const open: OpenRoom = { joined, members: [], settle, leave };
    this.#open.set(room, open);
    connection.attach(channel);
    return open;
  }

  #receive(room: string | undefined, open: OpenRoom, message: WireMessage): void {
    const { type, members, user_id: user } = message;
    const { onMessage, onPresence, onError } = this.#options;
    if (this.#isClosed) return;
    if (type === 'subscribed') {
      open.settle();
      this.#setStatus(room, 'live');
    } else if (type === 'message') {
      onMessage?.(message.data, message.room);
    } else if (room !== undefined && (members ?? user) !== undefined) {
      const others = open.members.filter((name) => name !== user);
      open.members = members ?? (type === 'member_left' ? others : [...others, user as string]);
      if (this.#open.get(room) === open) onPresence?.(room, this.members(room));
    } else if (room === undefined && type === 'error') {
      onError?.(problemError(message.problem));
    }
  }

  /** Handles the end of a room by the server; without what is sent to all clients, all ends. */
  #lose(room: string | undefined, error?: TablecastError): void {
    const open = this.#open.get(room);
    if (open === undefined) return;
    if (room === undefined || error === undefined) {
      this.#end(error);
    } else {
      void open.leave(error);
      this.#options.onError?.(error, room);
    }
  }

  /** The status is that of the subscription to the connector, or of the rooms where there is none. */
  #setStatus(room: string | undefined, status: Status): void {
    const isShown = room === undefined || this.#options.broadcasts === false;
    if (!isShown || status === this.#status || this.#isClosed) return;
    this.#status = status;
    this.#options.onStatus?.(status);
  }

  #end(error?: TablecastError): void {
    if (this.#isClosed) return;
    this.#setStatus(undefined, 'closed');
    for (const { leave } of [...this.#open.values()]) void leave(error ?? closedError());
    this.#own?.close();
    if (error !== undefined) this.#options.onError?.(error);
    this.#settle(error);
  }
}
