import type { FastifyInstance } from 'fastify';
import type { AppAuth } from '../auth/app-auth.ts';
import type { RoomAccess } from '../auth/rooms/access.ts';
import type { AppConfig, ServerConfig } from '../config/config.ts';
import type { HasShortAddress } from '../config/short-addresses.ts';
import type { RealtimeHooks } from '../hooks/realtime-hooks.ts';
import type { RoomsHandle } from '../hub/rooms/rooms.ts';
import type { TableResource } from '../resources/table/resource.ts';
import type { Transactions } from '../resources/transactions/transactions.ts';
import type { Admission } from '../server/limits/admission.ts';
import type { Awaitable } from '../store/store.ts';
import type { RoomService } from './live/rooms/service.ts';
import type { Route } from './routes/route.ts';

/** An application as transports see it. */
export interface MountedApp {
  readonly config: AppConfig;
  /** Tables by export name. */
  readonly resources: ReadonlyMap<string, TableResource>;
  readonly transactions: Transactions;
  /** Short hash of the plan: a list that was cached before the schema changed has another ETag. */
  readonly planTag: string;
  /** Undefined where authentication is off. */
  readonly auth: AppAuth | undefined;
  /** Undefined where the application has no hooks for connections. */
  readonly hooks: RealtimeHooks | undefined;
  readonly routes: readonly Route[];
  /** Connectors that have rooms, by name. */
  readonly rooms: ReadonlyMap<string, RoomsHandle>;
  /** The same for connections of protocol v1, without connectors that have a port of their own. */
  readonly roomServices: ReadonlyMap<string, RoomService>;
  /** Undefined where the application has no rules of rooms. */
  readonly roomAccess: RoomAccess | undefined;
  /** Undefined where the application has neither connectors nor flows. */
  readonly connectors: MountedConnectors | undefined;
  /** Addresses of the application that are served without its id, too. */
  readonly hasShortAddress: HasShortAddress;
}

/** Status of a transport or a connector, for the metrics. */
export interface TransportStatus {
  readonly connections: number;
  /** Rooms with at least one member, where there are rooms. */
  readonly rooms?: number;
}

/** A part of the server with connections, which end with it. */
export interface Mounted {
  status(): TransportStatus;
  /** The server stops: asks the clients of open connections to reconnect, and closes them. */
  stop(): void;
  /** The time to stop is over: cuts off what is still open. */
  abort(): void;
  /** Resolves when code of the application that was called for connections has ended. */
  settled?(): Promise<void>;
}

export type MountedParts = readonly (readonly [label: string, status: TransportStatus])[];

/** The connectors of one application. */
export interface MountedConnectors extends Mounted {
  /** Each connector by its label in the metrics. */
  parts(): MountedParts;
  register(server: FastifyInstance): Promise<void>;
  start(): Promise<void>;
}

/** A part of the server with connections, by its label in the metrics. */
export interface NamedPart extends Mounted {
  readonly name: string;
  /** Called when the server listens. Does not wait for other systems that cannot be reached. */
  start?(): Promise<void>;
  /** Its parts by their labels in the metrics, where its connections are counted apart. */
  parts?(): MountedParts;
}

/** A way in and out for clients. */
export interface Transport extends NamedPart {
  /** Called once, with the applications that the transport accepts. Throws StartError when an address is taken. */
  register(server: FastifyInstance, apps: readonly MountedApp[]): Awaitable<void>;
}

export interface TransportContext {
  readonly config: ServerConfig;
  readonly admission: Admission;
  /** Clients receive the message of an error that a handler throws. */
  readonly showsDetails: boolean;
  /** Reports internal errors that have no request to fail. */
  readonly onError: (error: unknown) => void;
}

export type TransportFactory = (context: TransportContext) => Transport;
