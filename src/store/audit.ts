import type { TablePlan } from '../schema/plan.ts';
import type { Awaitable } from './store.ts';

/** `server` is code of the application that runs in the server, `expiration` the removal of a record whose time has passed. */
export const ACTOR_TYPES = ['principal', 'anonymous', 'server', 'hook', 'expiration'] as const;
export type ActorType = (typeof ACTOR_TYPES)[number];

/** Who has made a write. */
export interface Actor {
  readonly type: ActorType;
  /** Of a principal; the API key by its id, where one was shown. */
  readonly sub?: string;
  readonly roles?: readonly string[];
  readonly key?: string;
}

export const AUDITED_OPS = ['create', 'update', 'delete'] as const;
export type AuditedOp = (typeof AUDITED_OPS)[number];

/** One change of one record. */
export interface AuditEntry {
  /** That of the change. */
  readonly seq: number;
  readonly by: Actor;
  readonly op: AuditedOp;
  /** Stored name: `data/Message`. The table may have left the schema. */
  readonly table: string;
  /** The key as text, whatever its type. */
  readonly id: string;
  /** JSON text by the names of the fields that are different now: `{"before","after"}`, or `{"hidden":true}`. */
  readonly changes: string;
}

/** How the audit log calls a table: by its stored names, which outlast those of the schema. */
export function auditName({ database, table }: Pick<TablePlan, 'database' | 'table'>): string {
  return `${database}/${table}`;
}

/** What is asked of the audit log. What is absent is not asked. */
export interface AuditQuery {
  /** Stored name. */
  readonly table?: string;
  readonly id?: string;
  readonly sub?: string;
  readonly actor?: ActorType;
  readonly op?: AuditedOp;
  /** Only entries with a greater seq. */
  readonly after?: number;
  /** Only entries with a smaller seq. */
  readonly before?: number;
  readonly limit: number;
}

export interface AuditPage {
  /** From the newest to the oldest. */
  readonly entries: readonly AuditEntry[];
  /** `before` of the next page, when there may be one. */
  readonly next?: number;
}

export interface AuditReader {
  /**
   * The newest entries that match, at most `limit`. Fewer, even none, and yet `next` where many had to be looked at: a
   * page costs no more than a list may.
   */
  page(query: AuditQuery): Awaitable<AuditPage>;
}
