import type { TablePlan } from '../plan.ts';
import type { MigrationStep } from './diff.ts';
import { describeTable, type StoredIndex, type StoredTable } from './stored.ts';

/** Returns the steps for composite and full-text indexes. A composite index that changes its uniqueness is rebuilt. */
export function compareIndexes(old: StoredTable, table: TablePlan): MigrationStep[] {
  const before = new Map((old.compositeIndexes ?? []).map((index) => [indexKey(index), index]));
  const after = new Set((describeTable(table).compositeIndexes ?? []).map(indexKey));
  const name = `${table.database}.${table.table}`;
  const dropped = [...before].flatMap(([key, index]): MigrationStep[] => {
    if (after.has(key)) return [];
    const sentence = `drop the ${index.unique ? 'unique ' : ''}index of ${name} over ${index.fields.join(', ')}`;
    return [{ type: 'drop-composite-index', table, index, destructive: false, sentence }];
  });
  const created = table.compositeIndexes.flatMap((index): MigrationStep[] => {
    const fields = index.fields.map((field) => field.name);
    if (before.has(indexKey({ fields, unique: index.unique }))) return [];
    const sentence = index.unique
      ? `make ${fields.join(', ')} of ${name} unique together: possible only while no values occur twice`
      : `create an index of ${name} over ${fields.join(', ')}`;
    return [{ type: 'create-composite-index', table, index, destructive: false, sentence }];
  });
  return [...dropped, ...compareFulltext(old, table), ...created];
}

/** Full-text indexes of removed fields need no step: they are dropped with the column. */
function compareFulltext(old: StoredTable, table: TablePlan): MigrationStep[] {
  const before = new Set(old.columns.flatMap(({ name, fulltext }) => (fulltext ? [name.toLowerCase()] : [])));
  return table.fields.flatMap((field): MigrationStep[] => {
    if (before.has(field.name.toLowerCase()) === field.fulltext) return [];
    const type = field.fulltext ? 'create-fulltext-index' : 'drop-fulltext-index';
    const verb = field.fulltext ? 'create' : 'drop';
    const sentence = `${verb} the index of the words in ${table.database}.${table.table}.${field.name}`;
    return [{ type, table, field, destructive: false, sentence }];
  });
}

/** Key for comparing indexes; names of columns are case-insensitive, as in SQLite. */
function indexKey({ fields, unique }: StoredIndex): string {
  return `${fields.join(',').toLowerCase()}${unique ? ' unique' : ''}`;
}
