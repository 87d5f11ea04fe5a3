import type { TablePlan } from '../schema/plan.ts';
import type { ServerMessages } from './server-messages.ts';
import type { Awaitable } from './store.ts';

/** Positions of the log before and after it has grown. */
export interface Growth {
  readonly after: number;
  readonly head: number;
}

/** Parts of a store for the servers that share it. */
export interface SharedStore {
  /** Work that must happen once, on whatever server. */
  readonly leases: Leases;
  readonly messages: ServerMessages;
  /** Text that is the same for all servers of the store, and different for another store. */
  readonly identity: string;
  /** Must be called when another server has told its position by other means than `messages`. */
  heard(position: number): void;
  /** Notifies other servers of commits by other means; where `ring` returns false, the store does. */
  ringWith(ring: (position: number) => boolean): void;
  /** Calls back when the log was found to have grown by changes of other servers. `lastSeq` is the new position. */
  onGrown(listener: (growth: Growth) => void): void;
  /** Calls back when the database has lost the end of the log that this server had read. `lastSeq` is after all of it. */
  onRewound(listener: () => void): void;
  /** Returns the seq of the newest change of any of the tables, as it is in the database. */
  newestSeq(tables: Iterable<TablePlan>): Promise<number>;
  /** Returns the milliseconds since the log was last read up to its end. */
  lag(): number;
}

/** Number of a lease: it grows whenever another server gets it, so that a server that was frozen writes nothing any more. */
export interface Fence {
  readonly name: string;
  readonly number: number;
}

/** Task of one server at a time. A server that ends gives it back; one that dies loses it after some seconds. */
export interface TaskLease {
  /** True while this server has the task for certain. */
  readonly isHeld: boolean;
  /** Undefined while this server does not have the task. */
  readonly fence: Fence | undefined;
  /** Stores how far the work is, for the next server that gets it; false when this server has lost the task. */
  keep(position: number): Promise<boolean>;
  /** Gives the task back. */
  release(): Promise<void>;
}

export interface LeaseUse {
  /** Called when this server gets the task, with what the one before has kept, unless that was long ago. */
  got(kept: number | undefined): Awaitable<void>;
  /** Called when it has lost the task. */
  lost(): Awaitable<void>;
  onError(error: unknown): void;
}

export interface Leases {
  /** Asks for a task again and again until it is released. */
  take(name: string, use?: LeaseUse): TaskLease;
  /** True for the server that is the first to ask about a run of a task at a time, in milliseconds since 1970. */
  claimRun(name: string, at: number): Promise<boolean>;
}
