import { AppError } from '../../errors.ts';
import { NdjsonBody, type PlacedRecord } from '../../resources/body/batch-body.ts';
import { parseJsonText } from '../../resources/body/json.ts';

/**
 * Parses one JSON value a line; empty lines are skipped. Stops after `maxRecords` and one more. Throws the errors of JSON
 * with the number of the line.
 */
export function parseLines(text: string, maxRecords: number): NdjsonBody {
  const records: PlacedRecord[] = [];
  let start = 0;
  for (let line = 1; start < text.length && records.length <= maxRecords; line++) {
    const found = text.indexOf('\n', start);
    const end = found < 0 ? text.length : found;
    const json = text.slice(start, end);
    start = end + 1;
    if (json.trim() === '') continue;
    records.push({ place: `line ${line}, `, value: parseLine(json, line) });
  }
  return new NdjsonBody(records);
}

function parseLine(json: string, line: number): unknown {
  try {
    return parseJsonText(json);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const errors = error.errors?.map(({ field, message }) => ({ field: `line ${line}, ${field}`, message }));
    throw new AppError(error.code, `Line ${line}: ${error.message}`, errors === undefined ? {} : { errors });
  }
}
