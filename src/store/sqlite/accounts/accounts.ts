import { join } from 'node:path';
import Database from 'better-sqlite3';
import { AppError } from '../../../errors.ts';
import {
  type AccountStore,
  type AccountStoreOptions,
  type ApiKey,
  foldName,
  type Rotation,
  type RotationOutcome,
  type Session,
  type User,
} from '../../accounts.ts';
import type { StorageHealth } from '../../storage-health.ts';
import { storageError } from '../database/errors.ts';
import { openAccountDatabase } from './open.ts';
import { type AccountStatements, prepareAccounts, readKey, readUser } from './rows.ts';

const FILE = 'auth.db';
/** Expired sessions that one login removes. */
const MAX_TRIMMED_SESSIONS = 100;

/** Opens `auth.db` in the data directory. Throws StoreOpenError. */
export function openSqliteAccounts(options: AccountStoreOptions): SqliteAccounts {
  return new SqliteAccounts(openAccountDatabase(join(options.dir, FILE), options.busyTimeout), options);
}

interface RepeatedToken {
  readonly userId: string;
  readonly nonce: Buffer;
  readonly at: number;
}

/** Accounts in a database of their own, so that logins and commits of records never wait for each other. */
export class SqliteAccounts implements AccountStore {
  readonly #db: Database.Database;
  readonly #sql: AccountStatements;
  readonly #health: StorageHealth | undefined;
  readonly #unwatch: (() => void) | undefined;
  readonly #listeners = new Set<() => void>();
  readonly #timer: NodeJS.Timeout | undefined;
  #version: unknown;
  #failing = false;

  constructor(db: Database.Database, { poll, health, onError = () => {} }: AccountStoreOptions) {
    this.#db = db;
    this.#health = health;
    this.#unwatch = health?.watch(db.name);
    this.#sql = prepareAccounts(db);
    if (poll === undefined) return;
    this.#version = this.#readVersion();
    this.#timer = setInterval(() => this.#poll(onError), poll).unref();
  }

  addUser({ id, name, password, roles, claims, disabled, created }: User): void {
    const values = [JSON.stringify(roles), JSON.stringify(claims), disabled ? 1 : 0, created];
    this.#change(() => {
      try {
        return this.#sql.addUser.run(id, name, foldName(name), password, ...values);
      } catch (error) {
        throw isTaken(error) ? nameTaken(error) : error;
      }
    });
  }

  user(id: string): User | undefined {
    return readUser(this.#run(() => this.#sql.user.get(id)));
  }

  userByName(name: string): User | undefined {
    return readUser(this.#run(() => this.#sql.userByName.get(foldName(name))));
  }

  users(): readonly User[] {
    return this.#run(() => this.#sql.users.all()).flatMap((row) => readUser(row) ?? []);
  }

  setRoles(id: string, roles: readonly string[]): void {
    this.#change(() => this.#sql.setRoles.run(JSON.stringify(roles), id));
  }

  setDisabled(id: string, disabled: boolean): void {
    this.#change(() => {
      this.#sql.setDisabled.run(disabled ? 1 : 0, id);
      if (disabled) this.#sql.endSessions.run(id);
    });
  }

  setPassword(id: string, password: string, old?: string): boolean {
    return this.#change(() => {
      if (this.#sql.setPassword.run({ id, password, old: old ?? null }).changes === 0) return false;
      this.#sql.endSessions.run(id);
      return true;
    });
  }

  addKey({ id, hash, name, sub, roles, claims, created }: ApiKey): void {
    this.#change(() =>
      this.#sql.addKey.run(id, hash, name, sub, JSON.stringify(roles), JSON.stringify(claims), created),
    );
  }

  key(id: string): ApiKey | undefined {
    return readKey(this.#run(() => this.#sql.key.get(id)));
  }

  keys(): readonly ApiKey[] {
    return this.#run(() => this.#sql.keys.all()).flatMap((row) => readKey(row) ?? []);
  }

  revokeKey(id: string, now: number): boolean {
    return this.#change(() => this.#sql.revokeKey.run(now, id).changes > 0);
  }

  openSession({ id, userId, hash, created, expires }: Session, password: string, maxSessions: number): boolean {
    return this.#write(() => {
      this.#sql.trimExpired.run(created, MAX_TRIMMED_SESSIONS);
      if (this.#sql.openSession.run({ id, userId, hash, created, expires, password }).changes === 0) return false;
      this.#sql.trimSurplus.run(userId, maxSessions);
      return true;
    });
  }

  rotateSession(id: string, { old, next, nonce, expires, now, grace }: Rotation): RotationOutcome | undefined {
    return this.#write(() => {
      const rotated = this.#sql.rotate.get({ id, old, next, nonce, expires, now }) as string | undefined;
      if (rotated !== undefined) return { outcome: 'rotated', userId: rotated };
      const repeated = this.#sql.repeated.get({ id, old, now, grace }) as RepeatedToken | undefined;
      if (repeated !== undefined) return { outcome: 'repeated', ...repeated };
      const reused = this.#sql.endReused.get(id, old) as string | undefined;
      return reused === undefined ? undefined : { outcome: 'reused', userId: reused };
    });
  }

  endSession(id: string): string | undefined {
    return this.#write(() => this.#sql.endSession.get(id) as string | undefined);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#unwatch?.();
    this.#db.close();
  }

  #poll(onError: (error: unknown) => void): void {
    try {
      const version = this.#readVersion();
      this.#failing = false;
      if (version === this.#version) return;
      this.#version = version;
      this.#notify();
    } catch (error) {
      // The process that holds the database now is done by the next poll.
      if (this.#failing || (error instanceof AppError && error.code === 'STORAGE_BUSY')) return;
      // Reported once, and not at every poll.
      this.#failing = true;
      onError(error);
    }
  }

  /** Returns a value that changes with commits of other connections, and not with own ones. */
  #readVersion(): unknown {
    return this.#run(() => this.#db.pragma('data_version', { simple: true }));
  }

  #notify(): void {
    for (const listener of this.#listeners) listener();
  }

  #change<T>(change: () => T): T {
    const result = this.#write(change);
    this.#notify();
    return result;
  }

  /** Runs a transaction. BEGIN IMMEDIATE: one that reads first would fail, not wait, when another process writes. */
  #write<T>(write: () => T): T {
    return this.#run(() => {
      this.#health?.check();
      return this.#db.transaction(write).immediate();
    });
  }

  #run<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      const failure = storageError(error);
      this.#health?.report(failure);
      throw failure;
    }
  }
}

function isTaken(error: unknown): boolean {
  return error instanceof Database.SqliteError && /^SQLITE_CONSTRAINT_UNIQUE/.test(error.code);
}

function nameTaken(cause: unknown): AppError {
  const message = 'is taken by another user';
  return new AppError('CONFLICT', `name: ${message}.`, { errors: [{ field: 'name', message }], cause });
}
