import { AppError, recordNotFound } from '../../errors.ts';
import {
  compilePredicate,
  type Filter,
  type JsonRecord,
  type Predicate,
  type RuleInput,
  readClaim,
} from '../../query/index.ts';
import type { Action, FieldPlan, JsonValue, TablePlan } from '../../schema/plan.ts';
import type { WriteCheck } from '../../store/rows/write.ts';
import type { Permission } from './table-rules.ts';

/** Values that the server sets in new records of one caller, by field: `@default(value: "$auth.sub")`. */
export type ClaimedFields = ReadonlyMap<FieldPlan, JsonValue>;

interface GuardOptions {
  /** Actions that the write may turn out to be. */
  readonly actions: readonly Action[];
  readonly decide: (action: Action) => Permission;
  /** Fields that can be written only in some records, or never. */
  readonly fields: ReadonlyMap<FieldPlan, false | Filter>;
  /** Fields that stay as they are, and that new records have as the server sets them. */
  readonly claimed?: ClaimedFields | undefined;
  readonly refusal: (action: Action) => AppError;
}

/** Checks one record in the transaction of its write; undefined when nothing depends on the record. */
export function makeGuard(
  table: TablePlan,
  { actions, decide, fields, claimed, refusal }: GuardOptions,
): WriteCheck | undefined {
  const permissions = new Map(actions.map((action) => [action, decide(action)] as const));
  const read = decide('read');
  const isFree = [...permissions.values()].every((permission) => permission === true) && typeof read === 'boolean';
  if (isFree && fields.size === 0 && claimed === undefined) return undefined;
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
    if (after === undefined || action === 'publish') return;
    checkFields(before, after, related);
    if (claimed !== undefined) checkClaimed(table, claimed, { before, after });
  };
}

function actionOf(permissions: ReadonlyMap<Action, Permission>, existed: boolean, exists: boolean): Action {
  if (permissions.has('publish')) return 'publish';
  if (!existed) return 'create';
  return exists ? 'update' : 'delete';
}

function testOf(permission: Permission): Predicate {
  return typeof permission === 'boolean' ? () => permission : compilePredicate(permission);
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

/** Requires that fields which the server sets are as it sets them. The check does not see hidden ones. */
function checkClaimed(
  table: TablePlan,
  claimed: ClaimedFields,
  { before, after }: { readonly before: JsonRecord | undefined; readonly after: JsonRecord },
): void {
  for (const [field, claim] of claimed) {
    const expected = before === undefined ? claim : (before[field.name] ?? null);
    if (!field.hidden && JSON.stringify(after[field.name] ?? null) !== JSON.stringify(expected))
      throw claimedRefusal(table, field);
  }
}

/** FORBIDDEN for a value of a field that the server sets. */
export function claimedRefusal(table: TablePlan, { name, defaultClaim }: FieldPlan): AppError {
  const message = `is set by the server to ${defaultClaim} of the caller that creates the record; leave it out`;
  return new AppError('FORBIDDEN', `Not allowed: ${name} of ${table.exportName ?? table.name} ${message}.`, {
    errors: [{ field: name, message }],
  });
}

/** FORBIDDEN for a field in the request that the caller may not write. */
export function fieldRefusal(table: TablePlan, { name }: FieldPlan): AppError {
  const message = 'may not be written by you';
  return new AppError('FORBIDDEN', `Not allowed: ${name} of ${table.exportName ?? table.name} ${message}.`, {
    errors: [{ field: name, message }],
  });
}

/** Returns the claims of a caller that are defaults of the table's fields; null for a claim that the caller does not have. */
export function claimedFields({ fields }: TablePlan, input: RuleInput): ClaimedFields | undefined {
  const claimed = new Map<FieldPlan, JsonValue>();
  for (const field of fields) {
    if (field.defaultClaim === undefined) continue;
    claimed.set(field, toField(field, readClaim(field.defaultClaim.split('.'), input)));
  }
  return claimed.size === 0 ? undefined : claimed;
}

/** Converts a claim to the type of the field; null where it is no such value. */
function toField({ type }: FieldPlan, claim: JsonValue | undefined): JsonValue {
  const name = type.kind === 'scalar' ? type.name : undefined;
  if (name === 'ID' || name === 'String')
    return typeof claim === 'string' || typeof claim === 'number' ? String(claim) : null;
  if (name === 'Boolean') return typeof claim === 'boolean' ? claim : null;
  return typeof claim === 'number' || (name === 'Long' && typeof claim === 'string') ? claim : null;
}
