import { ACTIONS, isOffered, type Plan, type TablePlan } from './plan.ts';

/** Exported tables with which only admins can do anything, a sentence for each: they are allowed, and seldom meant. */
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
