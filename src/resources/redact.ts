import { type JsonRecord, predicateOf, type TableView } from '../query/index.ts';
import type { TablePlan } from '../schema/plan.ts';
import type { WriteOutcome } from '../store/store.ts';

/** Reduces a record, as JSON text, to the readable fields; undefined when the record is not readable. */
export function redactRecord(json: string, { readable, masked, filter }: TableView): string | undefined {
  const record = JSON.parse(json) as JsonRecord;
  if (filter !== undefined && !predicateOf(filter)(record)) return undefined;
  const hidden = masked.filter((mask) => !predicateOf(mask.filter)(record)).map(({ field }) => field);
  const names = readable.filter((field) => !hidden.includes(field)).map(({ name }) => name);
  return JSON.stringify(Object.fromEntries(names.map((name) => [name, record[name] ?? null])));
}

/** Reduces an outcome to the fields that the writer can read; to the key where the record is not readable. */
export function redactOutcome(outcome: WriteOutcome, table: TablePlan, view: TableView | 'nothing'): WriteOutcome {
  if (outcome.json === '' || outcome.id === null) return outcome;
  const json = view === 'nothing' ? undefined : redactRecord(outcome.json, view);
  return { ...outcome, json: json ?? JSON.stringify({ [table.primaryKey.name]: outcome.id }) };
}
