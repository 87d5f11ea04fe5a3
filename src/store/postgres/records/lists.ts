import { AppError } from '../../../errors.ts';
import {
  both,
  type Filter,
  formatCursor,
  type ListQuery,
  type QueryPlan,
  type SelectedRelation,
  totalOrder,
} from '../../../query/index.ts';
import { withoutForbiddenKeys } from '../../../schema/forbidden-key.ts';
import type { FieldType, TablePlan } from '../../../schema/plan.ts';
import { TableSizes } from '../../rows/table-sizes.ts';
import type { Aggregate, Cell, Change, ListPage, RecordKey, StoredRecord } from '../../store.ts';
import type { Readers } from '../database/readers.ts';
import type { PgRows } from '../database/session.ts';
import { compileAggregate, readAggregate } from '../sql/aggregate.ts';
import { compileRelated } from '../sql/json.ts';
import { compileCount, compileList, compileRecords } from '../sql/list.ts';
import { indexName, primaryKeyName, recordsName } from '../sql/names.ts';
import type { PgStatement } from '../sql/params.ts';
import { sqlType, toParam } from '../sql/types.ts';
import { needsWords, PlainWords } from './words.ts';

/** Texts of statements that are remembered as too large. */
const MAX_REFUSED_STATEMENTS = 500;

/** Node of the server's plan for a query. */
interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly Alias?: string;
  readonly 'Index Name'?: string;
  readonly 'Index Cond'?: string;
  readonly Plans?: readonly PlanNode[];
}

interface CompiledQuery extends PgStatement {
  /** Count of all matches, where the query asks for it. */
  readonly count: PgStatement | undefined;
}

/** Reads lists of records by a query. */
export class PgLists {
  readonly #readers: Readers;
  readonly #compiled = new WeakMap<ListQuery, CompiledQuery>();
  readonly #records = new WeakMap<ListQuery, PgStatement>();
  readonly #related = new WeakMap<SelectedRelation, PgStatement>();
  readonly #words: PlainWords;
  readonly #scanning = new WeakMap<PgStatement, Promise<boolean>>();
  /** Texts of statements that read every record. */
  readonly #refused = new Set<string>();
  readonly #sizes: TableSizes;

  /** `largestScan`: maximum of records of a table that a query may read one by one. */
  constructor(readers: Readers, largestScan: number) {
    this.#readers = readers;
    this.#sizes = new TableSizes(largestScan);
    this.#words = new PlainWords((table, statement) => this.#readAll(table, statement));
  }

  async list(table: TablePlan, query: ListQuery): Promise<ListPage> {
    if (needsWords(query)) return this.list(table, await this.#words.query(query, table));
    let compiled = this.#compiled.get(query);
    if (compiled === undefined) {
      compiled = {
        ...compileList(query, table),
        count: query.count ? compileCount(both(query.filter, query.sees), table) : undefined,
      };
      this.#compiled.set(query, compiled);
    }
    await this.#checkSize(table, query, compiled);
    const [{ rows }, counted] = await Promise.all([
      this.#readers.read(compiled),
      compiled.count && this.#readers.read(compiled.count),
    ]);
    const page = rows.length > query.limit ? rows.slice(0, query.limit) : rows;
    const json = `[${page.map(([text]) => withoutForbiddenKeys(text as string)).join(',')}]`;
    const last = page === rows ? undefined : page.at(-1);
    const order = totalOrder(query.sort, table);
    return {
      json,
      ...(last === undefined ? {} : { next: formatCursor(order, last.slice(1) as RecordKey[]) }),
      ...(counted === undefined ? {} : { total: Number(counted.rows[0]?.[0]) }),
    };
  }

  /** Returns the totals of the records that match, by group, and the position that they are of. */
  async aggregate(table: TablePlan, query: ListQuery): Promise<Aggregate> {
    if (needsWords(query)) return this.aggregate(table, await this.#words.query(query, table));
    const compiled = this.#recordsOf(table, query);
    await this.#checkSize(table, query, compiled);
    const { rows } = await this.#readers.read(compiled);
    const groups = readAggregate(rows, query);
    const { maxGroups = 0 } = query.aggregate ?? {};
    if (groups.length > maxGroups) throw tooManyGroups(maxGroups);
    return { groups, seq: Number(rows[0]?.[0]) };
  }

  /** Must be called for each committed change. */
  committed(change: Change): void {
    this.#sizes.committed(change);
  }

  /** Must be called when others have changed records of the table. */
  changed(table: TablePlan): void {
    this.#sizes.changed(table);
  }

  /** Returns whole records, at most the query's limit. */
  async records(table: TablePlan, query: ListQuery): Promise<StoredRecord[]> {
    if (needsWords(query)) return this.records(table, await this.#words.query(query, table));
    const compiled = this.#recordsOf(table, query);
    await this.#checkSize(table, query, compiled);
    const { rows } = await this.#readers.read(compiled);
    return (rows as [RecordKey, number, string][])
      .slice(0, query.limit)
      .map(([id, seq, json]) => ({ id, seq, json: withoutForbiddenKeys(json) }));
  }

  /** Throws SCAN_TOO_LARGE where the same query was refused before, with whatever values; finds out about others meanwhile. */
  checkScan(table: TablePlan, query: ListQuery): void {
    if (needsWords(query)) return;
    const compiled = this.#recordsOf(table, query);
    const isTooLarge = this.#sizes.isTooLarge(table);
    if (isTooLarge === false) return;
    if (isTooLarge && this.#refused.has(compiled.sql)) throw this.#sizes.errorOf(table, query);
    this.#checkSize(table, query, compiled).catch(() => {});
  }

  async explain(table: TablePlan, query: ListQuery): Promise<QueryPlan> {
    const plain = needsWords(query) ? await this.#words.query(query, table) : query;
    const statement = compileList(plain, table);
    const [{ Plan: plan }] = JSON.parse(await this.#readers.explain(statement.sql, statement.params)) as [
      { Plan: PlanNode },
    ];
    const nodes = flatten(plan);
    const isPlain = plain.filter === undefined && plain.sees === undefined && plain.sort.length === 0;
    return {
      steps: nodes.map((node) =>
        [node['Node Type'], node.Alias, node['Index Name'], node['Index Cond']].filter(Boolean).join(' '),
      ),
      indexes: nodes.flatMap((node) => node['Index Name'] ?? []),
      scans: !isPlain && (await this.#scans(table, plain, statement)),
    };
  }

  #recordsOf(table: TablePlan, query: ListQuery): PgStatement {
    let compiled = this.#records.get(query);
    if (compiled === undefined) {
      compiled = query.aggregate === undefined ? compileRecords(query, table) : compileAggregate(query, table);
      this.#records.set(query, compiled);
    }
    return compiled;
  }

  async related(selected: SelectedRelation, key: Cell): Promise<string> {
    const own = keyTypeOf(selected);
    let compiled = this.#related.get(selected);
    if (compiled === undefined) {
      compiled = compileRelated(selected, own);
      this.#related.set(selected, compiled);
    }
    const [, ...params] = compiled.params;
    const { rows } = await this.#readers.send(compiled.sql, [toParam(key, sqlType(own)), ...params]);
    return withoutForbiddenKeys(rows[0]?.[0] as string);
  }

  /** Throws SCAN_TOO_LARGE for a scan of a large table, which would delay all other requests. */
  async #checkSize(table: TablePlan, query: ListQuery, statement: PgStatement): Promise<void> {
    const isWhole = query.filter === undefined && query.sees === undefined;
    if (isWhole && query.sort.length === 0 && query.aggregate === undefined) return;
    if (!(await this.#isTooLarge(table))) return;
    let scans = this.#scanning.get(statement);
    if (scans === undefined) {
      scans = this.#scans(table, query, statement);
      this.#scanning.set(statement, scans);
      scans.catch(() => this.#scanning.delete(statement));
    }
    if (!(await scans)) return;
    if (this.#refused.size >= MAX_REFUSED_STATEMENTS) this.#refused.clear();
    this.#refused.add(statement.sql);
    throw this.#sizes.errorOf(table, query);
  }

  /** Replaces searches for words in fields without an index of words, where a bulk write has some. */
  async plainFilter(filter: Filter | undefined, table: TablePlan): Promise<Filter | undefined> {
    return filter && this.#words.filter(filter, table);
  }

  /** Reads something of every record, as a filter does that no index serves. */
  async #readAll(table: TablePlan, statement: PgStatement): Promise<PgRows> {
    if (await this.#isTooLarge(table)) throw this.#sizes.errorOfPart(table, 'filter');
    return (await this.#readers.read(statement)).rows;
  }

  async #isTooLarge(table: TablePlan): Promise<boolean> {
    const isTooLarge = this.#sizes.isTooLarge(table);
    if (isTooLarge !== undefined) return isTooLarge;
    const some = `SELECT 1 FROM ${recordsName(table)} LIMIT ${this.#sizes.maxCount}`;
    const { rows } = await this.#readers.send(`SELECT count(*) FROM (${some}) AS counted`);
    return this.#sizes.counted(table, Number(rows[0]?.[0]));
  }

  /**
   * True when the server has to read every record, or to sort them all. It is asked for its plan with indexes preferred: of a
   * table that is still small it would read everything even where an index finds the records.
   */
  async #scans(table: TablePlan, query: ListQuery, { sql, params }: PgStatement): Promise<boolean> {
    const text = await this.#readers.explain(sql, params);
    const [{ Plan: plan }] = JSON.parse(text) as [{ Plan: PlanNode }];
    const hasFilter = query.filter !== undefined || query.sees !== undefined;
    const nodes = flatten(plan);
    if (!hasFilter && query.aggregate !== undefined) return true;
    if (!hasFilter) return nodes.some((node) => node['Node Type'] === 'Sort');
    return nodes.some((node) => this.#readsAll(table, node));
  }

  /** True for a node that reads the whole table, or a whole index of it: one whose first column has no condition. */
  #readsAll(table: TablePlan, node: PlanNode): boolean {
    const { 'Node Type': type, 'Relation Name': relation, 'Index Name': index, 'Index Cond': condition = '' } = node;
    const first = index === undefined ? undefined : firstColumns(table).get(index);
    if (first !== undefined) return !new RegExp(`(?<![\\w"])"?${first}"?(?![\\w"])`).test(condition);
    return node.Alias === 't' && relation !== undefined && type !== 'Bitmap Heap Scan' && condition === '';
  }
}

function tooManyGroups(maxGroups: number): AppError {
  return new AppError(
    'TOO_MANY_GROUPS',
    `The query makes more than ${maxGroups} groups. Add a condition, group by a field with fewer values, or raise limits.groups.`,
  );
}

/** Returns the first column of each index of a table, by the name of the index. */
function firstColumns(table: TablePlan): ReadonlyMap<string, string> {
  const { fields, compositeIndexes, primaryKey } = table;
  const ofFields = fields.filter(({ indexed, unique }) => indexed || unique).map((field) => [field]);
  const all = [...ofFields, ...compositeIndexes.map((index) => index.fields)].map((over) => {
    const names = over.map(({ name }) => name);
    return [indexName(table, names), names[0] as string] as const;
  });
  return new Map([[primaryKeyName(table), primaryKey.name], ...all]);
}

/** Returns the type of the value that leads to the related records: a cell of the `from` field, or the record's key. */
function keyTypeOf({ relation: { from, to, name } }: SelectedRelation): FieldType {
  const type = (from ?? to)?.type;
  if (type === undefined) throw new Error(`The relation ${name} has neither from nor to.`);
  return from === undefined && type.kind === 'list' ? type.of : type;
}

function flatten(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(flatten)];
}
