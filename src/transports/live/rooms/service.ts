import type { Identity } from '../../../auth/identity.ts';
import type { AppError } from '../../../errors.ts';
import type { RoomEncoding } from '../../../hub/rooms/members.ts';
import type { Sink } from '../../../hub/subscription.ts';

/** Rooms of a connector, for the connections of protocol v1. */
export interface RoomService {
  /** Path of the connector below the application, such as `/ws`. */
  readonly path: string;
  /** Throws UNAUTHORIZED or FORBIDDEN for a caller that may not connect. */
  connect(caller: RoomCaller): RoomClient;
}

/** Caller of a connection, with its current rights. */
export interface RoomCaller {
  readonly identity: Identity;
  /** Undefined for an anonymous caller. */
  readonly user: string | undefined;
  /** Called when a flow that runs for each client has failed. */
  failed(error: AppError): void;
}

/** A connection as a client of one connector. */
export interface RoomClient {
  /** Resolves when the client is a member. Throws BAD_REQUEST, FORBIDDEN, UNAUTHORIZED, and as hooks do. */
  join(room: unknown, options: RoomMemberOptions): Promise<JoinedRoom>;
  /** Receives what is sent to all clients of the connector, and to its user. */
  listen(options: RoomMemberOptions): JoinedRoom;
  /** Runs the flows of the connector with a message, after those of earlier messages. Throws AppError. */
  send(data: unknown): Promise<RoomReply>;
  /** Applies the caller's current rights. */
  reauthorize(): void;
  /** Leaves all rooms; the client has gone. */
  close(): void;
}

export interface RoomMemberOptions {
  readonly sink: Sink;
  readonly encoding: RoomEncoding;
  /** Called with the list of members when the client may see it from now on. */
  readonly notify: (presence: object) => void;
  /** Called when the client is not a member any more, since its rights have ended. */
  readonly lost: (error: AppError) => void;
}

/** A client as a member of one room. */
export interface JoinedRoom {
  /** List of the members at the moment of the join; undefined where the client receives none. */
  readonly presence: object | undefined;
  /** Called when the sink has room again. */
  drained(): void;
  leave(): void;
}

/** Outcome of the flows of a message. */
export interface RoomReply {
  /** Number of connections that the message was sent on to. */
  readonly delivered?: number;
  /** Result of the flow for the sender. */
  readonly data?: unknown;
}
