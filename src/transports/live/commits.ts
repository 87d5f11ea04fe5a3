/** Milliseconds between two looks at subscriptions that lag behind a transaction, the first and the longest. */
const MIN_WAIT_MS = 5;
const MAX_WAIT_MS = 100;
/** Turns of the event loop in which the fan-out mostly reaches all subscriptions. */
const QUICK_LOOKS = 8;

/** Subscriptions of a connection, as its transactions see them. */
export interface CommitScope {
  /** True when a transaction may concern several of them. */
  readonly isShared: boolean;
  /** Position up to which all of them have everything; those that the client holds up itself do not count. */
  reached(): number;
}

/**
 * Transactions of which a connection has sent messages. When every subscription has what it receives of one, its commit is
 * sent: a client that applies all of it then shows no part of a transaction.
 */
export class ConnectionCommits {
  readonly #view: CommitScope;
  readonly #send: (tx: number) => void;
  readonly #open = new Set<number>();
  #looks = 0;
  #turn: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #look = (): void => this.#check();

  /** `send` is called with the mark of each transaction that is complete. */
  constructor(view: CommitScope, send: (tx: number) => void) {
    this.#view = view;
    this.#send = send;
  }

  /** Called for each message of a transaction. True when a commit follows. */
  opens(tx: number): boolean {
    if (!this.#view.isShared) return false;
    this.#open.add(tx);
    this.#looks = 0;
    this.#schedule();
    return true;
  }

  close(): void {
    clearImmediate(this.#turn);
    clearTimeout(this.#timer);
    this.#open.clear();
  }

  #check(): void {
    this.#turn = undefined;
    this.#timer = undefined;
    const reached = this.#view.reached();
    const complete = [...this.#open].filter((tx) => tx <= reached).sort((one, two) => one - two);
    for (const tx of complete) {
      this.#open.delete(tx);
      this.#send(tx);
    }
    if (this.#open.size > 0) this.#schedule();
  }

  #schedule(): void {
    if (this.#looks < QUICK_LOOKS) {
      if (this.#turn !== undefined) return;
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#turn = setImmediate(this.#look);
      this.#looks++;
      return;
    }
    const wait = Math.min(MAX_WAIT_MS, MIN_WAIT_MS * 2 ** Math.min(10, this.#looks - QUICK_LOOKS));
    this.#timer ??= setTimeout(this.#look, wait).unref();
    this.#looks++;
  }
}
