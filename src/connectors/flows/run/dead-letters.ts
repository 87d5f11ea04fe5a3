import { v7 as uuidv7 } from 'uuid';
import { ANONYMOUS, type Identity, type Principal, SERVER } from '../../../auth/identity.ts';
import type { DeadLettersConfig as Limits } from '../../../config/config.ts';
import type { FlowStore, LetterQuery, StoredLetter } from '../../../store/flows.ts';
import type { FlowData, InputNotes } from '../../connector.ts';

/** An event that a flow could not do. */
export interface DeadLetter extends Omit<StoredLetter, 'input' | 'notes' | 'identity'> {
  readonly input: FlowData;
  readonly notes?: InputNotes;
  readonly identity: Identity;
}

export type NewDeadLetter = Omit<DeadLetter, 'id' | 'created'>;

/** Milliseconds between looks for those that are too old. */
const TRIM_INTERVAL = 60_000;

/** Events that flows could not do, for people to look at and to try again. */
export class DeadLetters {
  readonly #store: FlowStore;
  readonly #limits: Limits;
  readonly #timer: NodeJS.Timeout;
  /** Counted once, and kept up to date. */
  #counts: Map<string, number> | undefined;

  constructor(store: FlowStore, limits: Limits, onError: (error: unknown) => void) {
    this.#store = store;
    this.#limits = limits;
    this.#timer = setInterval(() => {
      try {
        this.trim();
      } catch (error) {
        onError(error);
      }
    }, TRIM_INTERVAL).unref();
  }

  /** Throws when it cannot be kept: then its source must keep it. */
  add({ input, notes, identity, ...letter }: NewDeadLetter): void {
    const stored = { id: uuidv7(), created: Date.now(), input: JSON.stringify(input), identity: write(identity) };
    const noted = notes === undefined ? null : JSON.stringify(notes);
    this.#store.addLetter({ ...letter, ...stored, notes: noted });
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

  /** The newest first, as stored. */
  list(query: LetterQuery): readonly StoredLetter[] {
    return this.#store.letters(query);
  }

  count(flow: string): number {
    this.#counts ??= new Map(this.#store.countLetters());
    return this.#counts.get(flow) ?? 0;
  }

  /** It was tried once more, in vain. */
  update(id: string, changes: Pick<DeadLetter, 'error' | 'attempts' | 'done'>): void {
    this.#store.updateLetter(id, changes);
  }

  /** False when there is none. */
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

/** Identities are compared by what they are, and some are the only one of their kind. */
function read(json: string): Identity {
  const identity = JSON.parse(json) as Identity;
  if (identity.type === 'server') return SERVER;
  if (identity.type === 'anonymous') return ANONYMOUS;
  return { ...identity, expiresAt: identity.expiresAt ?? undefined } satisfies Principal;
}
