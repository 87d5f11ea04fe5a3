import { type Environment, parseMessage, socketUrl } from './connection/environment.ts';
import { Link, type Status } from './connection/link.ts';
import { closedError, TablecastError } from './error.ts';

export interface RoomsOptions {
  /** Called for every message. `room` is undefined for a broadcast or a message to this user. */
  onMessage?(data: unknown, room?: string): void;
  /** Called with the users in a room whenever they change, if the connector has `presence`. */
  onPresence?(room: string, members: readonly string[]): void;
  onStatus?(status: Status): void;
  /** Called for errors that the server reports, and for the error that ended the connection. */
  onError?(error: TablecastError): void;
  /** Messages that may wait for a connection; the default is 100. */
  readonly buffer?: number;
}

interface RoomFrame {
  readonly type?: string;
  readonly room?: string;
  readonly data?: unknown;
  readonly message?: string;
  readonly members?: readonly string[];
  readonly user_id?: string;
}

interface PendingReply {
  readonly done: Promise<void>;
  resolve(): void;
  reject(error: TablecastError): void;
}

/**
 * Rooms of a WebSocket connector. Joined rooms are joined again after a reconnect. Messages that were sent in between are
 * not delivered: the server does not store them.
 *
 * @example
 * ```ts
 * // page.ts
 * import { connect } from 'tablecast/client';
 *
 * const client = connect('https://example.com/my-app');
 * const rooms = client.rooms('/ws', { onMessage: (data, room) => console.log(room, data) });
 * await rooms.join('lobby');
 * await client.$api.announce?.post({ text: 'Hello' });
 * await rooms.leave('lobby');
 * client.close();
 * ```
 */
export class Rooms {
  /** Resolves after `close`; rejects with the error that ended the connection. */
  readonly ended: Promise<void>;
  readonly #link: Link;
  readonly #options: RoomsOptions;
  readonly #timeout: number;
  readonly #rooms = new Set<string>();
  /** Joins and leaves without a reply, by type and room. */
  readonly #pending = new Map<string, PendingReply>();
  readonly #members = new Map<string, Set<string>>();
  #unsent: string[] = [];
  #settle: (error?: TablecastError) => void = () => {};

  /** `path` is absolute, relative to the application, or a full URL. */
  constructor(environment: Environment, path: string, options: RoomsOptions = {}) {
    const url = socketUrl(new URL(path, environment.base).href);
    this.#options = options;
    this.#timeout = environment.timeout;
    this.ended = new Promise((resolve, reject) => {
      this.#settle = (error) => (error === undefined ? resolve() : reject(error));
    });
    if (options.onError !== undefined) this.ended.catch(() => {});
    this.#link = new Link(environment, {
      address: () => url,
      opened: () => this.#opened(),
      received: (data) => this.#receive(Object(parseMessage(data)) as RoomFrame),
      lost: () => {},
      status: (status) => this.#options.onStatus?.(status),
      ended: (error) => this.#end(error),
    });
    this.#link.connect();
  }

  /** Rooms that are joined, or will be joined after the next connect. */
  get joined(): readonly string[] {
    return [...this.#rooms];
  }

  /** Returns the users in a room, as last reported by the server. */
  members(room: string): readonly string[] {
    return [...(this.#members.get(room) ?? [])];
  }

  /** Joins a room. Resolves when the server confirms it; rejects with `REFUSED` or `TIMEOUT`. */
  join(room: string): Promise<void> {
    this.#rooms.add(room);
    return this.#request('join_room', room);
  }

  /** Leaves a room. Resolves when the server confirms it, or at once without a connection. */
  leave(room: string): Promise<void> {
    this.#rooms.delete(room);
    this.#members.delete(room);
    return this.#request('leave_room', room);
  }

  /**
   * Sends a message, which starts flows. Without a connection the message is queued.
   *
   * @throws TablecastError `BUFFER_FULL` or `CLOSED`
   */
  send(data: unknown): void {
    if (this.#link.isClosed) throw closedError();
    const text = JSON.stringify({ type: 'message', data });
    if (this.#link.send(text)) return;
    const { buffer = 100 } = this.#options;
    if (this.#unsent.length >= buffer) {
      throw new TablecastError('BUFFER_FULL', `${buffer} messages wait for a connection.`);
    }
    this.#unsent.push(text);
  }

  close(): void {
    this.#link.close();
  }

  #request(type: 'join_room' | 'leave_room', room: string): Promise<void> {
    if (this.#link.isClosed) return Promise.reject(closedError());
    // Without a connection there is no room to leave; rooms in `joined` are joined after the next connect.
    const isSent = this.#link.send(JSON.stringify({ type, room }));
    if (!isSent && type === 'leave_room') return Promise.resolve();
    return this.#awaitReply(type, room);
  }

  #awaitReply(type: string, room: string): Promise<void> {
    const key = `${type} ${room}`;
    const known = this.#pending.get(key);
    if (known !== undefined) return known.done;
    const { promise, ...settle } = withResolvers();
    const timer = setTimeout(() => {
      const message = `The server did not reply to ${type} ${room} within ${this.#timeout} ms.`;
      if (this.#link.isOpen) this.#reject(key, new TablecastError('TIMEOUT', message));
    }, this.#timeout);
    const done = promise.finally(() => clearTimeout(timer));
    this.#pending.set(key, { done, ...settle });
    return done;
  }

  #opened(): void {
    this.#link.ready();
    for (const room of this.#rooms) this.#link.send(JSON.stringify({ type: 'join_room', room }));
    // A new connection is in no room, so that pending leaves are done.
    for (const [key, { resolve }] of [...this.#pending]) {
      if (!key.startsWith('leave_room ')) continue;
      this.#pending.delete(key);
      resolve();
    }
    const waiting = this.#unsent;
    this.#unsent = [];
    for (const text of waiting) this.#link.send(text);
  }

  #receive(frame: RoomFrame): void {
    const { type, room = '', data } = frame;
    if (type === 'joined' || type === 'left') {
      const key = `${type === 'joined' ? 'join_room' : 'leave_room'} ${room}`;
      this.#pending.get(key)?.resolve();
      this.#pending.delete(key);
    } else if (type === 'error') {
      this.#receiveError(frame);
    } else if (type === 'message') {
      this.#options.onMessage?.(data, room === '' ? undefined : room);
    } else if (this.#rooms.has(room)) {
      this.#receivePresence(room, frame);
    }
  }

  /** Handles an error. With `room`, a join or leave was refused, such as for an invalid name. */
  #receiveError({ room, message = '' }: RoomFrame): void {
    const error = new TablecastError('REFUSED', message);
    if (room !== undefined) {
      this.#rooms.delete(room);
      // Replies come in the order of the requests.
      const pending = [...this.#pending.keys()].find(
        (key) => key === `join_room ${room}` || key === `leave_room ${room}`,
      );
      if (pending !== undefined) this.#reject(pending, error);
    }
    this.#options.onError?.(error);
  }

  #receivePresence(room: string, { type, members = [], user_id: user = '' }: RoomFrame): void {
    const known = this.#members.get(room) ?? new Set();
    if (type === 'presence') this.#members.set(room, new Set(members));
    else if (type === 'member_joined') this.#members.set(room, known.add(user));
    else if (type === 'member_left') known.delete(user);
    else return;
    this.#options.onPresence?.(room, this.members(room));
  }

  #reject(key: string, error: TablecastError): void {
    this.#pending.get(key)?.reject(error);
    this.#pending.delete(key);
  }

  #end(error: TablecastError | undefined): void {
    for (const key of [...this.#pending.keys()]) this.#reject(key, error ?? closedError());
    if (error !== undefined) this.#options.onError?.(error);
    this.#settle(error);
  }
}

function withResolvers(): { promise: Promise<void>; resolve: () => void; reject: (error: TablecastError) => void } {
  let resolve: () => void = () => {};
  let reject: (error: TablecastError) => void = () => {};
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
