import type { FieldPlan, TablePlan } from '../../schema/plan.ts';

export interface MendedValue {
  readonly table: TablePlan;
  readonly field: FieldPlan;
  /** Value as a filter has it. */
  readonly value: string;
}

/**
 * Returns the end of a sentence that advises to write other values first: the request that changes every record with the
 * value. Only a full stop where the table has no URL, or a filter cannot name the value.
 */
export function mendLine(appId: string, { table, field, value }: MendedValue): string {
  const { exportName, transports } = table;
  if (exportName === undefined || !transports.has('rest') || !/^\w+$/.test(value)) return '.';
  const url = `/${appId}/${exportName}?${field.name}==${value}`;
  return `\n      PATCH ${url} with {"${field.name}": …}, while the previous schema is served`;
}
