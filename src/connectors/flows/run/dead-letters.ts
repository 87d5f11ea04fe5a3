import { v7 as uuidv7 } from 'uuid';
import { ANONYMOUS, type Identity, type Principal, SERVER } from '../../../auth/identity.ts';
import type { DeadLettersConfig } from '../../../config/config.ts';
import { thenOrNow } from '../../../runtime/event-loop.ts';
import type { FlowStore, LetterQuery, StoredLetter } from '../../../store/flows.ts';
import type { Awaitable } from '../../../store/store.ts';
import type { FlowData, InputNotes } from '../../connector.ts';

/** An event that a flow failed to handle. */
export interface DeadLetter extends Omit<StoredLetter, 'input' | 'notes' | 'identity'> {
  readonly input: FlowData;
  readonly notes?: InputNotes;
  readonly identity: Identity;
}

export type NewDeadLetter = Omit<DeadLetter, 'id' | 'created'>;

/** Interval at which old dead letters are removed. */
const TRIM_INTERVAL_MS = 60_000;

/** Stored events that flows failed to handle, for operators to read and replay. */
export class DeadLetters {
  readonly #store: FlowStore;
  readonly #limits: DeadLettersConfig;
  readonly #timer: NodeJS.Timeout;
  #counts: ReadonlyMap<string, number> = new Map();
  #isCounted = false;

  constructor(store: FlowStore, limits: DeadLettersConfig, onError: (error: unknown) => void) {
    this.#store = store;
    this.#limits = limits;
    this.#timer = setInterval(() => void this.trim().catch(onError), TRIM_INTERVAL_MS).unref();
  }

  /** Throws when the event cannot be stored: then its source must keep it. */
  async add({ input, notes, identity, ...letter }: NewDeadLetter): Promise<void> {
    const stored = { id: uuidv7(), created: Date.now(), input: JSON.stringify(input), identity: write(identity) };
    const writtenNotes = notes === undefined ? null : JSON.stringify(notes);
    await this.#store.addLetter({ ...letter, ...stored, notes: writtenNotes });
    await this.trim();
  }

  async get(id: string): Promise<DeadLetter | undefined> {
    const stored = await this.#store.letter(id);
    if (stored === undefined) return undefined;
    const { notes, ...letter } = stored;
    return {
      ...letter,
      input: JSON.parse(stored.input) as FlowData,
      ...(notes === null ? {} : { notes: JSON.parse(notes) as InputNotes }),
      identity: read(stored.identity),
    };
  }

  /** Dead letters as stored, the newest first. */
  list(query: LetterQuery): Awaitable<readonly StoredLetter[]> {
    return this.#store.letters(query);
  }

  /** Returns the number of a flow's letters, as far as it is known at once: a remote store is asked for the next call. */
  count(flow: string): number {
    if (!this.#isCounted) this.#read();
    return this.#counts.get(flow) ?? 0;
  }

  /** Stores the outcome of a replay without success. */
  async update(id: string, changes: Pick<DeadLetter, 'error' | 'attempts' | 'done'>): Promise<void> {
    await this.#store.updateLetter(id, changes);
  }

  /** Returns false when there is no such dead letter. */
  async remove(id: string): Promise<boolean> {
    const removed = await this.#store.removeLetter(id);
    await this.#recount();
    return removed;
  }

  async trim(): Promise<void> {
    await this.#store.trimLetters(Date.now() - this.#limits.retention, this.#limits.maxCount);
    await this.#recount();
  }

  /** Counts the letters: also those of an earlier run. */
  async open(): Promise<void> {
    await this.#read();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #recount(): Promise<void> {
    this.#isCounted = false;
    await this.#read();
  }

  #read(): Awaitable<void> {
    return thenOrNow(this.#store.countLetters(), (counts) => {
      this.#counts = counts;
      this.#isCounted = true;
    });
  }
}

function write(identity: Identity): string {
  return JSON.stringify(identity);
}

/** Restores the singletons, which are compared by identity. */
function read(json: string): Identity {
  const identity = JSON.parse(json) as Identity;
  if (identity.type === 'server') return SERVER;
  if (identity.type === 'anonymous') return ANONYMOUS;
  return { ...identity, expiresAt: identity.expiresAt ?? undefined } satisfies Principal;
}
