import { join } from 'node:path';
import type { Database, Statement } from 'better-sqlite3';
import type { FlowStore, FlowStoreOptions, LetterQuery, StoredLetter } from '../flows.ts';
import type { StorageHealth } from '../storage-health.ts';
import { storageError } from './database/errors.ts';
import { openVersioned } from './database/versioned.ts';

const FILE = 'flows.db';

const STEPS: readonly string[] = [
  `CREATE TABLE positions (name TEXT PRIMARY KEY, position INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE letters (
    id TEXT PRIMARY KEY, flow TEXT NOT NULL, key TEXT NOT NULL, input TEXT NOT NULL, identity TEXT NOT NULL,
    error TEXT NOT NULL, attempts INTEGER NOT NULL, done TEXT NOT NULL, created INTEGER NOT NULL, UNIQUE (flow, key)
  ) STRICT;
  CREATE INDEX letters_created ON letters (created)`,
  `ALTER TABLE letters ADD COLUMN notes TEXT;
  CREATE TABLE requests (
    key TEXT PRIMARY KEY, digest TEXT NOT NULL, expires INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX requests_expires ON requests (expires)`,
];

/** Opens `flows.db` in the data directory. Throws StoreOpenError. */
export function openSqliteFlows({ dir, busyTimeout, health }: FlowStoreOptions): SqliteFlows {
  const path = join(dir, FILE);
  const db = openVersioned({
    path,
    versionTable: 'tablecast_flows',
    steps: STEPS,
    // A position that a loss of power undoes only repeats work. Dead letters are written with FULL.
    synchronous: 'NORMAL',
    busyTimeout,
    advice: `Move it away (with ${path}-wal and ${path}-shm) to start flows without positions and dead letters.`,
  });
  return new SqliteFlows(db, health);
}

type LetterRow = Omit<StoredLetter, 'done'> & { readonly done: string };

/** Dead letters, positions and request keys in a database of their own. */
export class SqliteFlows implements FlowStore {
  readonly #db: Database;
  readonly #health: StorageHealth | undefined;
  readonly #unwatch: (() => void) | undefined;
  readonly #statements = new Map<string, Statement>();

  constructor(db: Database, health: StorageHealth | undefined) {
    this.#db = db;
    this.#health = health;
    this.#unwatch = health?.watch(db.name);
  }

  position(name: string): number | undefined {
    return this.#run('SELECT position FROM positions WHERE name = ?', (it) => it.pluck().get(name)) as
      | number
      | undefined;
  }

  setPosition(name: string, position: number): void {
    this.#run('INSERT OR REPLACE INTO positions VALUES (?, ?)', (it) => it.run(name, position));
  }

  addLetter({ id, flow, key, input, identity, error, attempts, done, created, notes }: StoredLetter): void {
    const sql = 'INSERT OR REPLACE INTO letters VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)';
    const values = [id, flow, key, input, identity, error, attempts, JSON.stringify(done), created, notes];
    // Durably, since its source drops the event after this.
    this.#durably(() => this.#run(sql, (it) => it.run(...values)));
  }

  letter(id: string): StoredLetter | undefined {
    const row = this.#run('SELECT * FROM letters WHERE id = ?', (it) => it.get(id)) as LetterRow | undefined;
    return row && readLetter(row);
  }

  letters({ flow, before, limit }: LetterQuery): readonly StoredLetter[] {
    const sql = `SELECT * FROM letters WHERE (:flow IS NULL OR flow = :flow) AND (:before IS NULL OR id < :before)
      ORDER BY id DESC LIMIT :limit`;
    const values = { flow: flow ?? null, before: before ?? null, limit };
    return (this.#run(sql, (it) => it.all(values)) as LetterRow[]).map(readLetter);
  }

  countLetters(): ReadonlyMap<string, number> {
    const rows = this.#run('SELECT flow, count(*) FROM letters GROUP BY flow', (it) => it.raw().all());
    return new Map(rows as [string, number][]);
  }

  updateLetter(id: string, { error, attempts, done }: Pick<StoredLetter, 'error' | 'attempts' | 'done'>): void {
    const sql = 'UPDATE letters SET error = ?, attempts = ?, done = ? WHERE id = ?';
    this.#run(sql, (it) => it.run(error, attempts, JSON.stringify(done), id));
  }

  removeLetter(id: string): boolean {
    return this.#run('DELETE FROM letters WHERE id = ?', (it) => it.run(id).changes) > 0;
  }

  trimLetters(createdBefore: number, maxCount: number): number {
    const old = this.#run('DELETE FROM letters WHERE created < ?', (it) => it.run(createdBefore).changes);
    const sql = 'DELETE FROM letters WHERE id IN (SELECT id FROM letters ORDER BY id DESC LIMIT -1 OFFSET ?)';
    return old + this.#run(sql, (it) => it.run(maxCount).changes);
  }

  requestDigest(key: string, now: number): string | undefined {
    const sql = 'SELECT digest FROM requests WHERE key = ? AND expires > ?';
    return this.#run(sql, (it) => it.pluck().get(key, now)) as string | undefined;
  }

  keepRequest(key: string, digest: string, expires: number): void {
    this.#run('INSERT OR REPLACE INTO requests VALUES (?, ?, ?)', (it) => it.run(key, digest, expires));
  }

  removeRequest(key: string): void {
    this.#run('DELETE FROM requests WHERE key = ?', (it) => it.run(key));
  }

  trimRequests(now: number, maxCount: number): number {
    const old = this.#run('DELETE FROM requests WHERE expires <= ?', (it) => it.run(now).changes);
    const sql = 'DELETE FROM requests WHERE key IN (SELECT key FROM requests ORDER BY expires DESC LIMIT -1 OFFSET ?)';
    return old + this.#run(sql, (it) => it.run(maxCount).changes);
  }

  close(): void {
    this.#unwatch?.();
    this.#db.close();
  }

  #durably(write: () => unknown): void {
    this.#db.pragma('synchronous = FULL');
    try {
      write();
    } finally {
      this.#db.pragma('synchronous = NORMAL');
    }
  }

  #run<T>(sql: string, use: (statement: Statement) => T): T {
    try {
      let statement = this.#statements.get(sql);
      if (statement === undefined) {
        statement = this.#db.prepare(sql);
        this.#statements.set(sql, statement);
      }
      if (!statement.readonly) this.#health?.check();
      return use(statement);
    } catch (error) {
      const failure = storageError(error);
      this.#health?.report(failure);
      throw failure;
    }
  }
}

function readLetter(row: LetterRow): StoredLetter {
  return { ...row, done: JSON.parse(row.done) as string[] };
}
