import { AppError, recordNotFound } from '../../errors.ts';
import { type Filter, type JsonRecord, type Predicate, predicateOf } from '../../query/index.ts';
import type { Action, FieldPlan, TablePlan } from '../../schema/plan.ts';
import type { WriteCheck } from '../../store/store.ts';
import type { Permission } from './table-rules.ts';

interface GuardOptions {
  /** Actions that the write may turn out to be. */
  readonly actions: readonly Action[];
  readonly decide: (action: Action) => Permission;
  /** Fields that can be written only in some records, or never. */
  readonly fields: ReadonlyMap<FieldPlan, false | Filter>;
  readonly refusal: (action: Action) => AppError;
}

/** Checks one record in the transaction of its write; undefined when nothing depends on the record. */
export function makeGuard(
  table: TablePlan,
  { actions, decide, fields, refusal }: GuardOptions,
): WriteCheck | undefined {
  const permissions = new Map(actions.map((action) => [action, decide(action)] as const));
  const read = decide('read');
  const isFree = [...permissions.values()].every((permission) => permission === true) && typeof read === 'boolean';
  if (isFree && fields.size === 0) return undefined;
  const tests = new Map([...permissions].map(([action, permission]) => [action, testOf(permission)] as const));
  // A caller without read rights may still write blindly.
  const isReadable = typeof read === 'boolean' ? undefined : testOf(read);
  const checkFields = makeFieldCheck(table, fields);
  return (before, after, related) => {
    if (before !== undefined && isReadable !== undefined && !isReadable(before, related))
      throw recordNotFound(before[table.primaryKey.name]);
    const action = actionOf(permissions, before !== undefined, after !== undefined);
    const allows = tests.get(action);
    for (const record of [before, after]) {
      if (record !== undefined && allows?.(record, related) === false) throw refusal(action);
    }
    // There is no record that could meet a filter.
    if (before === undefined && after === undefined && permissions.get(action) !== true) throw refusal(action);
    if (after !== undefined && action !== 'publish') checkFields(before, after, related);
  };
}

function actionOf(permissions: ReadonlyMap<Action, Permission>, existed: boolean, exists: boolean): Action {
  if (permissions.has('publish')) return 'publish';
  if (!existed) return 'create';
  return exists ? 'update' : 'delete';
}

function testOf(permission: Permission): Predicate {
  return typeof permission === 'boolean' ? () => permission : predicateOf(permission);
}

/** Requires that fields without write rights stay as they are, or in a new record as the schema makes them. */
function makeFieldCheck(table: TablePlan, fields: ReadonlyMap<FieldPlan, false | Filter>): WriteCheck {
  const checks = [...fields].map(([field, permission]) => ({ field, allows: testOf(permission) }));
  return (before, after, related) => {
    for (const { field, allows } of checks) {
      const old = before === undefined ? (field.default ?? null) : (before[field.name] ?? null);
      const now = after?.[field.name] ?? null;
      if (JSON.stringify(old) === JSON.stringify(now)) continue;
      const isAllowed = (record: JsonRecord) => allows(record, related);
      if ((before === undefined || isAllowed(before)) && after !== undefined && isAllowed(after)) continue;
      throw fieldRefusal(table, field);
    }
  };
}

/** FORBIDDEN for a field in the request that the caller may not write. */
export function fieldRefusal(table: TablePlan, { name }: FieldPlan): AppError {
  const message = 'may not be written by you';
  return new AppError('FORBIDDEN', `Not allowed: ${name} of ${table.exportName ?? table.name} ${message}.`, {
    errors: [{ field: name, message }],
  });
}
