import type { TablePlan } from '../schema/plan.ts';
import type { Awaitable } from './store.ts';

/**
 * Kinds of actors. `server` is code of the application that runs in the server, `expiration` the removal of an expired
 * record, `database` another program with a connection to the database.
 */
export const ACTOR_TYPES = ['principal', 'anonymous', 'server', 'hook', 'expiration', 'database'] as const;
export type ActorType = (typeof ACTOR_TYPES)[number];

/** Author of a write. */
export interface Actor {
  readonly type: ActorType;
  /** Subject of a principal; of another program its user in the database. */
  readonly sub?: string;
  readonly roles?: readonly string[];
  /** Id of the API key, where the request used one. */
  readonly key?: string;
}

export const AUDITED_OPS = ['create', 'update', 'delete'] as const;
export type AuditedOp = (typeof AUDITED_OPS)[number];

/** Change of one record. */
export interface AuditEntry {
  /** seq of the change. */
  readonly seq: number;
  readonly by: Actor;
  readonly op: AuditedOp;
  /** Stored name: `data/Message`. The table may have left the schema. */
  readonly table: string;
  /** Primary key as text, for every type. */
  readonly id: string;
  /** JSON text: an object with, for each field that changed, `{"before","after"}` or `{"hidden":true}`. */
  readonly changes: string;
}

/** Returns the name of a table in the audit log: its stored names, which outlast those of the schema. */
export function auditName({ database, table }: Pick<TablePlan, 'database' | 'table'>): string {
  return `${database}/${table}`;
}

/** Filter of the audit log; absent properties do not filter. */
export interface AuditQuery {
  /** Stored name. */
  readonly table?: string;
  readonly id?: string;
  readonly sub?: string;
  readonly actor?: ActorType;
  readonly op?: AuditedOp;
  /** Selects entries with a greater seq. */
  readonly after?: number;
  /** Selects entries with a smaller seq. */
  readonly before?: number;
  readonly limit: number;
}

export interface AuditPage {
  /** Entries from the newest to the oldest. */
  readonly entries: readonly AuditEntry[];
  /** `before` of the next page; undefined on the last one. */
  readonly next?: number;
}

export interface AuditReader {
  /**
   * Returns the newest entries that match, at most `limit`. Where many entries have to be read one by one, a page may
   * have fewer, even none, and yet a `next`: a page costs no more than a list may.
   */
  page(query: AuditQuery): Awaitable<AuditPage>;
}
