import { randomId } from '../connection/backoff.ts';
import type { Environment } from '../connection/environment.ts';
import { LiveConnection } from './connection.ts';

/** Connections of one client: one for everything, and others where a subscription has a `client` of its own. */
export class ConnectionPool {
  readonly environment: Environment;
  readonly #open = new Map<string, Set<LiveConnection>>();
  readonly #client = randomId();

  constructor(environment: Environment) {
    this.environment = environment;
  }

  /** Number of open connections. */
  get size(): number {
    return [...this.#open.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** Returns the connection of this client id with room for one more subscription. */
  connection(client = this.#client): LiveConnection {
    const open = this.#open.get(client) ?? new Set();
    this.#open.set(client, open);
    const found = [...open].find(({ isFull }) => !isFull);
    if (found !== undefined) return found;
    const made = new LiveConnection(this.environment, client, () => open.delete(made));
    open.add(made);
    return made;
  }

  close(): void {
    for (const open of this.#open.values()) for (const connection of [...open]) connection.close();
  }
}
