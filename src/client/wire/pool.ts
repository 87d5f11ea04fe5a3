import { randomId } from '../connection/backoff.ts';
import type { Environment } from '../connection/environment.ts';
import type { Status } from '../connection/link.ts';
import { LiveConnection } from './connection.ts';

/** Connections of one client: one for everything, and others where a subscription has a `client` of its own. */
export class ConnectionPool {
  readonly environment: Environment;
  readonly #open = new Map<string, Set<LiveConnection>>();
  readonly #client = randomId();
  readonly #listeners = new Set<(status: Status | 'idle') => void>();
  #status: Status | 'idle' = 'idle';

  constructor(environment: Environment) {
    this.environment = environment;
  }

  /** Returns the connection of this client id with room for one more subscription. */
  connection(client = this.#client): LiveConnection {
    const open = this.#open.get(client) ?? new Set();
    this.#open.set(client, open);
    const found = [...open].find(({ isFull }) => !isFull);
    if (found !== undefined) return found;
    const { base, userId } = this.environment;
    const address = new URL('_/live', base);
    address.searchParams.set('client', client);
    if (userId !== undefined) address.searchParams.set('user_id', userId);
    const made: LiveConnection = new LiveConnection(this.environment, address.href, {
      status: (status) => client === this.#client && this.#tell(status),
      ended: () => {
        open.delete(made);
        if (client === this.#client && open.size === 0) this.#tell('idle');
      },
    });
    open.add(made);
    return made;
  }

  /** Status of the connection of the client: `idle` while it has none. */
  get status(): Status | 'idle' {
    return this.#status;
  }

  /** Adds a listener for the status. Returns a function that removes it. */
  onStatus(listener: (status: Status | 'idle') => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Connects again as the user that is logged in now. */
  restart(): void {
    for (const open of this.#open.values()) for (const connection of open) connection.restart();
  }

  #tell(status: Status | 'idle'): void {
    if (status === this.#status || status === 'closed') return;
    this.#status = status;
    for (const listener of [...this.#listeners]) listener(status);
  }

  close(): void {
    for (const open of this.#open.values()) for (const connection of [...open]) connection.close();
  }
}
