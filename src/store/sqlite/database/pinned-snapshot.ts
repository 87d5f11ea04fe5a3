import type { Database } from 'better-sqlite3';
import type { SnapshotConnection, SnapshotPool } from './snapshots.ts';

/** Snapshot of the database as it was before a commit. */
export class PinnedSnapshot {
  readonly #pool: SnapshotPool;
  #connection: SnapshotConnection | undefined;
  #isPinned = false;

  constructor(pool: SnapshotPool) {
    this.#pool = pool;
  }

  /** The connection while it is pinned. */
  get pinned(): Database | undefined {
    return this.#isPinned ? this.#connection?.db : undefined;
  }

  /** Keeps what is committed by now readable until `release`, unless a checkpoint is due. */
  pin(): void {
    try {
      this.#connection ??= this.#pool.take();
      this.#isPinned = this.#connection.begin();
    } catch {
      // Whatever is wrong with the file, the commit says so; reads wait for it.
      this.#isPinned = true;
      this.release();
    }
  }

  /** Hands the pinned snapshot over to a reader that outlives the commit, and that gives it back to the pool. */
  handOver(): SnapshotConnection | undefined {
    if (!this.#isPinned) return undefined;
    const connection = this.#connection;
    this.#connection = undefined;
    this.#isPinned = false;
    return connection;
  }

  release(): void {
    if (!this.#isPinned) return;
    this.#isPinned = false;
    this.#connection?.end();
  }

  close(): void {
    if (this.#connection !== undefined) this.#pool.giveBack(this.#connection);
    this.#connection = undefined;
    this.#isPinned = false;
  }
}
