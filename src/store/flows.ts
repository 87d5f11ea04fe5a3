import type { StorageHealth } from './storage-health.ts';

/** An event that a flow could not do, as stored. */
export interface StoredLetter {
  /** A UUIDv7: the later, the greater. */
  readonly id: string;
  readonly flow: string;
  /** Key of the event. */
  readonly key: string;
  /** JSON text. */
  readonly input: string;
  /** JSON text of what is known of the input beside its members, or null. */
  readonly notes: string | null;
  /** JSON text of who has sent it. */
  readonly identity: string;
  /** Why it could not be done, for people. */
  readonly error: string;
  readonly attempts: number;
  /** Targets that have taken it. */
  readonly done: readonly string[];
  /** Milliseconds since 1970. */
  readonly created: number;
}

export interface LetterQuery {
  /** Of this flow alone. */
  readonly flow?: string;
  /** Only older ones than that of this id. */
  readonly before?: string;
  readonly limit: number;
}

/**
 * What the flows of one application keep over a restart: how far sources have got, dead letters, and which requests have
 * used a key. Everything throws STORAGE_BUSY while another process writes, and STORAGE_FULL when nothing can be written.
 */
export interface FlowStore {
  /** How far a source has got; undefined when it was never said. */
  position(name: string): number | undefined;
  /** A loss of power may undo the last of them, a crash of the process does not. */
  setPosition(name: string, position: number): void;
  /** Keeps an event durably; one of the same flow and key takes the place of the one before. */
  addLetter(letter: StoredLetter): void;
  letter(id: string): StoredLetter | undefined;
  /** The newest first. */
  letters(query: LetterQuery): readonly StoredLetter[];
  /** How many there are of each flow. */
  countLetters(): ReadonlyMap<string, number>;
  /** Tried once more, in vain. */
  updateLetter(id: string, changes: Pick<StoredLetter, 'error' | 'attempts' | 'done'>): void;
  /** False when there is none. */
  removeLetter(id: string): boolean;
  /** Removes those that were made before a time (milliseconds since 1970), and the oldest beyond a number. */
  trimLetters(madeBefore: number, most: number): number;
  /** The digest of the request that has used a key, if that is kept at this time (milliseconds since 1970). */
  requestDigest(key: string, now: number): string | undefined;
  /** Keeps the digest of a request until a time. A loss of power may undo it, a crash of the process does not. */
  keepRequest(key: string, digest: string, expires: number): void;
  removeRequest(key: string): void;
  /** Removes those whose time has come, and the oldest beyond a number. */
  trimRequests(now: number, most: number): number;
  close(): void;
}

export interface FlowStoreOptions {
  readonly health?: StorageHealth | undefined;
  /** The data directory; it must exist. */
  readonly dir: string;
  /** Milliseconds that a call waits while another process writes. */
  readonly busyTimeout: number;
}
