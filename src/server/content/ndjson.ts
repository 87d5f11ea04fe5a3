import { AppError } from '../../errors.ts';
import { NdjsonBody, type PlacedRecord } from '../../resources/body/batch-body.ts';
import { parseJsonText } from '../../resources/body/json.ts';

/** Reads one JSON value a line; empty lines are skipped. Stops after one record more than `most`. Names the line that is wrong. */
export function parseLines(text: string, most: number): NdjsonBody {
  const records: PlacedRecord[] = [];
  let start = 0;
  for (let line = 1; start < text.length && records.length <= most; line++) {
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
