import type { Report } from '../../config/files/report.ts';
import type { Section } from '../../config/keys/section.ts';
import { AppError } from '../../errors.ts';
import { ChangeView } from '../../hub/change-view.ts';
import { timestampOf } from '../../hub/encode.ts';
import { compilePredicate, type Predicate, parseFilter, readsOtherTables } from '../../query/index.ts';
import type { TablePlan } from '../../schema/plan.ts';
import type { Change } from '../../store/store.ts';
import type { FlowData } from '../connector.ts';

/** Limits of filters in config.yaml: higher than those of requests, since the operator writes them. */
const LIMITS = {
  filterLength: 65_536,
  filterConditions: 1000,
  filterDepth: 50,
  filterValues: 10_000,
  filterPattern: 1000,
};

/** Converts a change to the input of a flow; undefined for a change that the flow does not select. */
export type SelectChange = (change: Change) => FlowData | undefined;

/** Members of each input. */
export const CHANGE_MEMBERS = ['event', 'table', 'id', 'seq', 'time', 'record', 'before', 'changed'];

interface ChangeFilterOptions {
  readonly operation: 'create' | 'update' | 'delete' | 'change';
  readonly filter: string | undefined;
}

/** Reports the error of an invalid filter. */
export function checkChangeFilter(table: TablePlan, filter: string, section: Section, report: Report): void {
  try {
    compile(table, filter);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    report.add(section.diagnose({ message: `${section.path}: ${error.message}` }));
  }
}

/**
 * Selects changes for a flow. With a filter, a record that starts to match is `create`d for the flow, and one that stops
 * matching is `delete`d, whatever happened to it in the table.
 */
export function makeChangeFilter(table: TablePlan, { operation, filter }: ChangeFilterOptions): SelectChange {
  const matches: Predicate = filter === undefined ? () => true : compile(table, filter);
  return (change) => {
    if (change.op === 'publish') return undefined;
    const { after, before, previous } = new ChangeView(change);
    const isIn = after !== undefined && matches(after);
    const wasIn = before !== undefined && matches(before);
    if (!isIn && !wasIn) return undefined;
    const event = isIn ? (wasIn ? 'update' : 'create') : 'delete';
    if (operation !== 'change' && operation !== event) return undefined;
    return {
      event,
      table: table.exportName,
      id: change.id,
      seq: change.seq,
      time: timestampOf(change.seq),
      record: isIn ? after : null,
      before: before ?? null,
      changed: change.op === 'update' ? Object.keys(previous ?? {}) : [],
    };
  };
}

function compile(table: TablePlan, text: string): Predicate {
  const filter = parseFilter(text, table, LIMITS);
  if (readsOtherTables(filter)) {
    throw new AppError('INVALID_QUERY', 'A flow cannot be filtered by records of other tables: it would miss changes.');
  }
  return compilePredicate(filter);
}
