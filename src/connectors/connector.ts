import type { FastifyInstance } from 'fastify';
import type { AppAuth } from '../auth/app-auth.ts';
import type { Identity } from '../auth/identity.ts';
import type { AppConfig, ServerConfig } from '../config/config.ts';
import type { Report } from '../config/files/report.ts';
import type { FlatKeys, Section } from '../config/keys/section.ts';
import type { RealtimeHooks } from '../hooks/realtime-hooks.ts';
import type { Rooms } from '../hub/rooms/rooms.ts';
import type { ContractOperation } from '../openapi/contract-operation.ts';
import type { Application } from '../resources/application.ts';
import type { Plan } from '../schema/plan.ts';
import type { Admission } from '../server/limits/admission.ts';
import type { Log } from '../server/operations/log.ts';
import type { Fence } from '../store/shared-store.ts';
import type { Awaitable } from '../store/store.ts';
import type { RoomService } from '../transports/live/rooms/service.ts';
import type { Mounted } from '../transports/transport.ts';

/** Input or output of a flow: the members of a JSON object. */
export type FlowData = Readonly<Record<string, unknown>>;

/** Facts about an input besides its members. Stored with a dead letter, so that a replay knows them, too. */
export interface InputNotes {
  /** Reason why the message cannot be read: flows do not run, the event becomes a dead letter. */
  readonly unreadable?: string;
  /** Names of the members that the sender sent; the others describe the event. Absent: all describe the event. */
  readonly sent?: readonly string[];
  /** Kind of a value that is not an object, which is the member `body` as a whole: `text`, `a list`. */
  readonly whole?: string;
  /** Digest of a request whose sender chose the key: the same key with another digest is another request. */
  readonly digest?: string;
}

/** An event of a source. */
export interface FlowEvent {
  readonly input: FlowData;
  readonly notes?: InputNotes;
  /** The client of a connection, or the server for a source without clients. */
  readonly identity: Identity;
  /** Unique key that is the same when the event is delivered again; targets use it for idempotency. */
  readonly key: string;
  /** Aborted when no client waits for the outcome. Deliveries in progress finish, but are not retried. */
  readonly signal: AbortSignal;
}

/**
 * Runs every flow of a source with an event. Resolves when all have finished, or have stored the event for later, with the
 * result of the first flow whose `when` matches; rejects when a flow failed and the event is not stored: then the source
 * answers its sender with the error, or delivers the event again.
 */
export type Handle = (event: FlowEvent) => Promise<unknown>;

/** Delivery of one event to a target. */
export interface Delivery {
  /** Output of the flow. */
  readonly output: FlowData;
  /** True without `transform`: the output is the input. */
  readonly isInput?: boolean;
  readonly notes?: InputNotes;
  /** Value of the flow's `target` for this event; undefined without one. */
  readonly target: unknown;
  readonly identity: Identity;
  /** Unique key for this target that is the same when the event is delivered again or retried. */
  readonly key: string;
  /** Name of the flow. */
  readonly flow: string;
  /** Aborted after the flow's `timeout`, and when the server has no more time to stop. */
  readonly signal: AbortSignal;
}

/**
 * Resolves with the answer for the client of the flow when the target has accepted the delivery durably. Rejects with a
 * `PermanentError` where a retry cannot succeed, with any other error where it may.
 */
export type Deliver = (delivery: Delivery) => Promise<unknown>;

/** Delivery to one of several targets that accept an event together; `at` is its index among them. */
export interface JointDelivery {
  readonly at: number;
  readonly delivery: Delivery;
}

/** As `Deliver`, for several targets: all accept the event or none does. Resolves with the answer of each. */
export type DeliverTogether = (deliveries: readonly JointDelivery[]) => Promise<readonly unknown[]>;

/** Failure that a retry cannot resolve. The message is for operators. */
export class PermanentError extends Error {
  override readonly name = 'PermanentError';
}

/** Failure with a delay that the target has requested: a retry may succeed after `delay` milliseconds. */
export class RetryLaterError extends Error {
  override readonly name = 'RetryLaterError';
  readonly delay: number;

  constructor(message: string, delay: number) {
    super(message);
    this.delay = delay;
  }
}

/** Events were removed from their source before a flow had seen them; reported to `onError`, counted for the metrics. */
export class MissedEvents extends Error {
  override readonly name = 'MissedEvents';
  readonly flow: string;

  constructor(flow: string, message: string) {
    super(`flow ${flow}: ${message}`);
    this.flow = flow;
  }
}

/** A source operation of a connector. */
export interface SourceType<S = unknown> {
  readonly what: string;
  /** Keys of `from:` besides `connector` and `operation`. */
  readonly keys: FlatKeys<S>;
  /**
   * `answers`: a sender waits for the outcome and receives the failure at once. `redelivers`: a failed event is retried,
   * then becomes a dead letter.
   */
  readonly failure: 'answers' | 'redelivers';
  /** Members of every input, where they are always the same. */
  readonly members?: readonly string[];
  /** Bound of events that wait for a flow together with their senders; 1000 by default. */
  readonly mostWaiting?: number;
  /** True where the source has state for each flow, such as a position; otherwise flows with equal `from:` share a source. */
  readonly isPerFlow?: boolean;
}

/** A target operation of a connector. */
export interface TargetType<T = unknown> {
  readonly what: string;
  /** Keys of `to:` besides `connector`, `operation`, `target` and `as`. */
  readonly keys: FlatKeys<T>;
  /**
   * Kind of `target:`: an expression over the input, a literal name, or none; and whether it is required.
   */
  readonly target: 'expression' | 'name' | 'none';
  readonly needsTarget: boolean;
  /** True for a target that can accept an event together with others of this kind: `Connector.together`. */
  readonly isAtomic?: boolean;
}

/** Operations by name; with `any`, every other name is one, too: a routing key, a path. */
export interface Operations<O> {
  readonly named: Readonly<Record<string, O>>;
  readonly any?: O;
  /** Name of the operation that is used by default. */
  readonly default?: string;
}

/** A kind of connector: one file, one line in the map of index.ts, and the shared suite. */
export interface ConnectorType<C = unknown> {
  /** Keys of its entry in `connectors:` besides `type`. */
  readonly keys: FlatKeys<C>;
  readonly sources: Operations<SourceType>;
  readonly targets: Operations<TargetType>;
  /** True for a connector that can be used under the name of its type without an entry in `connectors:`. */
  readonly isBuiltIn?: boolean;
  /** Reports errors beyond single keys, such as a table that does not exist. Opens nothing. */
  check?(use: ConnectorUse<C>, report: Report): void;
  create(settings: C, context: ConnectorContext): Connector;
}

/** Configuration of one connector, with its uses in flows. */
export interface ConnectorUse<C = unknown> {
  readonly name: string;
  readonly app: AppConfig;
  readonly plan: Plan;
  readonly settings: C;
  /** Entry in `connectors:`. */
  readonly section: Section;
  readonly sources: readonly SourceUse[];
  readonly targets: readonly TargetUse[];
}

/** Checked `from:` of a flow. */
export interface SourceUse<S = unknown> {
  readonly flow: string;
  readonly operation: string;
  readonly settings: S;
  readonly section: Section;
}

/** Checked `to:` of a flow. */
export interface TargetUse<T = unknown> {
  readonly flow: string;
  readonly operation: string;
  readonly settings: T;
  /** Value of `target:` when it is a name. */
  readonly target: string | undefined;
  /** Section `transform:` of the flow; absent where the output is the input. */
  readonly transform?: Section;
  /** Members of that input, where they are known. */
  readonly input?: readonly string[];
  readonly section: Section;
}

/** Positions of sources, stored durably. Names are unique within one application. */
export interface SourcePositions {
  get(name: string): Awaitable<number | undefined>;
  /** Does nothing when `fence` is that of a task which another server has meanwhile. */
  set(name: string, position: number, fence?: Fence): Awaitable<void>;
}

/** Idempotency keys of requests, stored durably. */
export interface RequestKeys {
  /**
   * Runs a request. Throws IDEMPOTENCY_KEY_REUSED when the key was used with another digest, and IDEMPOTENCY_IN_PROGRESS
   * while the first request is running. A refused request releases the key.
   */
  run<T>(key: string, digest: string, work: () => Promise<T>): Promise<T>;
}

/** Services for a connector. */
export interface ConnectorContext {
  /** Name in config.yaml. */
  readonly name: string;
  readonly appId: string;
  readonly application: Application;
  /** Undefined where authentication is off. */
  readonly auth: AppAuth | undefined;
  /** Undefined where the application has no hooks for connections, rooms and routes. */
  readonly hooks: RealtimeHooks | undefined;
  readonly server: ServerConfig;
  /** Folder of a self-signed certificate. */
  readonly dataDir: string;
  readonly admission: Admission;
  readonly positions: SourcePositions;
  readonly requestKeys: RequestKeys;
  /** Addresses of a path of this application: below `/{app_id}`, and without it where there is one application. */
  pathsOf(path: string): readonly string[];
  readonly log: Log;
  /** Reports internal errors, and those of other systems, that have no request to fail. */
  readonly onError: (error: unknown) => void;
}

/**
 * A connection to clients or to another system. Order of calls: `listen` and `target` for every flow, `register` before
 * the server listens, `start` when it does, `stop` when it ends, `close` when no flow is running.
 */
export interface Connector extends Mounted {
  readonly name: string;
  /** Open connections of clients, for routes in code. */
  readonly rooms?: Rooms;
  /** The same for connections of protocol v1; undefined where they do not reach it. */
  readonly roomService?: RoomService | undefined;
  /** Describes its HTTP operations for the documents of the API. */
  describe?(): readonly ContractOperation[];
  /** Called once for each source, which several flows may share. */
  listen(source: SourceUse, handle: Handle): void;
  target(use: TargetUse): Deliver;
  /** Several targets of a flow as one, where their type has `isAtomic`. */
  together?(uses: readonly TargetUse[]): DeliverTogether;
  /** Registers its addresses on the server, and opens ports of its own. Throws StartError when one is taken. */
  register(server: FastifyInstance): Promise<void> | void;
  /** Starts its sources. Does not wait for other systems that are unavailable: the connector retries by itself. */
  start(): Promise<void> | void;
  /** Stops its sources; resolves when running events have finished. */
  stop(): Promise<void> | void;
  close(): Promise<void> | void;
}
