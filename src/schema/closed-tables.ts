import { ACTIONS, isOffered, type Plan, type TablePlan } from './plan.ts';

/** Returns a sentence for each exported table that only admins can use: valid, but seldom intended. */
export function describeClosedTables({ appId, tables }: Pick<Plan, 'appId' | 'tables'>): string[] {
  return tables
    .filter((table) => table.exportName !== undefined && !ACTIONS.some((action) => isOffered(table, action)))
    .map((table) => `${appId}: only admins can use ${table.name}, since ${whyClosed(table)}`);
}

function whyClosed({ access }: TablePlan): string {
  const grant =
    '@access(read: "authenticated", create: "authenticated", update: "authenticated", delete: "authenticated")';
  if (access?.account !== undefined) return `@account alone allows no action; add ${grant}`;
  return `the application has auth and the table allows no action; add @access or public`;
}
