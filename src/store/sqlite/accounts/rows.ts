import type { Database, Statement } from 'better-sqlite3';
import { deepFreeze } from '../../../config/deep-freeze.ts';
import type { ApiKey, Claims, User } from '../../accounts.ts';
import { LIMIT } from '../sql/limit.ts';

const USER = 'SELECT id, name, password, roles, claims, disabled, created FROM users';
const KEY = 'SELECT id, hash, name, sub, roles, claims, created, revoked FROM keys';

export type AccountStatements = Readonly<Record<keyof ReturnType<typeof listStatements>, Statement>>;

/** Prepares every statement of the users, keys and sessions. */
export function prepareAccounts(db: Database): AccountStatements {
  const statements = Object.entries(listStatements()).map(([name, sql]) => {
    const statement = db.prepare(sql);
    // `RETURNING user_id` is one value; everything else that returns is a row.
    return [name, sql.includes('RETURNING') ? statement.pluck() : statement] as const;
  });
  return Object.fromEntries(statements) as AccountStatements;
}

function listStatements() {
  return {
    addUser: 'INSERT INTO users VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    user: `${USER} WHERE id = ?`,
    userByName: `${USER} WHERE folded = ?`,
    users: `${USER} ORDER BY folded`,
    setRoles: 'UPDATE users SET roles = ? WHERE id = ?',
    setDisabled: 'UPDATE users SET disabled = ? WHERE id = ?',
    setPassword: 'UPDATE users SET password = @password WHERE id = @id AND (@old IS NULL OR password = @old)',
    addKey: 'INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, ?, NULL)',
    key: `${KEY} WHERE id = ?`,
    keys: `${KEY} ORDER BY created, id`,
    revokeKey: 'UPDATE keys SET revoked = ? WHERE id = ? AND revoked IS NULL',
    openSession: `INSERT INTO sessions (id, user_id, hash, created, expires)
      SELECT @id, @userId, @hash, @created, @expires
      WHERE EXISTS (SELECT 1 FROM users WHERE id = @userId AND NOT disabled AND password = @password)`,
    rotate: `UPDATE sessions SET hash = @next, expires = @expires, previous = @old, nonce = @nonce, rotated = @now
      WHERE id = @id AND hash = @old AND expires > @now RETURNING user_id`,
    // abs: the clock may have been set back meanwhile.
    repeated: `SELECT user_id AS userId, nonce, rotated AS at FROM sessions
      WHERE id = @id AND previous = @old AND abs(@now - rotated) < @grace AND expires > @now`,
    endReused: 'DELETE FROM sessions WHERE id = ? AND hash <> ? RETURNING user_id',
    endSession: 'DELETE FROM sessions WHERE id = ? RETURNING user_id',
    endSessions: 'DELETE FROM sessions WHERE user_id = ?',
    trimExpired: `DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires <= ? ${LIMIT})`,
    trimSurplus: `DELETE FROM sessions WHERE id IN
      (SELECT id FROM sessions WHERE user_id = ? ORDER BY created DESC, rowid DESC LIMIT -1 OFFSET ?)`,
  };
}

interface UserRow extends Omit<User, 'roles' | 'claims' | 'disabled'> {
  readonly roles: string;
  readonly claims: string;
  readonly disabled: number;
}

interface KeyRow extends Omit<ApiKey, 'roles' | 'claims' | 'revoked'> {
  readonly roles: string;
  readonly claims: string;
  readonly revoked: number | null;
}

export function readUser(row: unknown): User | undefined {
  if (row === undefined) return undefined;
  const { roles, claims, disabled, ...user } = row as UserRow;
  return { ...user, ...readRights(roles, claims), disabled: disabled !== 0 };
}

export function readKey(row: unknown): ApiKey | undefined {
  if (row === undefined) return undefined;
  const { roles, claims, revoked, ...key } = row as KeyRow;
  return { ...key, ...readRights(roles, claims), revoked: revoked ?? undefined };
}

function readRights(roles: string, claims: string): { roles: readonly string[]; claims: Claims } {
  // Frozen, since all requests of a caller share them.
  return deepFreeze({ roles: JSON.parse(roles) as string[], claims: JSON.parse(claims) as Claims });
}
