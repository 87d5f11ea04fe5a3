import type { Id, Rec } from '../grid/segment.ts';
import { ask, type TablecastError } from '../state/http.ts';

/** Change as the log keeps it. */
export interface LogEntry {
  readonly seq: number;
  readonly table: string;
  readonly id: Id;
  readonly op: string;
  readonly by: string | undefined;
  /** Fields with their values before and after; undefined where a value is not known. */
  readonly changes: readonly { readonly name: string; readonly before: unknown; readonly after: unknown }[];
}

export interface LogQuery {
  readonly table?: string;
  readonly id?: string;
  readonly before?: number;
  readonly limit?: number;
}

interface RawEntry {
  readonly seq: number;
  readonly table: string;
  readonly id: Id | null;
  readonly op: string;
  /** Earlier values of the fields that changed; of a deleted record all of them. */
  readonly before?: Rec | null;
  /** Record after the change, or what was published. */
  readonly data?: unknown;
}

interface AuditEntry {
  readonly seq: number;
  readonly table: string;
  readonly id: Id;
  readonly op: string;
  readonly by: { readonly type: string; readonly sub?: string };
  readonly changes: Readonly<
    Record<string, { readonly before?: unknown; readonly after?: unknown; readonly hidden?: true }>
  >;
}

/** Changes, the newest first, and the position of those before them. */
export interface Log {
  readonly entries: readonly LogEntry[];
  readonly next: number | undefined;
}

/** Reads changes, the newest first: from the log, or from the audit log where the server has no such address. */
export async function readLog(app: string, query: LogQuery, signal: AbortSignal): Promise<Log> {
  try {
    const { data } = await ask<{ entries: readonly RawEntry[]; next: number | null }>(
      app,
      `_/admin/log?${searchOf(query)}`,
      { signal },
    );
    return { entries: data.entries.map(fromLog), next: data.next ?? undefined };
  } catch (error) {
    if ((error as TablecastError).status !== 404) throw error;
    return readAudit(app, query, signal);
  }
}

export async function readAudit(app: string, query: LogQuery, signal: AbortSignal): Promise<Log> {
  const { data, headers } = await ask<readonly AuditEntry[]>(app, `_/audit?${searchOf(query)}`, { signal });
  const next = /[?&]before=(\d+)/.exec(headers.get('link') ?? '')?.[1];
  return { entries: data.map(fromAudit), next: next === undefined ? undefined : Number(next) };
}

function searchOf(query: LogQuery): string {
  const parts = Object.entries(query).filter(([, value]) => value !== undefined);
  return parts.map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`).join('&');
}

function fromLog({ seq, table, id, op, before, data }: RawEntry): LogEntry {
  const after = op !== 'delete' && data !== null && typeof data === 'object' ? (data as Rec) : {};
  const changed = op === 'update' ? Object.keys(before ?? {}) : Object.keys({ ...before, ...after });
  return {
    seq,
    table,
    id: id ?? '',
    op,
    by: undefined,
    changes: changed.map((name) => ({ name, before: before?.[name] ?? null, after: after[name] ?? null })),
  };
}

function fromAudit(entry: AuditEntry): LogEntry {
  return {
    seq: entry.seq,
    table: entry.table,
    id: entry.id,
    op: entry.op,
    by: entry.by.sub ?? entry.by.type,
    changes: Object.entries(entry.changes).map(([name, { before, after, hidden }]) =>
      hidden ? { name, before: undefined, after: '(hidden)' } : { name, before: before ?? null, after: after ?? null },
    ),
  };
}
