import { randomUUID } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import type { ConnectionRegistry, OpenConnection } from '../auth/connections.ts';
import { AppError } from '../errors.ts';
import type { Admission } from '../server/limits/admission.ts';
import type { ConnectionDescription, ConnectionGroup, ListedConnection } from '../server/limits/connection-list.ts';
import { Heartbeat, type HeartbeatOptions } from './heartbeat.ts';

/** Milliseconds that a client has to answer the close of an administrator before its connection is cut off. */
const MAX_FAREWELL_MS = 1000;

/** Notes of `Connections.open` about a connection. */
export interface Opened {
  readonly appId: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Undefined until the connection is listed for the first time. */
  id: string | undefined;
}

/** A connection that stays open: a socket or a stream of any transport. */
export interface Connection extends OpenConnection {
  /** Gives back what the connection holds; set by `Connections.open`, called once when it has closed. */
  release: () => void;
  /** Set by `Connections.open`. */
  opened: Opened | undefined;
  readonly carrier: ListedConnection['carrier'];
  /** Bytes that were written and that the kernel has not accepted yet. */
  readonly pending: number;
  /** Says what it is for; called for administrators only. */
  describe(): ConnectionDescription;
  /** Sends a sign of life, and may ask the client for one. */
  beat(): void;
  /** The server stops: asks the client to reconnect, and closes. */
  stop(): void;
  /** Closes at once, without a word to the client. */
  abort(): void;
}

/** Checks that a connection has to pass: before hooks are called for it, and again after that. */
export type ConnectionGuard = Pick<Connections<Connection>, 'admit' | 'readmit'>;

export interface Opening {
  readonly appId: string;
  readonly request: FastifyRequest;
  /** The callers of the application; undefined where authentication is off. */
  readonly registry: ConnectionRegistry | undefined;
}

/**
 * The open connections of one transport, from their admission to their end: each holds a lease of the limits, gets a
 * heartbeat, ends with its token, follows the rights of its caller, and is stopped with the server.
 */
export class Connections<C extends Connection> implements ConnectionGroup {
  readonly #admission: Admission;
  readonly #heartbeat: Heartbeat<C>;
  /** Calls of `empty` that wait. */
  #emptied: (() => void)[] = [];

  constructor(admission: Admission, heartbeat: HeartbeatOptions) {
    this.#admission = admission;
    this.#heartbeat = new Heartbeat(heartbeat, (connection) => connection.beat());
    admission.groups.push(this);
  }

  /** Connections that have not closed yet, those that are being closed included. */
  get size(): number {
    return this.#heartbeat.size;
  }

  /** Throws STOPPING, OVERLOADED or TOO_MANY_CONNECTIONS. */
  admit(request: FastifyRequest): void {
    this.#admission.check(request);
  }

  /**
   * Checks again after a token or a hook was waited for. Throws BAD_REQUEST when the client has gone meanwhile, and as
   * `admit`.
   */
  readmit(request: FastifyRequest, isGone = false): void {
    if (isGone) throw new AppError('BAD_REQUEST', 'The connection was closed.');
    this.#admission.check(request);
  }

  /** Takes over a connection that was admitted, in the turn of the event loop in which it was made. */
  open(connection: C, { request, registry, appId }: Opening): void {
    const lease = this.#admission.enter(request);
    const slot = this.#heartbeat.add(connection);
    connection.opened = { appId, at: Date.now(), id: undefined };
    registry?.add(connection);
    connection.release = () => {
      registry?.remove(connection);
      this.#heartbeat.remove(connection, slot);
      this.#admission.leave(lease);
      if (this.size === 0) for (const resolve of this.#emptied.splice(0)) resolve();
    };
    // A socket is opened after the turn in which it was admitted: `stop` may have come between.
    if (this.#admission.isClosed) connection.stop();
  }

  *of(appId: string): Iterable<ListedConnection> {
    for (const connection of this.#heartbeat.members()) {
      const { opened } = connection;
      if (opened?.appId === appId) yield list(connection, opened);
    }
  }

  /** The server stops: refuses what is still being opened, and closes what is open. */
  stop(): void {
    this.#admission.close();
    this.#heartbeat.stop();
    for (const connection of this.#heartbeat.members()) connection.stop();
  }

  /** Cuts off what is still open. */
  abort(): void {
    for (const connection of this.#heartbeat.members()) connection.abort();
  }

  /** Resolves when no connection is open. */
  async empty(): Promise<void> {
    if (this.size > 0) await new Promise<void>((resolve) => this.#emptied.push(resolve));
  }
}

function list(connection: Connection, opened: Opened): ListedConnection {
  opened.id ??= randomUUID();
  const { identity, carrier, pending } = connection;
  return {
    ...{ id: opened.id, openedAt: opened.at, identity, carrier, pending },
    describe: () => connection.describe(),
    end: () => {
      connection.revoked();
      // A client that reads nothing would never answer.
      setTimeout(() => connection.abort(), MAX_FAREWELL_MS).unref();
    },
  };
}

const OWNER = Symbol('owner');

/** Writes to a socket. */
export interface SocketOwner {
  /** Called when the socket has room again. */
  drained(): void;
}

type OwnedSocket = Duplex & { [OWNER]?: SocketOwner };

/** Calls `owner.drained` when the socket has room again. One listener function serves all sockets. */
export function watchDrain(socket: Duplex, owner: SocketOwner): void {
  (socket as OwnedSocket)[OWNER] = owner;
  socket.on('drain', onDrain);
}

function onDrain(this: OwnedSocket): void {
  this[OWNER]?.drained();
}
