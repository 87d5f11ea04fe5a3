import type { JsonRecord } from '../hub/change-view.ts';
import type { SelectedRelation } from '../query/index.ts';
import type { JsonValue, TablePlan } from '../schema/plan.ts';
import type { Cell, RelatedReader } from '../store/store.ts';

/** Makes the members of a record that stand for records of other tables, as these are at the moment of the call. */
export function makeExpand(
  relations: readonly SelectedRelation[],
  table: TablePlan,
  store: RelatedReader,
): (record: JsonRecord) => string {
  return (record) =>
    relations
      .map((selected) => {
        const { name, from } = selected.relation;
        const value = record[(from ?? table.primaryKey).name] ?? null;
        return `,"${name}":${store.related(selected, toCell(value, from?.type ?? table.primaryKey.type))}`;
      })
      .join('');
}

/** The cell that a key, or a list of keys, is stored as. */
function toCell(value: JsonValue, type: TablePlan['primaryKey']['type']): Cell {
  if (type.kind === 'list') return value === null ? null : JSON.stringify(value);
  if (typeof value === 'number') return value;
  if (typeof value !== 'string') return null;
  return type.kind === 'scalar' && type.name === 'Long' ? BigInt(value) : value;
}
