import { parseRecord } from '../../hub/change-view.ts';
import { timestampOf } from '../../hub/encode.ts';
import type { JsonValue, TablePlan } from '../../schema/plan.ts';
import type { Change } from '../../store/store.ts';
import { publicName } from '../parameters.ts';

/** Entries of a log that are read at once; other requests come between two reads. */
export const PAGE_ENTRIES = 500;

/** Formats an entry of the log. Values of fields that are hidden by now are left out, as everywhere. */
export function describeEntry({ table, seq, op, id, data, before, transaction }: Change): object {
  return {
    seq,
    time: timestampOf(seq),
    table: publicName(table),
    op,
    id,
    data: op === 'delete' ? null : op === 'publish' ? JSON.parse(data) : withoutHidden(data, table),
    before: before === null || op === 'publish' ? null : withoutHidden(before, table),
    ...(transaction === undefined ? {} : { transaction }),
  };
}

/** Parses the JSON text of a record. The log has fields from before they were hidden. */
export function withoutHidden(json: string, { fields }: TablePlan): Readonly<Record<string, JsonValue>> {
  const record = parseRecord(json);
  const hidden = fields.filter((field) => field.hidden && Object.hasOwn(record, field.name));
  if (hidden.length === 0) return record;
  const names = new Set(hidden.map(({ name }) => name));
  return Object.fromEntries(Object.entries(record).filter(([name]) => !names.has(name)));
}
