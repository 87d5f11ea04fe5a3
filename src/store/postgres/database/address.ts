import { createHash } from 'node:crypto';
import { fitName } from '../sql/names.ts';

/** Location of an application's data: a schema of a database. */
export interface PgAddress {
  /** `postgres://user:password@host:port/database`. */
  readonly url: string;
  /** Unquoted name of the schema. */
  readonly schema: string;
  /** Maximum of connections for reads. */
  readonly pool: number;
  readonly durability?: 'full' | 'normal';
}

/** Returns the name of the schema of an application. */
export function schemaOf(appId: string): string {
  return fitName(`tablecast_${appId}`);
}

/** Returns the address without its password, for people. */
export function shownAddress({ url, schema }: Pick<PgAddress, 'url' | 'schema'>): string {
  try {
    const { username, host, pathname } = new URL(url);
    return `postgres://${username === '' ? '' : `${username}@`}${host}${pathname} (schema ${schema})`;
  } catch {
    return `the database of the schema ${schema}`;
  }
}

/** Returns the number of an advisory lock. All of a database share one space of numbers. */
export function lockNumber(
  { schema }: Pick<PgAddress, 'schema'>,
  purpose: 'order' | 'server' | 'start' | 'layout' | 'attempts',
): string {
  return createHash('sha256').update(`tablecast ${purpose} ${schema}`).digest().readBigInt64BE(0).toString();
}
