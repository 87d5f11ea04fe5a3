import type { Filter, JsonRecord, RelatedCondition } from '../../../query/index.ts';
import type { TablePlan } from '../../../schema/plan.ts';
import { toKeyCell } from '../../rows/related.ts';
import type { RecordKey, RecordsBy, StoredRecord } from '../../store.ts';
import type { PgResult } from '../database/session.ts';
import { compileRelatedTest } from '../sql/json.ts';
import { compileRecordsBy } from '../sql/list.ts';
import type { PgStatement } from '../sql/params.ts';
import { sqlType, toParam } from '../sql/types.ts';

export interface PgRelatedOptions {
  /** Runs a statement, inside of a transaction or outside. */
  run(statement: PgStatement): Promise<PgResult>;
  /** Replaces conditions that the server cannot check. */
  plainFilter(filter: Filter | undefined, table: TablePlan): Promise<Filter | undefined>;
}

/** Looks at records by relations: for conditions of rules and of streams. */
export class PgRelatedRecords {
  readonly #options: PgRelatedOptions;

  constructor(options: PgRelatedOptions) {
    this.#options = options;
  }

  async isRelated(table: TablePlan, { relation, item }: RelatedCondition, record: JsonRecord): Promise<boolean> {
    const start = relation.from ?? table.primaryKey;
    const key = toKeyCell(record[start.name] ?? null, start.type);
    if (key === null) return false;
    const plain = await this.#options.plainFilter(item, relation.target);
    const { sql, params } = compileRelatedTest(relation, plain, start.type);
    const { rows } = await this.#options.run({ sql, params: [toParam(key, sqlType(start.type)), ...params.slice(1)] });
    return rows[0]?.[0] === 1;
  }

  async recordsBy(table: TablePlan, by: RecordsBy): Promise<StoredRecord[]> {
    const filter = await this.#options.plainFilter(by.filter, table);
    const { rows } = await this.#options.run(compileRecordsBy({ ...by, filter }, table));
    return (rows as [RecordKey, number, string][]).map(([id, seq, json]) => ({ id, seq, json }));
  }
}
