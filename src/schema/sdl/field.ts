import type { FieldPlan, FieldType } from '../plan.ts';

/** Whether values are texts, whatever is in them. */
export function isText(type: FieldType): boolean {
  return type.kind === 'scalar' && (type.name === 'ID' || type.name === 'String');
}

/** Whether the server alone sets it: a client may not send it. */
export function isServerSet({ stamp, computed }: FieldPlan): boolean {
  return stamp !== undefined || computed !== undefined;
}

/** Whether a new record has to come with it. */
export function mustBeSent({ required, default: fallback }: FieldPlan): boolean {
  return required && (fallback ?? null) === null;
}

/** What its docstring says, and what its directives mean to whoever sends or reads it: sentences for documentation. */
export function notesOf({ description, stamp, computed, hidden, expiresAt, unique }: FieldPlan): readonly string[] {
  return [
    description,
    stamp === 'created' ? 'Set by the server when the record is created.' : undefined,
    stamp === 'updated' ? 'Set by the server at every change.' : undefined,
    computed === undefined ? undefined : 'Computed from other fields when the record is written.',
    hidden ? 'Never given out.' : undefined,
    expiresAt ? 'The record is removed when this time has passed.' : undefined,
    unique ? 'Unique: no two records have the same.' : undefined,
  ].filter((note) => note !== undefined);
}

/** Whether there is JSON of any form in values of the type. */
export function holdsJson(type: FieldType): boolean {
  if (type.kind === 'list') return holdsJson(type.of);
  if (type.kind === 'object') return type.fields.some((field) => holdsJson(field.type));
  return type.kind === 'scalar' && type.name === 'JSON';
}
