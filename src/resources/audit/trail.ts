import type { Identity } from '../../auth/identity.ts';
import type { Access } from '../../auth/policy/access.ts';
import type { Limits } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import { timestampOf } from '../../hub/encode.ts';
import { thenOrNow } from '../../runtime/event-loop.ts';
import type { Plan, TablePlan } from '../../schema/plan.ts';
import { type AuditEntry, type AuditPage, type AuditReader, auditName } from '../../store/audit.ts';
import type { Awaitable } from '../../store/store.ts';
import { isNumeric } from '../key.ts';
import { parseAuditQuery } from './query.ts';

/**
 * Readers of the audit log: admins where authentication is on; without it all callers, or none when other machines can
 * connect.
 */
export type AuditReaders = 'admins' | 'anyone' | 'none';

export interface TrailContext {
  readonly plan: Plan;
  readonly log: AuditReader;
  readonly access: Access;
  readonly limits: Limits;
  readonly readers: AuditReaders;
}

/** Page of the audit log as JSON. */
export interface TrailPage {
  /** JSON array of the entries, newest first. */
  readonly json: string;
  /** Cursor of the next page, when there may be one. */
  readonly next?: number;
}

/** Table that has entries in the log, under its current name. */
interface KnownTable {
  readonly name: string;
  readonly hasNumericKey: boolean;
  /** Fields that are hidden now, perhaps not when the entry was written. */
  readonly hidden: readonly string[];
}

/** Read access to the audit log; the only path to it. */
export class AuditTrail {
  readonly #context: TrailContext;
  readonly #byStored: ReadonlyMap<string, KnownTable>;
  readonly #storedNames: ReadonlyMap<string, string>;

  constructor(context: TrailContext) {
    this.#context = context;
    const { tables } = context.plan;
    this.#byStored = new Map(tables.map((table) => [auditName(table).toLowerCase(), toKnownTable(table)]));
    this.#storedNames = new Map(tables.map((table) => [publicName(table), auditName(table)]));
  }

  /** Returns the page that the raw query string asks for. Throws UNAUTHORIZED, FORBIDDEN or INVALID_QUERY. */
  read(identity: Identity, rawQuery: string): Awaitable<TrailPage> {
    const { access, log, limits, readers } = this.#context;
    if (readers === 'admins') access.checkAdmin('reading the audit log', identity);
    if (readers === 'none') {
      throw new AppError('FORBIDDEN', 'Without auth in config.yaml the audit log is readable on loopback only.');
    }
    const page = log.page(parseAuditQuery(rawQuery, { limits, tables: this.#storedNames }));
    return thenOrNow(page, (it) => this.#present(it));
  }

  #present({ entries, next }: AuditPage): TrailPage {
    const json = `[${entries.map((entry) => this.#toJson(entry)).join(',')}]`;
    return next === undefined ? { json } : { json, next };
  }

  #toJson({ seq, by, op, table, id, changes }: AuditEntry): string {
    const known = this.#byStored.get(table.toLowerCase());
    const head = {
      seq,
      time: timestampOf(seq),
      by,
      op,
      table: known?.name ?? table,
      id: known?.hasNumericKey === true ? Number(id) : id,
    };
    return `${JSON.stringify(head).slice(0, -1)},"changes":${mask(changes, known)}}`;
  }
}

function toKnownTable(table: TablePlan): KnownTable {
  const hidden = table.fields.filter((field) => field.hidden).map(({ name }) => name);
  return { name: publicName(table), hasNumericKey: isNumeric(table), hidden };
}

/** Returns the table's name in URLs, if it has one. */
function publicName(table: TablePlan): string {
  return table.exportName ?? auditName(table);
}

/** Hides the values of fields that were made hidden after the entry was written. */
function mask(changes: string, known: KnownTable | undefined): string {
  if (known === undefined || known.hidden.length === 0) return changes;
  const fields = JSON.parse(changes) as Record<string, unknown>;
  for (const name of known.hidden) if (Object.hasOwn(fields, name)) fields[name] = { hidden: true };
  return JSON.stringify(fields);
}
