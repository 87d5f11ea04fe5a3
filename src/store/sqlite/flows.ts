import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { FlowStore, FlowStoreOptions, LetterQuery, StoredLetter } from '../flows.ts';
import { StoreOpenError } from '../open-errors.ts';
import type { StorageHealth } from '../storage-health.ts';
import { storageError } from './database/errors.ts';
import { describeOpenError } from './database/open.ts';

const FILE = 'flows.db';
const VERSION = 2;

const REQUESTS = `CREATE TABLE requests (
  key TEXT PRIMARY KEY, digest TEXT NOT NULL, expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX requests_expires ON requests (expires)`;

const CREATE = `CREATE TABLE tablecast_flows (version INTEGER NOT NULL) STRICT;
INSERT INTO tablecast_flows VALUES (${VERSION});
CREATE TABLE positions (name TEXT PRIMARY KEY, position INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE letters (
  id TEXT PRIMARY KEY, flow TEXT NOT NULL, key TEXT NOT NULL, input TEXT NOT NULL, identity TEXT NOT NULL,
  error TEXT NOT NULL, attempts INTEGER NOT NULL, done TEXT NOT NULL, created INTEGER NOT NULL, notes TEXT,
  UNIQUE (flow, key)
) STRICT;
CREATE INDEX letters_created ON letters (created);
${REQUESTS}`;

/** Of a file of version 1. */
const UPGRADE = `ALTER TABLE letters ADD COLUMN notes TEXT;
${REQUESTS};
UPDATE tablecast_flows SET version = ${VERSION}`;

/** Opens `flows.db` in the data directory. Throws StoreOpenError with a sentence for people. */
export function openSqliteFlows({ dir, busyTimeout, health }: FlowStoreOptions): FlowStore {
  const file = join(dir, FILE);
  try {
    // What clients have sent may be nobody else's business.
    closeSync(openSync(file, 'a', 0o600));
    const db = new Database(file, { timeout: busyTimeout });
    try {
      prepare(db, file);
      return new SqliteFlows(db, health);
    } catch (error) {
      db.close();
      throw error;
    }
  } catch (error) {
    if (error instanceof Database.SqliteError && /^SQLITE_(?:NOTADB|CORRUPT)/.test(error.code)) {
      const advice = `Move it away (with ${file}-wal and ${file}-shm) to start flows afresh, without dead letters.`;
      throw new StoreOpenError(`${file} is damaged, or no database. It was left as it is. ${advice}`, { cause: error });
    }
    throw describeOpenError(file, error);
  }
}

function prepare(db: Database.Database, file: string): void {
  const version = readVersion(db, file);
  db.pragma('journal_mode = WAL');
  // Positions: what a loss of power undoes is done again. Dead letters ask for more.
  db.pragma('synchronous = NORMAL');
  if (version < VERSION) db.transaction(() => db.exec(version === 0 ? CREATE : UPGRADE)).immediate();
}

function readVersion(db: Database.Database, file: string): number {
  const names = db.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").pluck().all() as string[];
  if (names.length === 0) return 0;
  if (!names.includes('tablecast_flows')) {
    throw new StoreOpenError(`${file} is a database of another program. It was left as it is; move it away.`);
  }
  const version = db.prepare('SELECT version FROM tablecast_flows').pluck().get() as number;
  if (version <= VERSION) return version;
  throw new StoreOpenError(`${file} was written by a newer version of Tablecast. It was left as it is.`);
}

type Row = Omit<StoredLetter, 'done'> & { readonly done: string };

class SqliteFlows implements FlowStore {
  readonly #db: Database.Database;
  readonly #health: StorageHealth | undefined;
  readonly #unwatch: (() => void) | undefined;
  readonly #statements = new Map<string, Database.Statement>();

  constructor(db: Database.Database, health: StorageHealth | undefined) {
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
    // Its source forgets it after this.
    this.#durably(() => this.#run(sql, (it) => it.run(...values)));
  }

  letter(id: string): StoredLetter | undefined {
    const row = this.#run('SELECT * FROM letters WHERE id = ?', (it) => it.get(id)) as Row | undefined;
    return row && readLetter(row);
  }

  letters({ flow, before, limit }: LetterQuery): readonly StoredLetter[] {
    const sql = `SELECT * FROM letters WHERE (:flow IS NULL OR flow = :flow) AND (:before IS NULL OR id < :before)
      ORDER BY id DESC LIMIT :limit`;
    const values = { flow: flow ?? null, before: before ?? null, limit };
    return (this.#run(sql, (it) => it.all(values)) as Row[]).map(readLetter);
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

  trimLetters(madeBefore: number, most: number): number {
    const old = this.#run('DELETE FROM letters WHERE created < ?', (it) => it.run(madeBefore).changes);
    const sql = 'DELETE FROM letters WHERE id IN (SELECT id FROM letters ORDER BY id DESC LIMIT -1 OFFSET ?)';
    return old + this.#run(sql, (it) => it.run(most).changes);
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

  trimRequests(now: number, most: number): number {
    const old = this.#run('DELETE FROM requests WHERE expires <= ?', (it) => it.run(now).changes);
    const sql = 'DELETE FROM requests WHERE key IN (SELECT key FROM requests ORDER BY expires DESC LIMIT -1 OFFSET ?)';
    return old + this.#run(sql, (it) => it.run(most).changes);
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

  #run<T>(sql: string, use: (statement: Database.Statement) => T): T {
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

function readLetter(row: Row): StoredLetter {
  return { ...row, done: JSON.parse(row.done) as string[] };
}
