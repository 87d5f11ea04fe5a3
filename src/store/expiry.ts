import type { FieldPlan, TablePlan } from '../schema/plan.ts';
import type { Cell } from './store.ts';

/** Returns the time at which a record expires, in milliseconds since 1970; null for never. */
export type Expiry = (row: readonly Cell[], writtenAt: number) => number | null;

/** Returns the expiry of the table's records; undefined when they do not expire. `@expiresAt` overrides `@table(expiration:)`. */
export function expiryOf(table: TablePlan): Expiry | undefined {
  const index = table.fields.findIndex((field) => field.expiresAt);
  const { expiration } = table;
  if (index < 0 && expiration === undefined) return undefined;
  const byTable = (writtenAt: number) => (expiration === undefined ? null : writtenAt + expiration);
  if (index < 0) return (_row, writtenAt) => byTable(writtenAt);
  return (row, writtenAt) => {
    const cell = row[index];
    if (cell === null || cell === undefined) return byTable(writtenAt);
    const time = typeof cell === 'string' ? Date.parse(cell) : Number(cell);
    return Number.isFinite(time) ? Math.trunc(time) : byTable(writtenAt);
  };
}

/** Returns the value of a time field that the server sets: ISO 8601 for Date, String and ID, milliseconds for numbers. */
export function stampOf(field: FieldPlan, now: number): Cell {
  const { type } = field;
  const asText = type.kind === 'scalar' && (type.name === 'Date' || type.name === 'String' || type.name === 'ID');
  return asText ? new Date(now).toISOString() : now;
}
