import type { Database, Statement } from 'better-sqlite3';
import type { Filter, JsonRecord, RelatedCondition } from '../../../query/index.ts';
import type { FieldPlan, TablePlan } from '../../../schema/plan.ts';
import { toKeyCell } from '../../rows/related.ts';
import type { RecordKey, RecordsBy, StoredRecord } from '../../store.ts';
import { StatementCache } from '../database/statement-cache.ts';
import { compileRecordsBySql, compileRelatedTestSql, type Sql } from '../sql/index.ts';
import { NAMES } from '../sql/table-names.ts';

type Prepared = Pick<Sql, 'params'> & { readonly statement: Statement };

/** Looks at records by relations: for conditions of rules and of streams. Works inside and outside of a transaction. */
export class RelatedRecords {
  readonly #tests: StatementCache;
  readonly #lists: StatementCache;
  readonly #ofCondition = new WeakMap<RelatedCondition, Prepared>();
  readonly #ofField = new Map<FieldPlan, Prepared>();
  readonly #ofFilter = new WeakMap<Filter, Map<FieldPlan, Prepared>>();

  constructor(db: Database) {
    this.#tests = new StatementCache(db);
    this.#lists = new StatementCache(db, (statement) => statement.raw());
  }

  isRelated(table: TablePlan, condition: RelatedCondition, record: JsonRecord): boolean {
    const start = condition.relation.from ?? table.primaryKey;
    const key = toKeyCell(record[start.name] ?? null, start.type);
    if (key === null) return false;
    let prepared = this.#ofCondition.get(condition);
    if (prepared === undefined) {
      const { sql, params } = compileRelatedTestSql(condition, NAMES);
      prepared = { statement: this.#tests.get(sql), params };
      this.#ofCondition.set(condition, prepared);
    }
    return prepared.statement.get(key, ...prepared.params) === 1;
  }

  recordsBy(table: TablePlan, by: RecordsBy): StoredRecord[] {
    const { statement, params } = this.#prepare(table, by);
    const rows = statement.all(JSON.stringify(by.values), ...params, by.limit) as [RecordKey, number, string][];
    return rows.map(([id, seq, json]) => ({ id, seq, json }));
  }

  #prepare(table: TablePlan, by: RecordsBy): Prepared {
    const { field, filter } = by;
    let known = this.#ofField;
    if (filter !== undefined) {
      known = this.#ofFilter.get(filter) ?? new Map();
      this.#ofFilter.set(filter, known);
    }
    let prepared = known.get(field);
    if (prepared === undefined) {
      const { sql, params } = compileRecordsBySql(by, table, NAMES, '_seq');
      prepared = { statement: this.#lists.get(sql), params };
      known.set(field, prepared);
    }
    return prepared;
  }
}
