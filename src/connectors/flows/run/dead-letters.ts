import { v7 as uuidv7 } from 'uuid';
import { ANONYMOUS, type Identity, type Principal, SERVER } from '../../../auth/identity.ts';
import type { DeadLettersConfig } from '../../../config/config.ts';
import type { FlowStore, LetterQuery, StoredLetter } from '../../../store/flows.ts';
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
  /** Counts by flow; undefined when they have to be read again. */
  #counts: Map<string, number> | undefined;

  constructor(store: FlowStore, limits: DeadLettersConfig, onError: (error: unknown) => void) {
    this.#store = store;
    this.#limits = limits;
    this.#timer = setInterval(() => {
      try {
        this.trim();
      } catch (error) {
        onError(error);
      }
    }, TRIM_INTERVAL_MS).unref();
  }

  /** Throws when the event cannot be stored: then its source must keep it. */
  add({ input, notes, identity, ...letter }: NewDeadLetter): void {
    const stored = { id: uuidv7(), created: Date.now(), input: JSON.stringify(input), identity: write(identity) };
    const writtenNotes = notes === undefined ? null : JSON.stringify(notes);
    this.#store.addLetter({ ...letter, ...stored, notes: writtenNotes });
    this.trim();
  }

  get(id: string): DeadLetter | undefined {
    const stored = this.#store.letter(id);
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
  list(query: LetterQuery): readonly StoredLetter[] {
    return this.#store.letters(query);
  }

  count(flow: string): number {
    this.#counts ??= new Map(this.#store.countLetters());
    return this.#counts.get(flow) ?? 0;
  }

  /** Stores the outcome of a replay without success. */
  update(id: string, changes: Pick<DeadLetter, 'error' | 'attempts' | 'done'>): void {
    this.#store.updateLetter(id, changes);
  }

  /** Returns false when there is no such dead letter. */
  remove(id: string): boolean {
    this.#counts = undefined;
    return this.#store.removeLetter(id);
  }

  trim(): void {
    this.#counts = undefined;
    this.#store.trimLetters(Date.now() - this.#limits.retention, this.#limits.maxCount);
  }

  close(): void {
    clearInterval(this.#timer);
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
