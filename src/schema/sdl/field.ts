import type { FieldPlan, FieldType } from '../plan.ts';

/** Fields of a type, for directives that name them. */
export interface TableFields {
  readonly typeName: string;
  readonly fields: readonly FieldPlan[];
  /** Names of fields that are not stored, so that an error can distinguish them from unknown names. */
  readonly relations: ReadonlySet<string>;
}

/** True for types whose values are free text. */
export function isText(type: FieldType): boolean {
  return type.kind === 'scalar' && (type.name === 'ID' || type.name === 'String');
}

/** True for fields that the server sets and clients may not send. */
export function isServerSet({ stamp, computed }: FieldPlan): boolean {
  return stamp !== undefined || computed !== undefined;
}

/** True for fields that a new record has to include. */
export function mustBeSent({ required, default: fallback, defaultClaim }: FieldPlan): boolean {
  return required && (fallback ?? null) === null && defaultClaim === undefined;
}

/** Returns sentences for documentation: the docstring, and the effects of directives on clients. */
export function notesOf(field: FieldPlan): readonly string[] {
  const { description, stamp, computed, hidden, expiresAt, unique, defaultClaim, keyOf } = field;
  return [
    description,
    stamp === 'created' ? 'Set by the server when the record is created.' : undefined,
    stamp === 'updated' ? 'Set by the server at every change.' : undefined,
    computed === undefined ? undefined : 'Computed from other fields when the record is written.',
    defaultClaim === undefined
      ? undefined
      : `Set by the server to ${defaultClaim} of the caller that creates the record.`,
    hidden ? 'Never returned.' : undefined,
    keyOf === undefined ? undefined : `Key of a record of ${keyOf}, which must exist.`,
    expiresAt ? 'The record is removed when this time has passed.' : undefined,
    unique ? 'Unique: no two records have the same value.' : undefined,
  ].filter((note) => note !== undefined);
}

/** True for types whose values contain arbitrary JSON. */
export function holdsJson(type: FieldType): boolean {
  if (type.kind === 'list') return holdsJson(type.of);
  if (type.kind === 'object') return type.fields.some((field) => holdsJson(field.type));
  return type.kind === 'scalar' && type.name === 'JSON';
}
