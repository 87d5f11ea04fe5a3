import { AppError } from '../errors.ts';
import type { Action, TablePlan } from '../schema/plan.ts';
import type { Identity } from './identity.ts';

/** Throws FORBIDDEN unless the caller may do this with the table. */
export function checkAccess(table: TablePlan, action: Action, identity: Identity): void {
  if (identity.type === 'server' || table.public.has(action)) return;
  throw new AppError(
    'FORBIDDEN',
    `Not allowed: ${action} on ${table.exportName ?? table.name}. It is open to anonymous callers when ${action} is in the public list of the table's @export.`,
  );
}
