import { AppError, type FieldError } from '../../errors.ts';

/** Common interface of schema libraries: Standard Schema v1, https://standardschema.dev. */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** Type that the handler receives: the output of the schema, or `Raw` without one. */
export type OutputOf<S, Raw> = S extends StandardSchema ? NonNullable<S['~standard']['types']>['output'] : Raw;

/** Errors that are reported for one value. */
const MAX_ERRORS = 20;

export function isSchema(value: unknown): value is StandardSchema {
  // Schemas of some libraries are functions.
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  const standard = (value as Partial<StandardSchema>)['~standard'];
  return standard?.version === 1 && typeof standard.validate === 'function';
}

/** Validates a value and returns the schema's output; `what` names the value in the AppError VALIDATION_ERROR it throws. */
export async function validate(schema: StandardSchema | undefined, value: unknown, what: string): Promise<unknown> {
  if (schema === undefined) return value;
  const result = await schema['~standard'].validate(value);
  if (result.issues === undefined) return result.value;
  const errors = result.issues.slice(0, MAX_ERRORS).map(toFieldError);
  const sentences = errors.map(({ field, message }) => (field === '' ? message : `${field}: ${message}`));
  throw new AppError('VALIDATION_ERROR', `The ${what} does not fit: ${sentences.join('; ')}`, { errors });
}

function toFieldError({ message, path = [] }: SchemaIssue): FieldError {
  const keys = path.map((part) => (typeof part === 'object' ? part.key : part));
  const field = keys.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('');
  return { field: field.replace(/^\./, ''), message };
}
