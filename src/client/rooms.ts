import { type Environment, socketUrl } from './connection/environment.ts';
import { Link, type Status } from './connection/link.ts';
import { parseMessage } from './connection/messages.ts';
import { TablecastError } from './error.ts';

export interface RoomsOptions {
  /** `room`: where it was sent to; undefined when it was for everybody, or for this user. */
  onMessage?(data: unknown, room?: string): void;
  /** Who is in a room, whenever that changes; where the connector has `presence`. */
  onPresence?(room: string, members: readonly string[]): void;
  onStatus?(status: Status): void;
  /** What the server complained about, and the error with which it has ended. */
  onError?(error: TablecastError): void;
  /** Messages that may wait for a connection; 100. */
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

interface Asking {
  readonly done: Promise<void>;
  resolve(): void;
  reject(error: TablecastError): void;
}

/**
 * Rooms of a WebSocket connector. The rooms that were joined are joined again over every new connection; what was said
 * in them meanwhile is not kept by the server, and not told.
 */
export class Rooms {
  /** Resolves when it was closed, rejects with the error that ended it. */
  readonly ended: Promise<void>;
  readonly #link: Link;
  readonly #options: RoomsOptions;
  readonly #timeout: number;
  readonly #rooms = new Set<string>();
  /** Joins and leaves without an answer, by what is asked. */
  readonly #asked = new Map<string, Asking>();
  readonly #members = new Map<string, Set<string>>();
  #waiting: string[] = [];
  #settle: (error?: TablecastError) => void = () => {};

  /** `path`: absolute, or relative to the application; or a whole URL. */
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
      received: (data) => this.#take(Object(parseMessage(data)) as RoomFrame),
      lost: () => {},
      status: (status) => this.#options.onStatus?.(status),
      ended: (error) => this.#end(error),
    });
    this.#link.connect();
  }

  /** The rooms that are joined, or will be again. */
  get joined(): readonly string[] {
    return [...this.#rooms];
  }

  /** Users in a room, as far as the server has told. */
  members(room: string): readonly string[] {
    return [...(this.#members.get(room) ?? [])];
  }

  /** Resolves when the server says so. */
  join(room: string): Promise<void> {
    this.#rooms.add(room);
    return this.#ask('join_room', room);
  }

  leave(room: string): Promise<void> {
    this.#rooms.delete(room);
    this.#members.delete(room);
    return this.#ask('leave_room', room);
  }

  /** Starts the flows that listen for messages. Without a connection it waits for one. */
  send(data: unknown): void {
    if (this.#link.isClosed) throw closedError();
    const text = JSON.stringify({ type: 'message', data });
    if (this.#link.send(text)) return;
    const { buffer = 100 } = this.#options;
    if (this.#waiting.length >= buffer) {
      throw new TablecastError('BUFFER_FULL', `${buffer} messages wait for a connection.`);
    }
    this.#waiting.push(text);
  }

  close(): void {
    this.#link.close();
  }

  #ask(type: 'join_room' | 'leave_room', room: string): Promise<void> {
    if (this.#link.isClosed) return Promise.reject(closedError());
    // Without a connection nobody is in a room; whoever is to be is asked for when there is one.
    const isSent = this.#link.send(JSON.stringify({ type, room }));
    if (!isSent && type === 'leave_room') return Promise.resolve();
    return this.#answerTo(type, room);
  }

  #answerTo(type: string, room: string): Promise<void> {
    const key = `${type} ${room}`;
    const known = this.#asked.get(key);
    if (known !== undefined) return known.done;
    const { promise, ...settle } = withResolvers();
    const timer = setTimeout(() => {
      const message = `The server did not answer to ${type} ${room} within ${this.#timeout} ms.`;
      if (this.#link.isOpen) this.#reject(key, new TablecastError('TIMEOUT', message));
    }, this.#timeout);
    const done = promise.finally(() => clearTimeout(timer));
    this.#asked.set(key, { done, ...settle });
    return done;
  }

  #opened(): void {
    this.#link.ready();
    for (const room of this.#rooms) this.#link.send(JSON.stringify({ type: 'join_room', room }));
    // Nobody is in a room of a new connection.
    for (const [key, { resolve }] of [...this.#asked]) {
      if (!key.startsWith('leave_room ')) continue;
      this.#asked.delete(key);
      resolve();
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const text of waiting) this.#link.send(text);
  }

  #take(frame: RoomFrame): void {
    const { type, room = '', data } = frame;
    if (type === 'joined' || type === 'left') {
      const key = `${type === 'joined' ? 'join_room' : 'leave_room'} ${room}`;
      this.#asked.get(key)?.resolve();
      this.#asked.delete(key);
    } else if (type === 'error') {
      this.#takeError(frame);
    } else if (type === 'message') {
      this.#options.onMessage?.(data, room === '' ? undefined : room);
    } else if (this.#rooms.has(room)) {
      this.#takePresence(room, frame);
    }
  }

  /** Of a room: it was not joined, or there can be none of that name. */
  #takeError({ room, message = '' }: RoomFrame): void {
    const error = new TablecastError('REFUSED', message);
    if (room !== undefined) {
      this.#rooms.delete(room);
      // Answers come in the order in which it was asked.
      const asked = [...this.#asked.keys()].find((key) => key === `join_room ${room}` || key === `leave_room ${room}`);
      if (asked !== undefined) this.#reject(asked, error);
    }
    this.#options.onError?.(error);
  }

  #takePresence(room: string, { type, members = [], user_id: user = '' }: RoomFrame): void {
    const known = this.#members.get(room) ?? new Set();
    if (type === 'presence') this.#members.set(room, new Set(members));
    else if (type === 'member_joined') this.#members.set(room, known.add(user));
    else if (type === 'member_left') known.delete(user);
    else return;
    this.#options.onPresence?.(room, this.members(room));
  }

  #reject(key: string, error: TablecastError): void {
    this.#asked.get(key)?.reject(error);
    this.#asked.delete(key);
  }

  #end(error: TablecastError | undefined): void {
    for (const key of [...this.#asked.keys()]) this.#reject(key, error ?? closedError());
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

function closedError(): TablecastError {
  return new TablecastError('CLOSED', 'The connection is closed.');
}
