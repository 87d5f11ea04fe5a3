import type { ChangedRecord } from '../hub/change-view.ts';
import type { SelectedRelation } from '../query/index.ts';
import type { TablePlan } from '../schema/plan.ts';
import { toKeyCell } from '../store/rows/related.ts';
import type { Awaitable, RelatedReader } from '../store/store.ts';

/** Makes the function that reads the related records of a record, as `Selection.readRelated` describes. */
export function makeRelatedReader(
  relations: readonly SelectedRelation[],
  table: TablePlan,
  store: Pick<RelatedReader, 'related'>,
): (record: ChangedRecord) => Awaitable<string> {
  return (record) => {
    const found = relations.map((selected) => {
      const { from } = selected.relation;
      const value = record[(from ?? table.primaryKey).name] ?? null;
      return store.related(selected, toKeyCell(value, from?.type ?? table.primaryKey.type));
    });
    const write = (texts: readonly string[]) =>
      texts.map((text, index) => `,"${relations[index]?.relation.name}":${text}`).join('');
    // Synchronous for an engine that answers at once: a frame needs no turn of the event loop.
    return found.every((text) => typeof text === 'string') ? write(found) : Promise.all(found).then(write);
  };
}
