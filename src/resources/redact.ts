import { type JsonRecord, predicateOf, type TableView } from '../query/index.ts';
import type { TablePlan } from '../schema/plan.ts';
import type { WriteOutcome } from '../store/store.ts';

/** A record as somebody sees it, as JSON text; undefined when there is no such record for him. */
export function redactRecord(json: string, { shown, masked, filter }: TableView): string | undefined {
  const record = JSON.parse(json) as JsonRecord;
  if (filter !== undefined && !predicateOf(filter)(record)) return undefined;
  const hidden = masked.filter((mask) => !predicateOf(mask.filter)(record)).map(({ field }) => field);
  const names = shown.filter((field) => !hidden.includes(field)).map(({ name }) => name);
  return JSON.stringify(Object.fromEntries(names.map((name) => [name, record[name] ?? null])));
}

/** What a writer is told of a record: what he sees of it, and of what he does not see the key. */
export function redactOutcome(outcome: WriteOutcome, table: TablePlan, view: TableView | 'nothing'): WriteOutcome {
  if (outcome.json === '' || outcome.id === null) return outcome;
  const shown = view === 'nothing' ? undefined : redactRecord(outcome.json, view);
  return { ...outcome, json: shown ?? JSON.stringify({ [table.primaryKey.name]: outcome.id }) };
}
