import { AppError, type FieldError } from '../errors.ts';

/**
 * What stands before the name of a field where several records are written with one request: `[2].`, `line 3, `,
 * `row 4, column `.
 */
export type Place = string;

/** The place of a record that a filter has chosen. */
export function placeOfKey(id: string | number): Place {
  return `record ${JSON.stringify(id)}, field `;
}

/** The name of the record itself: `[2]`, `line 3`, `row 4`. */
export function recordAt(place: Place): string {
  return place.replace(/(?:, column|, field|[,.])? ?$/, '');
}

/** The same error, with the place of the record that it is about before its fields and its sentence. */
export function placeError(error: AppError, place: Place | undefined): AppError {
  if (place === undefined) return error;
  const { code, message, errors, headers, cause } = error;
  const record = recordAt(place);
  if (errors === undefined) return new AppError(code, `${record}: ${message}`, { headers, cause });
  const placed = errors.map(({ field, message: wrong }): FieldError => ({ field: place + field, message: wrong }));
  const [first] = errors;
  const isAboutField = first !== undefined && message.startsWith(`${first.field}: `);
  return new AppError(code, isAboutField ? place + message : `${record}: ${message}`, {
    errors: placed,
    headers,
    cause,
  });
}

/** What `make` makes; what it throws about the record at this place names it. */
export function atPlace<T>(place: Place, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw error instanceof AppError ? placeError(error, place) : error;
  }
}
