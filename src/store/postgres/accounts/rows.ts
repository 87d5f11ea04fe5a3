import { deepFreeze } from '../../../config/deep-freeze.ts';
import type { ApiKey, Claims, User } from '../../accounts.ts';
import type { Layout } from '../database/layout.ts';

export const USER = 'SELECT id, name, password, roles, claims, disabled, created FROM users';
export const KEY = "SELECT id, encode(hash, 'hex'), name, sub, roles, claims, created, revoked FROM keys";

/** Tables of users, API keys and sessions. `version` moves with every change of users and keys. */
export const ACCOUNTS: Layout = {
  part: 'accounts',
  steps: [
    `CREATE TABLE users (
      id text COLLATE "C" PRIMARY KEY, name text NOT NULL, folded text COLLATE "C" NOT NULL UNIQUE, password text NOT NULL,
      roles text NOT NULL, claims text NOT NULL, disabled boolean NOT NULL, created bigint NOT NULL
    );
    CREATE TABLE keys (
      id text COLLATE "C" PRIMARY KEY, hash bytea NOT NULL, name text NOT NULL, sub text NOT NULL, roles text NOT NULL,
      claims text NOT NULL, created bigint NOT NULL, revoked bigint
    );
    CREATE TABLE sessions (
      id text COLLATE "C" PRIMARY KEY, n bigint GENERATED ALWAYS AS IDENTITY, user_id text COLLATE "C" NOT NULL REFERENCES users,
      hash bytea NOT NULL, created bigint NOT NULL, expires bigint NOT NULL, previous bytea, nonce bytea, rotated bigint
    );
    CREATE INDEX sessions_user ON sessions (user_id, created);
    CREATE INDEX sessions_expires ON sessions (expires);
    CREATE TABLE accounts_version (version bigint NOT NULL);
    INSERT INTO accounts_version VALUES (1)`,
    // What they have is of no use after a minute: they are not written to the log of the database.
    `CREATE UNLOGGED TABLE tickets (
      id text COLLATE "C" PRIMARY KEY, n bigint GENERATED ALWAYS AS IDENTITY, sub text COLLATE "C" NOT NULL,
      principal text NOT NULL, expires timestamptz NOT NULL
    );
    CREATE INDEX tickets_sub ON tickets (sub, n);
    CREATE INDEX tickets_expires ON tickets (expires);
    CREATE UNLOGGED TABLE attempts (n bigint NOT NULL, name text COLLATE "C" NOT NULL, at timestamptz NOT NULL);
    CREATE INDEX attempts_name ON attempts (name, at);
    CREATE INDEX attempts_at ON attempts (at);
    CREATE INDEX attempts_n ON attempts (n);
    CREATE SEQUENCE attempts_number`,
  ],
};

export function toHex(bytes: Buffer): string {
  return bytes.toString('hex');
}

export function fromHex(text: string): Buffer {
  return Buffer.from(text, 'hex');
}

export function readUser(row: readonly unknown[] | undefined): User | undefined {
  if (row === undefined) return undefined;
  const [id, name, password, roles, claims, disabled, created] = row as [
    string,
    string,
    string,
    string,
    string,
    number,
    number,
  ];
  return { id, name, password, ...readRights(roles, claims), disabled: disabled === 1, created };
}

export function readKey(row: readonly unknown[] | undefined): ApiKey | undefined {
  if (row === undefined) return undefined;
  const [id, hash, name, sub, roles, claims, created, revoked] = row as [
    string,
    string,
    string,
    string,
    string,
    string,
    number,
    number | null,
  ];
  return { id, hash: fromHex(hash), name, sub, ...readRights(roles, claims), created, revoked: revoked ?? undefined };
}

function readRights(roles: string, claims: string): { roles: readonly string[]; claims: Claims } {
  // Frozen, since all requests of a caller share them.
  return deepFreeze({ roles: JSON.parse(roles) as string[], claims: JSON.parse(claims) as Claims });
}
