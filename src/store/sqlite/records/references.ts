import type { Database } from 'better-sqlite3';
import type { Reference, TablePlan } from '../../../schema/plan.ts';
import { type ReferenceQuestion, type ReferenceSteps, References } from '../../references/references.ts';
import { applyWrite, type WriteContext } from '../../rows/apply-write.ts';
import type { RecordKey } from '../../store.ts';
import { StatementCache } from '../database/statement-cache.ts';
import { LIMIT } from '../sql/limit.ts';
import { quote, recordsName } from '../sql/table-names.ts';
import type { SqliteTable } from './table.ts';

/** References in the open transaction of the embedded store, which answers at once. */
export class SqliteReferences {
  readonly #tables: ReadonlyMap<TablePlan, { readonly table: SqliteTable }>;
  readonly #statements: StatementCache;
  readonly group: References;

  /** `contexts` may be filled later. */
  constructor(
    db: Database,
    tables: ReadonlyMap<TablePlan, { readonly table: SqliteTable }>,
    { contexts, limit }: { readonly contexts: ReadonlyMap<TablePlan, WriteContext>; readonly limit: number },
  ) {
    this.#tables = tables;
    this.#statements = new StatementCache(db);
    const host = {
      has: (table: TablePlan, key: RecordKey) => this.#of(table).has(key),
      row: (table: TablePlan, key: RecordKey) => this.#of(table).get(key),
      apply: (write: Parameters<typeof applyWrite>[1]) =>
        void applyWrite(contexts.get(write.table) as WriteContext, write),
    };
    this.group = new References(host, limit);
  }

  /** Deletes and changes what refers to the records that were deleted. */
  follow(): void {
    if (this.group.hasRemoved) this.#run(this.group.follow());
  }

  settle(): void {
    this.#run(this.group.settle());
  }

  #run(steps: ReferenceSteps): void {
    for (let step = steps.next(); step.done !== true; ) step = steps.next(this.#answer(step.value));
  }

  #answer(question: ReferenceQuestion): readonly RecordKey[] {
    if (question.ask === 'present') return question.keys.filter((key) => this.#of(question.table).has(key));
    const { reference, keys, limit } = question;
    const statement = this.#statements.get(referringSql(reference));
    const found: RecordKey[] = [];
    for (const key of keys) {
      if (found.length >= limit) break;
      for (const id of statement.all(key, limit - found.length)) found.push(id as RecordKey);
    }
    return found;
  }

  #of(table: TablePlan): SqliteTable {
    return (this.#tables.get(table) as { readonly table: SqliteTable }).table;
  }
}

function referringSql({ table, field }: Reference): string {
  const key = quote(table.primaryKey.name);
  return `SELECT ${key} FROM ${recordsName(table)} WHERE ${quote(field.name)} = ? ORDER BY ${key} ${LIMIT}`;
}
