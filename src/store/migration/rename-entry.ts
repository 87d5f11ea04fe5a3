import { renameType, renameValue } from '../../schema/migration/renames.ts';
import type { StoredColumn } from '../../schema/migration/stored.ts';
import type { FieldPlan, JsonValue, TablePlan } from '../../schema/plan.ts';

interface ChangedField {
  readonly field: FieldPlan;
  readonly column: StoredColumn;
}

/** Fields whose name or values are written differently, by their stored names. */
export type ChangedFields = ReadonlyMap<string, ChangedField>;

/** Returns the fields of the table that have other names, or other names in their values. */
export function changedFields(
  { fields }: TablePlan,
  storedOf: (field: FieldPlan) => StoredColumn | undefined,
): ChangedFields {
  const changed = fields.flatMap((field): [string, ChangedField][] => {
    const column = storedOf(field);
    if (column === undefined) return [];
    const isSame = column.name === field.name && renameType(column.type, field.type) === column.type;
    return isSame ? [] : [[column.name, { field, column }]];
  });
  return new Map(changed);
}

/** Returns the JSON text of a record, as an entry of the log has it, with the present names. */
export function renameEntry(text: string, changed: ChangedFields): string {
  const record = JSON.parse(text) as JsonValue;
  if (typeof record !== 'object' || record === null || Array.isArray(record)) return text;
  const parts = Object.entries(record as Readonly<Record<string, JsonValue>>).map(([name, value]) => {
    const found = changed.get(name);
    const now = found === undefined ? value : renameValue(value, found.column.type, found.field.type);
    return `${JSON.stringify(found?.field.name ?? name)}:${JSON.stringify(now)}`;
  });
  return `{${parts.join(',')}}`;
}
