import { AppError } from '../../../errors.ts';
import {
  type AccountStore,
  type AccountStoreOptions,
  type ApiKey,
  foldName,
  type Rotation,
  type RotationOutcome,
  type Session,
  type SharedLogins,
  type User,
} from '../../accounts.ts';
import type { PgAddress } from '../database/address.ts';
import { constraintOf } from '../database/errors.ts';
import { type Run, WorkSession } from '../database/work.ts';
import { ACCOUNTS, fromHex, KEY, readKey, readUser, toHex, USER } from './rows.ts';
import { PgSharedLogins } from './shared-logins.ts';

/** Expired sessions that one login removes. */
const MAX_TRIMMED_SESSIONS = 100;

/** Opens the accounts in the schema. Throws StoreOpenError. */
export async function openPostgresAccounts(options: AccountStoreOptions, address: PgAddress): Promise<AccountStore> {
  const work = await WorkSession.open(address, ACCOUNTS);
  const [row] = await work.run('SELECT version FROM accounts_version');
  return new PostgresAccounts(work, { ...options, shared: new PgSharedLogins(work, address) }, row?.[0]);
}

/** Accounts on a connection of their own, so that logins and commits of records never wait for each other. */
class PostgresAccounts implements AccountStore {
  readonly shared: SharedLogins;
  readonly #work: WorkSession;
  readonly #listeners = new Set<() => void>();
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #onError: (error: unknown) => void;
  #version: unknown;
  #isPolling = false;
  #failing = false;

  constructor(
    work: WorkSession,
    { poll, onError = () => {}, shared }: AccountStoreOptions & { readonly shared: SharedLogins },
    version: unknown,
  ) {
    this.shared = shared;
    this.#work = work;
    this.#version = version;
    this.#onError = onError;
    if (poll !== undefined) this.#timer = setInterval(() => void this.#poll(), poll).unref();
  }

  async addUser({ id, name, password, roles, claims, disabled, created }: User): Promise<void> {
    const values = [
      id,
      name,
      foldName(name),
      password,
      JSON.stringify(roles),
      JSON.stringify(claims),
      disabled,
      created,
    ];
    try {
      await this.#change((run) => run('INSERT INTO users VALUES ($1, $2, $3, $4, $5, $6, $7, $8)', values));
    } catch (error) {
      throw constraintOf(error) === 'users_folded_key' ? nameTaken(error) : error;
    }
  }

  async user(id: string): Promise<User | undefined> {
    return readUser((await this.#work.run(`${USER} WHERE id = $1`, [id]))[0]);
  }

  async userByName(name: string): Promise<User | undefined> {
    return readUser((await this.#work.run(`${USER} WHERE folded = $1`, [foldName(name)]))[0]);
  }

  async users(): Promise<readonly User[]> {
    return (await this.#work.run(`${USER} ORDER BY folded`)).flatMap((row) => readUser(row) ?? []);
  }

  async setRoles(id: string, roles: readonly string[]): Promise<void> {
    await this.#change((run) => run('UPDATE users SET roles = $2 WHERE id = $1', [id, JSON.stringify(roles)]));
  }

  async setDisabled(id: string, disabled: boolean): Promise<void> {
    await this.#change(async (run) => {
      await run('UPDATE users SET disabled = $2 WHERE id = $1', [id, disabled]);
      if (disabled) await run('DELETE FROM sessions WHERE user_id = $1', [id]);
    });
  }

  setPassword(id: string, password: string, old?: string): Promise<boolean> {
    return this.#change(async (run) => {
      const sql = 'UPDATE users SET password = $2 WHERE id = $1 AND ($3::text IS NULL OR password = $3) RETURNING id';
      if ((await run(sql, [id, password, old ?? null])).length === 0) return false;
      await run('DELETE FROM sessions WHERE user_id = $1', [id]);
      return true;
    });
  }

  async addKey({ id, hash, name, sub, roles, claims, created }: ApiKey): Promise<void> {
    const values = [id, toHex(hash), name, sub, JSON.stringify(roles), JSON.stringify(claims), created];
    await this.#change((run) =>
      run("INSERT INTO keys VALUES ($1, decode($2, 'hex'), $3, $4, $5, $6, $7, NULL)", values),
    );
  }

  async key(id: string): Promise<ApiKey | undefined> {
    return readKey((await this.#work.run(`${KEY} WHERE id = $1`, [id]))[0]);
  }

  async keys(): Promise<readonly ApiKey[]> {
    return (await this.#work.run(`${KEY} ORDER BY created, id`)).flatMap((row) => readKey(row) ?? []);
  }

  revokeKey(id: string, now: number): Promise<boolean> {
    const sql = 'UPDATE keys SET revoked = $2 WHERE id = $1 AND revoked IS NULL RETURNING id';
    return this.#change(async (run) => (await run(sql, [id, now])).length > 0);
  }

  openSession(session: Session, password: string, maxSessions: number): Promise<boolean> {
    const { id, userId, hash, created, expires } = session;
    const expired = 'SELECT id FROM sessions WHERE expires <= $1 LIMIT $2';
    return this.#work.transaction(async (run) => {
      await run(`DELETE FROM sessions WHERE id IN (${expired})`, [created, MAX_TRIMMED_SESSIONS]);
      const user = 'SELECT 1 FROM users WHERE id = $2 AND NOT disabled AND password = $6 FOR SHARE';
      const opened = await run(
        `INSERT INTO sessions (id, user_id, hash, created, expires)
        SELECT $1, $2, decode($3, 'hex'), $4::bigint, $5::bigint WHERE EXISTS (${user}) RETURNING id`,
        [id, userId, toHex(hash), created, expires, password],
      );
      if (opened.length === 0) return false;
      const surplus = 'SELECT id FROM sessions WHERE user_id = $1 ORDER BY created DESC, n DESC OFFSET $2';
      await run(`DELETE FROM sessions WHERE id IN (${surplus})`, [userId, maxSessions]);
      return true;
    });
  }

  rotateSession(id: string, rotation: Rotation): Promise<RotationOutcome | undefined> {
    const { old, next, nonce, expires, now, grace } = rotation;
    return this.#work.transaction(async (run) => {
      const [rotated] = await run(
        `UPDATE sessions SET hash = decode($3, 'hex'), expires = $5, previous = hash, nonce = decode($4, 'hex'), rotated = $6
        WHERE id = $1 AND hash = decode($2, 'hex') AND expires > $6 RETURNING user_id`,
        [id, toHex(old), toHex(next), toHex(nonce), expires, now],
      );
      if (rotated !== undefined) return { outcome: 'rotated', userId: rotated[0] as string };
      // abs: the clock may have been set back meanwhile.
      const [repeated] = await run(
        `SELECT user_id, encode(nonce, 'hex'), rotated FROM sessions
        WHERE id = $1 AND previous = decode($2, 'hex') AND abs($3 - rotated) < $4 AND expires > $3`,
        [id, toHex(old), now, grace],
      );
      if (repeated !== undefined) {
        const [userId, made, at] = repeated as [string, string, number];
        return { outcome: 'repeated', userId, nonce: fromHex(made), at };
      }
      const [reused] = await run("DELETE FROM sessions WHERE id = $1 AND hash <> decode($2, 'hex') RETURNING user_id", [
        id,
        toHex(old),
      ]);
      return reused === undefined ? undefined : { outcome: 'reused', userId: reused[0] as string };
    });
  }

  async endSession(id: string): Promise<string | undefined> {
    const [row] = await this.#work.run('DELETE FROM sessions WHERE id = $1 RETURNING user_id', [id]);
    return row?.[0] as string | undefined;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#work.close();
  }

  async #poll(): Promise<void> {
    if (this.#isPolling) return;
    this.#isPolling = true;
    try {
      const [row] = await this.#work.run('SELECT version FROM accounts_version');
      this.#failing = false;
      // What happened while the database was away may have changed rights, and is found by the version as well.
      if (row?.[0] !== this.#version) {
        this.#version = row?.[0];
        this.#notify();
      }
    } catch (error) {
      // The database is away: requests say so.
      const isBusy = error instanceof AppError && error.code === 'STORAGE_BUSY';
      if (!this.#failing && !isBusy) this.#onError(error);
      this.#failing = !isBusy;
    } finally {
      this.#isPolling = false;
    }
  }

  #notify(): void {
    for (const listener of this.#listeners) listener();
  }

  /** Changes users or keys; other processes see the version. */
  async #change<T>(change: (run: Run) => Promise<T>): Promise<T> {
    const result = await this.#work.transaction(async (run) => {
      const made = await change(run);
      const [row] = await run('UPDATE accounts_version SET version = version + 1 RETURNING version');
      this.#version = row?.[0];
      return made;
    });
    this.#notify();
    return result;
  }
}

function nameTaken(cause: unknown): AppError {
  const message = 'is taken by another user';
  return new AppError('CONFLICT', `name: ${message}.`, { errors: [{ field: 'name', message }], cause });
}
