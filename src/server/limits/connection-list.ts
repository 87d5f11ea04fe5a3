import type { Identity } from '../../auth/identity.ts';
import type { Subscription } from '../../hub/subscription.ts';
import type { TableResource } from '../../resources/table/resource.ts';

/** One subscription of a connection. */
export interface ListedSubscription {
  readonly resource: Pick<TableResource, 'table' | 'positionOf'>;
  /** Query as the client wrote it, which may have its token in it. */
  readonly rawQuery: string;
  readonly subscription: Subscription;
}

/** Description of a connection, made on request and not kept. */
export interface ConnectionDescription {
  readonly transport: 'websocket' | 'sse' | 'multiplex' | 'live' | 'route' | 'room' | 'admin';
  readonly listens?: Iterable<ListedSubscription>;
  /** Names of the rooms that it is in. */
  readonly rooms?: Iterable<string>;
  /** Path of the request, where there is no table. */
  readonly path?: string;
}

/** An open connection, as administrators see it. */
export interface ListedConnection {
  /** Random, the same for as long as the connection is open. */
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly openedAt: number;
  readonly identity: Identity;
  readonly carrier: 'websocket' | 'sse';
  /** Bytes that were written and that the kernel has not accepted yet. */
  readonly pending: number;
  describe(): ConnectionDescription;
  /** Ends it as if its caller had lost its access. */
  end(): void;
}

/** The open connections of one kind. */
export interface ConnectionGroup {
  /** Connections of an application. */
  of(appId: string): Iterable<ListedConnection>;
}
