import type { Status } from '../connection/link.ts';
import { asError, closedError, type TablecastError } from '../error.ts';
import type { ConnectionPool } from '../wire/pool.ts';
import type { Sent } from '../wire/writes.ts';
import type { OpenRooms } from './open-rooms.ts';

export interface RoomsOptions {
  /** Called for every message. `room` is undefined for a broadcast, a message to this user and the result of a flow. */
  onMessage?(data: unknown, room?: string): void;
  /** Called with the users in a room whenever they change, if the connector has `presence`. */
  onPresence?(room: string, members: readonly string[]): void;
  onStatus?(status: Status): void;
  /**
   * Called for errors that the server reports, and for the error that ended the rooms. `room` is the one that is refused, or
   * that the user may no longer be in.
   */
  onError?(error: TablecastError, room?: string): void;
  /** Messages that may wait for a connection; the default is 100. */
  readonly buffer?: number;
  /** False to receive nothing but the messages of joined rooms. */
  readonly broadcasts?: boolean;
}

/**
 * Rooms of a connector. Joined rooms are joined again after a reconnect. Messages that were sent in between are not
 * delivered: the server does not store them.
 *
 * @example
 * ```ts
 * // page.ts
 * import { connect } from 'tablecast/client';
 *
 * const client = connect('https://example.com/my-app');
 * const rooms = client.rooms('ws', { onMessage: (data, room) => console.log(room, data) });
 * await rooms.join('lobby');
 * await client.$api.announce?.post({ text: 'Hello' });
 * await rooms.leave('lobby');
 * client.close();
 * ```
 */
export class Rooms {
  /** Resolves after `close`; rejects with the error that ended the rooms. */
  readonly ended: Promise<void>;
  /** Few pages have rooms: what works with them is loaded when they are opened. */
  readonly #opened: Promise<OpenRooms>;
  #open: OpenRooms | undefined;
  #isClosed = false;
  /** Rooms that were joined while the rest was loaded. */
  readonly #asked = new Set<string>();

  /**
   * `connector` is the name of a connector or its path. The URL of a connector on another origin, or with a query, opens a
   * WebSocket of its own.
   *
   * @throws TypeError for an invalid URL
   */
  constructor(pool: ConnectionPool, connector: string | URL, options: RoomsOptions = {}) {
    const url = new URL(connector, pool.environment.base);
    this.#opened = this.#load(pool, url, options);
    this.ended = this.#opened.then(
      ({ ended }) => ended,
      (error: TablecastError) => {
        if (this.#isClosed) return options.onStatus?.('closed');
        options.onError?.(error);
        throw error;
      },
    );
    if (options.onError !== undefined) this.ended.catch(() => {});
  }

  /** Rooms that are joined, or will be joined after the next connect. */
  get joined(): readonly string[] {
    return this.#open?.joined ?? [...this.#asked];
  }

  /** Returns the users in a room, as last reported by the server. */
  members(room: string): readonly string[] {
    return this.#open?.members(room) ?? [];
  }

  /** Joins a room. Resolves when the server confirms it; rejects with the code of its refusal, or `TIMEOUT`. */
  async join(room: string): Promise<void> {
    if (!this.#isClosed) this.#asked.add(room);
    return (await this.#opened).join(room);
  }

  /** Leaves a room. Resolves when the server confirms it, or at once without a connection. */
  async leave(room: string): Promise<void> {
    this.#asked.delete(room);
    return (await this.#opened).leave(room);
  }

  /**
   * Sends a message, which starts flows. Without a connection the message is queued. Resolves when the flows have ended, with
   * what they return; a message that got no answer before the connection was lost rejects with `NETWORK`, and is not repeated.
   */
  send(data: unknown): Promise<Sent> {
    const sent = this.#opened.then((open) => open.send(data));
    // An error is reported to `onError`, too.
    sent.catch(() => {});
    return sent;
  }

  close(): void {
    this.#isClosed = true;
    this.#asked.clear();
    this.#open?.close();
  }

  async #load(pool: ConnectionPool, url: URL, options: RoomsOptions): Promise<OpenRooms> {
    const { OpenRooms } = await import('./open-rooms.ts').catch((thrown: unknown) => {
      throw asError(thrown);
    });
    if (this.#isClosed) throw closedError();
    this.#open = new OpenRooms(pool, url, options);
    return this.#open;
  }
}
