import type { AuditConfig } from '../../../src/config/config.ts';
import type { TablePlan } from '../../../src/schema/plan.ts';
import {
  type Actor,
  type AuditEntry,
  type AuditedOp,
  type AuditPage,
  type AuditQuery,
  auditName,
} from '../../../src/store/audit.ts';
import type { Cell, RecordKey } from '../../../src/store/store.ts';
import type { Journal } from './journal.ts';
import { cellToJson } from './values.ts';

interface AuditedChange {
  readonly seq: number;
  readonly op: AuditedOp;
  readonly id: RecordKey;
  readonly by: Actor | undefined;
  readonly before?: readonly Cell[];
  readonly after?: readonly Cell[];
}

/** The audit log, from the oldest entry to the newest. */
export class MemoryAudit {
  readonly #entries: AuditEntry[] = [];

  append(table: TablePlan, change: AuditedChange, journal: Journal): void {
    const { seq, op, id, by = { type: 'server' } } = change;
    const changes = describeChanges(table, change);
    this.#entries.push({ seq, by: { ...by }, op, table: auditName(table), id: String(id), changes });
    journal.done(() => this.#entries.pop());
  }

  /** `maxScan`: entries that it may look at one by one; an index of ids and one of subjects narrow that down. */
  page(query: AuditQuery, maxScan: number): AuditPage {
    const narrow = query.id !== undefined ? { id: query.id } : query.sub !== undefined ? { sub: query.sub } : {};
    const { after = -1, before = Number.POSITIVE_INFINITY, limit } = query;
    const range = this.#entries.filter(({ seq }) => seq > after && seq < before).reverse();
    const candidates = range.filter((entry) => matches(entry, narrow));
    const found = candidates.slice(0, maxScan).filter((entry) => matches(entry, query));
    const entries = found.slice(0, limit);
    if (found.length > limit) return { entries, next: entries.at(-1)?.seq ?? 0 };
    const beyond = candidates[maxScan];
    return beyond === undefined ? { entries } : { entries, next: beyond.seq + 1 };
  }

  trim(now: number, limit: number, { maxCount, retention }: AuditConfig): boolean {
    const old = this.#entries.findIndex(({ seq }) => seq >= (now - retention) * 1000);
    const surplus = Math.max(this.#entries.length - maxCount, old === -1 ? this.#entries.length : old, 0);
    return this.#entries.splice(0, Math.min(surplus, limit)).length === limit;
  }
}

function matches(entry: AuditEntry, { table, id, sub, actor, op }: Partial<AuditQuery>): boolean {
  return (
    (table === undefined || entry.table.toLowerCase() === table.toLowerCase()) &&
    (id === undefined || entry.id === id) &&
    (sub === undefined || entry.by.sub === sub) &&
    (actor === undefined || entry.by.type === actor) &&
    (op === undefined || entry.op === op)
  );
}

/** JSON text of the fields that are different, of hidden ones only that they are. */
function describeChanges({ fields }: TablePlan, { before, after }: AuditedChange): string {
  const members = fields.flatMap(({ name, type, hidden }, place) => {
    const [old = null, now = null] = [before?.[place], after?.[place]];
    if (old === now) return [];
    const values = `"before":${cellToJson(type, old)},"after":${cellToJson(type, now)}`;
    return [`${JSON.stringify(name)}:{${hidden ? '"hidden":true' : values}}`];
  });
  return `{${members.join(',')}}`;
}
