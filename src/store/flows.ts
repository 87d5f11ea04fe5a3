import type { Fence } from './shared-store.ts';
import type { StorageHealth } from './storage-health.ts';
import type { Awaitable } from './store.ts';

/** Dead letter: an event that a flow could not process, as stored. */
export interface StoredLetter {
  /** UUIDv7: later letters have greater ids. */
  readonly id: string;
  readonly flow: string;
  /** Key of the event. */
  readonly key: string;
  /** JSON text. */
  readonly input: string;
  /** JSON text of notes on the input that are not part of it; null for none. */
  readonly notes: string | null;
  /** JSON text of the sender's identity. */
  readonly identity: string;
  /** Reason of the failure, for people. */
  readonly error: string;
  readonly attempts: number;
  /** Targets that have processed it. */
  readonly done: readonly string[];
  /** Milliseconds since 1970. */
  readonly created: number;
}

export interface LetterQuery {
  /** Selects letters of this flow. */
  readonly flow?: string;
  /** Selects letters that are older than the one with this id. */
  readonly before?: string;
  readonly limit: number;
}

/**
 * State of an application's flows that outlasts a restart: positions of sources, dead letters, and idempotency keys of
 * requests. Every method throws STORAGE_BUSY while another process writes, and STORAGE_FULL when nothing can be written.
 */
export interface FlowStore {
  /** Returns the position of a source; undefined when none was ever stored. */
  position(name: string): Awaitable<number | undefined>;
  /** Stores the position of a source; with a fence only while that is the newest of its task. A loss of power may undo the last calls, a crash of the process does not. */
  setPosition(name: string, position: number, fence?: Fence): Awaitable<void>;
  /** Stores an event durably; it replaces an earlier one of the same flow and key. */
  addLetter(letter: StoredLetter): Awaitable<void>;
  letter(id: string): Awaitable<StoredLetter | undefined>;
  /** Returns letters, the newest first. */
  letters(query: LetterQuery): Awaitable<readonly StoredLetter[]>;
  /** Returns the number of letters of each flow. */
  countLetters(): Awaitable<ReadonlyMap<string, number>>;
  /** Updates a letter after another failed attempt. */
  updateLetter(id: string, changes: Pick<StoredLetter, 'error' | 'attempts' | 'done'>): Awaitable<void>;
  /** Removes a letter. False when there is none. */
  removeLetter(id: string): Awaitable<boolean>;
  /** Removes letters from before a time (milliseconds since 1970), and the oldest beyond a number. Returns how many. */
  trimLetters(createdBefore: number, maxCount: number): Awaitable<number>;
  /** Returns the digest of the request that used a key; undefined when it has expired by `now` (milliseconds since 1970). */
  requestDigest(key: string, now: number): Awaitable<string | undefined>;
  /** Stores the digest of a request until `expires` (milliseconds since 1970). A loss of power may undo it, a crash does not. */
  keepRequest(key: string, digest: string, expires: number): Awaitable<void>;
  removeRequest(key: string): Awaitable<void>;
  /** Removes expired keys, and the oldest beyond a number. Returns how many. */
  trimRequests(now: number, maxCount: number): Awaitable<number>;
  close(): Awaitable<void>;
}

export interface FlowStoreOptions {
  readonly health?: StorageHealth | undefined;
  /** The data directory; it must exist. */
  readonly dir: string;
  /** Milliseconds that a call waits while another process writes. */
  readonly busyTimeout: number;
}
