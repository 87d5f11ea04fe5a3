import { AppError, type FieldError } from '../errors.ts';

/** Prefix of a field's name where one request writes several records: `[2].`, `line 3, `, `row 4, column `. */
export type Place = string;

/** Returns the place of a record that a filter has selected. */
export function placeOfKey(id: string | number): Place {
  return `record ${JSON.stringify(id)}, field `;
}

const STEP = /^steps\[(\d+)\]\./;

/** Returns the place of a step of a transaction; its errors also have the index of the step. */
export function placeOfStep(index: number): Place {
  return `steps[${index}].`;
}

/** Returns the name of the record itself: `[2]`, `line 3`, `row 4`. */
export function recordAt(place: Place): string {
  return place.replace(/(?:, column|, field|[,.])? ?$/, '');
}

/** Returns the same error with the place of its record before its fields and its message. */
export function placeError(error: AppError, place: Place | undefined): AppError {
  if (place === undefined) return error;
  const { code, message, errors, headers, cause } = error;
  const record = recordAt(place);
  const index = STEP.exec(place)?.[1];
  const options = { headers, cause, step: index === undefined ? error.step : Number(index) };
  if (errors === undefined) return new AppError(code, `${record}: ${message}`, options);
  const placed = errors.map(({ field, message: wrong }): FieldError => ({ field: place + field, message: wrong }));
  const [first] = errors;
  const isAboutField = first !== undefined && message.startsWith(`${first.field}: `);
  return new AppError(code, isAboutField ? place + message : `${record}: ${message}`, { ...options, errors: placed });
}

/** Calls `make` and returns its result; an AppError that it throws gets the place. */
export function atPlace<T>(place: Place, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw error instanceof AppError ? placeError(error, place) : error;
  }
}
