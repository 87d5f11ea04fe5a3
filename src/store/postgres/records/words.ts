import { compilePredicate, type Filter, type ListQuery } from '../../../query/index.ts';
import type { Select } from '../../../query/select.ts';
import type { FieldPath } from '../../../query/syntax/ast.ts';
import type { TablePlan } from '../../../schema/plan.ts';
import { encoderOf } from '../../rows/codec.ts';
import type { Cell, RecordKey } from '../../store.ts';
import { isIndexedWords } from '../sql/condition.ts';
import { quote, recordsName } from '../sql/names.ts';
import type { PgStatement } from '../sql/params.ts';

type WordsFilter = Extract<Filter, { type: 'words' }>;

/** Reads all rows of a statement. */
type ReadAll = (table: TablePlan, statement: PgStatement) => Promise<readonly (readonly unknown[])[]>;

/** True when a filter looks for words in a field without an index of words. */
export function hasPlainWords(filter: Filter | undefined): boolean {
  if (filter === undefined) return false;
  switch (filter.type) {
    case 'and':
    case 'or':
      return filter.items.some(hasPlainWords);
    case 'not':
      return hasPlainWords(filter.item);
    case 'related':
      return hasPlainWords(filter.item);
    case 'words':
      return !isIndexedWords(filter.path);
    default:
      return false;
  }
}

/** True when any filter of a query, also of what it shows of records, looks for words without an index of words. */
export function needsWords({ filter, sees, select }: ListQuery): boolean {
  return hasPlainWords(filter) || hasPlainWords(sees) || (select !== undefined && showsWords(select));
}

function showsWords({ masked = [], relations }: Select): boolean {
  return (
    masked.some(({ filter }) => hasPlainWords(filter)) ||
    relations.some((related) => hasPlainWords(related.filter) || showsWords(related.select))
  );
}

/**
 * Replaces searches for words in fields without an index of words by the keys that they find. The server does not split
 * texts as the index does, so each text is read.
 */
export class PlainWords {
  readonly #read: ReadAll;

  constructor(read: ReadAll) {
    this.#read = read;
  }

  async query(query: ListQuery, table: TablePlan): Promise<ListQuery> {
    const filter = query.filter && (await this.filter(query.filter, table));
    const sees = query.sees && (await this.filter(query.sees, table));
    const select = query.select && (await this.#select(query.select, table));
    return { ...query, ...(filter && { filter }), ...(sees && { sees }), ...(select && { select }) };
  }

  async filter(filter: Filter, table: TablePlan): Promise<Filter> {
    if (!hasPlainWords(filter)) return filter;
    switch (filter.type) {
      case 'and':
      case 'or': {
        const items: Filter[] = [];
        for (const item of filter.items) items.push(await this.filter(item, table));
        return { ...filter, items };
      }
      case 'not':
        return { ...filter, item: await this.filter(filter.item, table) };
      case 'related':
        return { ...filter, item: filter.item && (await this.filter(filter.item, filter.relation.target)) };
      case 'words':
        return this.#found(filter, table);
      default:
        return filter;
    }
  }

  async #select(select: Select, table: TablePlan): Promise<Select> {
    if (!showsWords(select)) return select;
    const masked = [];
    for (const one of select.masked ?? []) masked.push({ ...one, filter: await this.filter(one.filter, table) });
    const relations = [];
    for (const related of select.relations) {
      const { target } = related.relation;
      const filter = related.filter && (await this.filter(related.filter, target));
      relations.push({ ...related, select: await this.#select(related.select, target), ...(filter && { filter }) });
    }
    return { ...select, ...(select.masked && { masked }), relations };
  }

  async #found(filter: WordsFilter, table: TablePlan): Promise<Filter> {
    const [field] = filter.path.fields;
    const matches = compilePredicate(filter);
    const encode = encoderOf(field.type);
    const key = quote(table.primaryKey.name);
    const rows = await this.#read(table, {
      sql: `SELECT ${key}, ${quote(field.name)} FROM ${recordsName(table)} WHERE ${quote(field.name)} IS NOT NULL`,
      params: [],
    });
    const values = rows
      .filter(([, cell]) => matches({ [field.name]: JSON.parse(encode(cell as Cell)) }))
      .map(([id]) => id as RecordKey);
    const path: FieldPath = { name: table.primaryKey.name, fields: [table.primaryKey] };
    return { type: 'in', path, values };
  }
}
