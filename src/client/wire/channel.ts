import type { SocketFactory } from '../connection/environment.ts';
import type { Status } from '../connection/link.ts';
import type { TablecastError } from '../error.ts';
import type { Frame } from '../live/frames.ts';
import type { WireMessage } from './messages.ts';

/** Subscription as its connection sees it. */
export interface Channel {
  /** True for a list, which has a transaction before the callbacks of other subscriptions are called for it. */
  readonly isList: boolean;
  /** Properties of `subscribe`: the query and the position to start from, or the connector and the room. */
  start(): object;
  /** Called for a list or a record, unless it has `handle`. */
  received?(frame: Frame<unknown>): void;
  /** Called for a room, with every message for it, `subscribed` included, and with errors that are about no subscription. */
  handle?(message: WireMessage): void;
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
  /** Opens every socket, which speaks protocol v1; without it a WebSocket, or an event stream where none gets through. */
  socketFactory?(): Promise<SocketFactory>;
  status?(status: Status): void;
  ended?(): void;
}
