import { withoutForbiddenKeys } from '../../schema/forbidden-key.ts';
import { ACTOR_TYPES, type Actor, AUDITED_OPS, type AuditEntry, type AuditedOp, type AuditPage } from '../audit.ts';

/** Columns of the audit log, in the order of `AuditRow`. */
export const AUDIT_COLUMNS = 'seq, op, tbl, id, actor, sub, roles, api_key, changes';

const SERVER: Actor = { type: 'server' };
/** Characters of the changes on one page; the entry that reaches the maximum is the last. */
const MAX_PAGE_CHARS = 4 * 1024 ** 2;

/** Entry as both engines store it. */
export type AuditRow = readonly [
  seq: number,
  op: number,
  table: string,
  id: string,
  actor: number,
  sub: string | null,
  roles: string | null,
  key: string | null,
  changes: string,
];

/** Returns the row of an entry; a write without an author is one of the server itself. */
export function toAuditRow(entry: Omit<AuditEntry, 'by'>, by: Actor = SERVER): AuditRow {
  const { seq, op, table, id, changes } = entry;
  const roles = by.roles === undefined ? null : JSON.stringify(by.roles);
  const author = [ACTOR_TYPES.indexOf(by.type), by.sub ?? null, roles, by.key ?? null] as const;
  return [seq, AUDITED_OPS.indexOf(op), table, id, ...author, changes];
}

/**
 * Returns one page of the audit log.
 *
 * @param rows from the newest to the oldest; one more than `limit` shows that there is a next page
 * @param end seq of the first entry that the scan limit left out; undefined when all were read
 */
export function toAuditPage(rows: Iterable<AuditRow>, limit: number, end: number | undefined): AuditPage {
  const entries: AuditEntry[] = [];
  let size = 0;
  for (const row of rows) {
    const last = entries.at(-1);
    if (last !== undefined && (entries.length === limit || size > MAX_PAGE_CHARS)) return { entries, next: last.seq };
    const entry = toAuditEntry(row);
    entries.push(entry);
    size += entry.changes.length;
  }
  // The entry at `end` was not read.
  return end === undefined ? { entries } : { entries, next: end + 1 };
}

function toAuditEntry([seq, op, table, id, actor, sub, roles, key, changes]: AuditRow): AuditEntry {
  const by: Actor = {
    type: ACTOR_TYPES[actor] as Actor['type'],
    ...(sub === null ? {} : { sub }),
    ...(roles === null ? {} : { roles: JSON.parse(roles) as string[] }),
    ...(key === null ? {} : { key }),
  };
  return { seq, by, op: AUDITED_OPS[op] as AuditedOp, table, id, changes: withoutForbiddenKeys(changes) };
}
