import type { ChangedRecord } from '../hub/change-view.ts';
import type { SelectedRelation } from '../query/index.ts';
import type { JsonValue, TablePlan } from '../schema/plan.ts';
import type { Awaitable, Cell, RelatedReader } from '../store/store.ts';

/** Makes the function that reads the related records of a record, as `Selection.readRelated` describes. */
export function makeRelatedReader(
  relations: readonly SelectedRelation[],
  table: TablePlan,
  store: RelatedReader,
): (record: ChangedRecord) => Awaitable<string> {
  return (record) => {
    const found = relations.map((selected) => {
      const { from } = selected.relation;
      const value = record[(from ?? table.primaryKey).name] ?? null;
      return store.related(selected, toCell(value, from?.type ?? table.primaryKey.type));
    });
    const write = (texts: readonly string[]) =>
      texts.map((text, index) => `,"${relations[index]?.relation.name}":${text}`).join('');
    // Synchronous for an engine that answers at once: a frame needs no turn of the event loop.
    return found.every((text) => typeof text === 'string') ? write(found) : Promise.all(found).then(write);
  };
}

/** Returns the stored form of a key, or of a list of keys. */
function toCell(value: JsonValue, type: TablePlan['primaryKey']['type']): Cell {
  if (type.kind === 'list') return value === null ? null : JSON.stringify(value);
  if (typeof value === 'number') return value;
  if (typeof value !== 'string') return null;
  return type.kind === 'scalar' && type.name === 'Long' ? BigInt(value) : value;
}
