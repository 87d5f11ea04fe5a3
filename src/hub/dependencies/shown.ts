import { compareText, type Select, type SelectedRelation } from '../../query/index.ts';
import type { TablePlan } from '../../schema/plan.ts';
import type { ChangedRecord } from '../change-view.ts';
import type { Selection } from '../selection.ts';
import type { RelatedHistory } from './related-history.ts';

/** Related records that one record shows. */
const MAX_SHOWN_RECORDS = 1000;

/** Position at which records are looked at. */
export interface ShownAt {
  readonly history: RelatedHistory;
  readonly at: number;
}

/** Names of the selected fields that a record shows at a position; undefined for all fields. */
export function shownFields(
  { fields, masked }: Selection,
  record: ChangedRecord,
  { table, history, at }: ShownAt & { readonly table: TablePlan },
): readonly string[] | undefined {
  if (fields === undefined || masked === undefined) return fields;
  const test = history.testAt(table, at);
  return fields.filter((name) => masked.get(name)?.(record, test) ?? true);
}

/** JSON text of what a selection shows of a record at a position. */
export function shownJson(selection: Selection, record: ChangedRecord, moment: ShownAt): string {
  const { dependent } = selection;
  if (dependent === undefined) return JSON.stringify(record);
  const { table, relations } = dependent;
  const fields = shownFields(selection, record, { ...moment, table });
  if (fields === undefined) return JSON.stringify(record);
  const members = fields.map((name) => `${JSON.stringify(name)}:${JSON.stringify(record[name] ?? null)}`);
  moment.history.each(relations, (selected) => {
    members.push(`${JSON.stringify(selected.relation.name)}:${relatedJson(selected, record, { ...moment, table })}`);
  });
  return `{${members.join(',')}}`;
}

function relatedJson(
  { relation, select, filter }: SelectedRelation,
  record: ChangedRecord,
  { table, history, at }: ShownAt & { readonly table: TablePlan },
): string {
  const { target, many, from } = relation;
  const isSeen = filter && history.filterAt(filter, target, at);
  const found: ChangedRecord[] = [];
  history.each(history.related(relation, record, { table, at, filter }), (row) => {
    if (isSeen?.(row) ?? true) found.push(row);
  });
  // A list of keys has its own order.
  if (from === undefined) found.sort(inKeyOrder(target));
  const texts: string[] = [];
  history.each(found.slice(0, MAX_SHOWN_RECORDS), (row) => {
    texts.push(recordJson(select, row, { table: target, history, at }));
  });
  return many ? `[${texts.join(',')}]` : (texts[0] ?? 'null');
}

function recordJson(
  { fields, masked = [], relations }: Select,
  record: ChangedRecord,
  moment: ShownAt & { readonly table: TablePlan },
): string {
  const { table, history, at } = moment;
  const hidden = masked.filter(({ filter }) => !history.filterAt(filter, table, at)(record));
  const shown = fields.filter((field) => !hidden.some((mask) => mask.field === field));
  const members = shown.map(({ name }) => `${JSON.stringify(name)}:${JSON.stringify(record[name] ?? null)}`);
  history.each(relations, (selected) => {
    members.push(`${JSON.stringify(selected.relation.name)}:${relatedJson(selected, record, moment)}`);
  });
  return `{${members.join(',')}}`;
}

function inKeyOrder({ primaryKey: { name } }: TablePlan): (a: ChangedRecord, b: ChangedRecord) => number {
  return (a, b) => compareKeys(a[name], b[name]);
}

/** Order of keys, as lists have it. */
export function compareKeys(one: unknown, other: unknown): number {
  if (typeof one === 'number' && typeof other === 'number') return one - other;
  return compareText(String(one), String(other));
}
