import type { FastifyInstance } from 'fastify';
import type { AppAuth } from '../auth/app-auth.ts';
import type { Identity } from '../auth/identity.ts';
import type { AppConfig, ServerConfig } from '../config/config.ts';
import type { Report } from '../config/files/report.ts';
import type { FlatKeys, Section } from '../config/keys/section.ts';
import type { RoomsHandle } from '../hub/rooms/rooms.ts';
import type { ContractOperation } from '../openapi/contract-operation.ts';
import type { Application } from '../resources/application.ts';
import type { Plan } from '../schema/plan.ts';
import type { Admission } from '../server/limits/admission.ts';
import type { Log } from '../server/operations/log.ts';
import type { Mounted } from '../transports/transport.ts';

/** What flows are told and make: the members of a JSON object. */
export type FlowData = Readonly<Record<string, unknown>>;

/** What is known of an input beside its members. It is kept with a dead letter, so that another attempt knows it, too. */
export interface InputNotes {
  /** Why what was sent cannot be read: no flow does anything with the event, it only becomes a dead letter. */
  readonly unreadable?: string;
  /** Names of the members that the sender sent; the others say something about the event. Absent: all are of the event. */
  readonly sent?: readonly string[];
  /** What was sent where it is no object and the member `body` has all of it: `text`, `a list`. */
  readonly whole?: string;
  /** Digest of a request whose sender chose the key: the same key with another digest is another request. */
  readonly digest?: string;
}

/** One thing that happened at a source. */
export interface FlowEvent {
  readonly input: FlowData;
  readonly notes?: InputNotes;
  /** On whose behalf: the client of a connection, or the server where there is none. */
  readonly identity: Identity;
  /** The same when the event comes again, different from those of all others; targets use it to do things once. */
  readonly key: string;
  /** Aborted when nobody waits for the outcome any more. What has begun is finished, but not tried again. */
  readonly signal: AbortSignal;
}

/**
 * Takes an event to every flow from its source. Resolves when all have done their work, or have kept it for later, with
 * what the first of them made that had something to do with it; rejects when a flow failed and nothing keeps the event:
 * then the source tells its sender, or lets it come again.
 */
export type Handle = (event: FlowEvent) => Promise<unknown>;

/** What a target is given for one event. */
export interface Delivery {
  /** What the flow made of the event. */
  readonly output: FlowData;
  /** The flow has no `transform`: the output is the input as it came. */
  readonly isInput?: boolean;
  readonly notes?: InputNotes;
  /** What the flow's `target` says for this event; undefined where it says nothing. */
  readonly target: unknown;
  readonly identity: Identity;
  /** The same for this target when the event comes again or is tried again, different from that of every other target. */
  readonly key: string;
  /** Name of the flow. */
  readonly flow: string;
  /** Aborted after the flow's `timeout`, and when the server has no more time to stop. */
  readonly signal: AbortSignal;
}

/**
 * Resolves with what the client of the flow is answered when the target has taken it for good. Rejects with a
 * `PermanentError` where trying again would be of no use, with anything else where it may be.
 */
export type Deliver = (delivery: Delivery) => Promise<unknown>;

/** How often trying again would help: never. The message is for people. */
export class PermanentError extends Error {
  override readonly name = 'PermanentError';
}

/** Trying again may help, but not before `delay` milliseconds have passed: the target has said so itself. */
export class RetryLaterError extends Error {
  override readonly name = 'RetryLaterError';
  readonly delay: number;

  constructor(message: string, delay: number) {
    super(message);
    this.delay = delay;
  }
}

/** Events were gone from their source before a flow had seen them; told to `onError`, and counted for the metrics. */
export class MissedEvents extends Error {
  override readonly name = 'MissedEvents';
  readonly flow: string;

  constructor(flow: string, message: string) {
    super(`flow ${flow}: ${message}`);
    this.flow = flow;
  }
}

/** What a flow may come from. */
export interface SourceType<S = unknown> {
  readonly what: string;
  /** Keys of `from:` beside `connector` and `operation`. */
  readonly keys: FlatKeys<S>;
  /**
   * `answers`: somebody waits for the outcome, so a failure is told to him at once. `redelivers`: what failed is tried
   * again, and then put among the dead letters.
   */
  readonly failure: 'answers' | 'redelivers';
  /** The members that every input has, where they are always the same. */
  readonly members?: readonly string[];
  /** Events that may wait for a flow whose senders wait with them, where that is not 1000. */
  readonly mostWaiting?: number;
  /** Each flow listens for itself, since the source has a place of its own for it; otherwise equal sources are one. */
  readonly isPerFlow?: boolean;
}

/** What a flow may go to. */
export interface TargetType<T = unknown> {
  readonly what: string;
  /** Keys of `to:` beside `connector`, `operation`, `target` and `as`. */
  readonly keys: FlatKeys<T>;
  /**
   * What `target:` is: an expression over the input, a name that stands for itself, or nothing at all; and whether it
   * must be there.
   */
  readonly target: 'expression' | 'name' | 'none';
  readonly needsTarget: boolean;
}

/** Operations by name; with `any`, every other name is one, too: a queue, a routing key, a path. */
export interface Operations<O> {
  readonly named: Readonly<Record<string, O>>;
  readonly any?: O;
  /** Name of the one that is meant where none is written. */
  readonly default?: string;
}

/** A kind of connector: one file, one line in the map of index.ts, and the shared suite. */
export interface ConnectorType<C = unknown> {
  /** Keys of its entry in `connectors:` beside `type`. */
  readonly keys: FlatKeys<C>;
  readonly sources: Operations<SourceType>;
  readonly targets: Operations<TargetType>;
  /** True when it can be used under the name of its type without an entry in `connectors:`. */
  readonly isBuiltIn?: boolean;
  /** Reports what the keys one by one cannot tell, such as a table that does not exist. Opens nothing. */
  check?(use: ConnectorUse<C>, report: Report): void;
  create(settings: C, context: ConnectorContext): Connector;
}

/** All that the files say about one connector. */
export interface ConnectorUse<C = unknown> {
  readonly name: string;
  readonly app: AppConfig;
  readonly plan: Plan;
  readonly settings: C;
  /** Its entry in `connectors:`. */
  readonly section: Section;
  readonly sources: readonly SourceUse[];
  readonly targets: readonly TargetUse[];
}

/** `from:` of a flow. */
export interface SourceUse<S = unknown> {
  readonly flow: string;
  readonly operation: string;
  readonly settings: S;
  readonly section: Section;
}

/** One `to:` of a flow. */
export interface TargetUse<T = unknown> {
  readonly flow: string;
  readonly operation: string;
  readonly settings: T;
  /** What stands at `target:` when it is a name. */
  readonly target: string | undefined;
  /** `transform:` of the flow; absent where the input is given on as it came. */
  readonly transform?: Section;
  /** The members of that input, where they are known. */
  readonly input?: readonly string[];
  readonly section: Section;
}

/** How far sources have got, kept over a restart. Names are of one application. */
export interface SourcePositions {
  get(name: string): number | undefined;
  set(name: string, position: number): void;
}

/** Requests whose senders chose the keys, known again over a restart. */
export interface RequestKeys {
  /**
   * Runs what a request asks for. Throws IDEMPOTENCY_KEY_REUSED when the key was used with another digest, and
   * IDEMPOTENCY_IN_PROGRESS while the first request is at work. A refused request leaves the key free.
   */
  run<T>(key: string, digest: string, work: () => Promise<T>): Promise<T>;
}

/** What a connector has to work with. */
export interface ConnectorContext {
  /** As in config.yaml. */
  readonly name: string;
  readonly appId: string;
  readonly application: Application;
  /** Undefined where nobody is asked who they are. */
  readonly auth: AppAuth | undefined;
  readonly server: ServerConfig;
  /** Where a self-signed certificate is kept. */
  readonly dataDir: string;
  readonly admission: Admission;
  readonly positions: SourcePositions;
  readonly requestKeys: RequestKeys;
  /** Where a path of this application is on the server: below `/{app_id}`, and alone with one application. */
  pathsOf(path: string): readonly string[];
  readonly log: Log;
  /** Faults of ours, and of other systems, that have nobody to be told to. */
  readonly onError: (error: unknown) => void;
}

/**
 * A link to clients or to another system. The order of calls: `listen` and `target` for every flow, `register` before the
 * server listens, `start` when it does, `stop` when it ends; then `close`, when no flow runs any more.
 */
export interface Connector extends Mounted {
  readonly name: string;
  /** The connections of clients that it has open, for routes in code. */
  readonly rooms?: RoomsHandle;
  /** What clients can ask of it over HTTP, for the documents of the API. */
  describe?(): readonly ContractOperation[];
  /** Called once for each source, however many flows come from it. */
  listen(source: SourceUse, handle: Handle): void;
  target(use: TargetUse): Deliver;
  /** Takes its places on the server, and ports of its own. Throws StartError when one is taken. */
  register(server: FastifyInstance): Promise<void> | void;
  /** Events may come from now on. Does not wait for other systems that are away: it tries them again by itself. */
  start(): Promise<void> | void;
  /** No more events come; those that are at work are finished. */
  stop(): Promise<void> | void;
  close(): Promise<void> | void;
}
