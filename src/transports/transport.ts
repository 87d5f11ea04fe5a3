import type { FastifyInstance } from 'fastify';
import type { AppAuth } from '../auth/app-auth.ts';
import type { ServerConfig } from '../config/config.ts';
import type { RealtimeHooks } from '../hooks/realtime-hooks.ts';
import type { TableResource } from '../resources/table/resource.ts';
import type { TransportName } from '../schema/plan.ts';
import type { Admission } from '../server/limits/admission.ts';

/** One table as a transport sees it: where it is, and its one door. */
export interface Endpoint {
  /** `/{app_id}/{Export}`, without a slash at the end. */
  readonly path: string;
  readonly resource: TableResource;
  /** Changes with the schema, so that a list that was cached before it changed is not taken for the same. */
  readonly planTag: string;
  /** Undefined where nobody is asked who they are. */
  readonly auth: AppAuth | undefined;
  /** Undefined where the application does not ask about connections. */
  readonly hooks?: RealtimeHooks | undefined;
}

/** What a transport reports of itself. */
export interface TransportStatus {
  readonly connections: number;
  /** Rooms that somebody is in, where there are rooms. */
  readonly rooms?: number;
}

/** A way in and out for clients. */
export interface Door {
  readonly name: string;
  status(): TransportStatus;
  /** The server stops: open connections are told and closed. */
  stop(): void;
  /** They have had their time: what is still open is cut off. */
  abort(): void;
  /** Resolves when code of the application has ended that was called for connections which are closed now. */
  settled?(): Promise<void>;
}

/** A door on the URLs of the tables that have it switched on. */
export interface Transport extends Door {
  readonly name: TransportName;
  register(app: FastifyInstance, endpoints: readonly Endpoint[]): Promise<void> | void;
}

export interface TransportContext {
  readonly config: ServerConfig;
  readonly admission: Admission;
  /** Faults of ours that have no request to be told to. */
  readonly onError: (error: unknown) => void;
}

export type TransportFactory = (context: TransportContext) => Transport;
