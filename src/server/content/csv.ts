import { AppError } from '../../errors.ts';
import { CsvBody, type CsvCell } from '../../resources/body/batch-body.ts';

export interface CsvLimits {
  /** Maximum of records; reading stops after one more. */
  readonly records: number;
  /** Maximum of columns of the header. */
  readonly columns: number;
}

/**
 * Parses CSV (RFC 4180) with a header. A line break may also be LF. Empty lines are skipped, and so are rows of commas alone
 * at the end, which spreadsheets write below a table. Throws INVALID_CONTENT or TOO_WIDE.
 */
export function parseCsv(text: string, limits: CsvLimits): CsvBody {
  const reader = new CsvReader(text);
  const header = reader.readRow(limits.columns);
  if (header === undefined) throw new AppError('INVALID_CONTENT', 'The CSV is empty; its first row names the fields.');
  const names = header.map((name) => name ?? '');
  const [separator] = names.length === 1 ? (OTHER_SEPARATOR.exec(names[0] as string) ?? []) : [];
  if (separator !== undefined) throw wrongSeparator(separator);
  checkHeader(names);
  const blank: readonly CsvCell[] = names.map(() => undefined);
  let blanks = 0;
  const rows: (readonly CsvCell[])[] = [];
  while (rows.length <= limits.records) {
    const row = reader.readRow(names.length);
    if (row === undefined) break;
    if (row.length < names.length) throw reader.error(`has ${row.length} cells, and the header has ${names.length}`);
    if (names.length > 1 && row.every((cell) => cell === undefined)) {
      blanks++;
      continue;
    }
    // A blank row between other rows is a record without values.
    for (; blanks > 0 && rows.length <= limits.records; blanks--) rows.push(blank);
    if (rows.length <= limits.records) rows.push(row);
  }
  return new CsvBody(names, rows);
}

/** Separators of cells in some countries and programs; no field name contains one. */
const OTHER_SEPARATOR = /[;\t|]/;

function wrongSeparator(separator: string): AppError {
  const shown = separator === '\t' ? 'tabs' : JSON.stringify(separator);
  return new AppError(
    'INVALID_CONTENT',
    `Not valid CSV: row 1: cells are separated by ${shown} here; separate them by commas.`,
  );
}

/** Text up to a comma, a quote or the end of the line. */
const PLAIN = /[^,"\r\n]*/y;

class CsvReader {
  readonly #text: string;
  #position: number;
  #row = 0;

  constructor(text: string) {
    this.#text = text;
    // Spreadsheets write a byte order mark.
    this.#position = text.startsWith('\ufeff') ? 1 : 0;
  }

  /** Returns the cells of the next row that is not empty; undefined at the end. Throws for more than `maxCells`. */
  readRow(maxCells: number): CsvCell[] | undefined {
    while (this.#skipLineBreak());
    if (this.#position >= this.#text.length) return undefined;
    this.#row++;
    const cells = [this.#readCell(1)];
    while (this.#text[this.#position] === ',') {
      this.#position++;
      if (cells.length >= maxCells) throw this.#tooMany(maxCells);
      cells.push(this.#readCell(cells.length + 1));
    }
    return cells;
  }

  error(what: string): AppError {
    return new AppError('INVALID_CONTENT', `Not valid CSV: row ${this.#row} ${what}.`);
  }

  #cellError(number: number, what: string): AppError {
    return new AppError('INVALID_CONTENT', `Not valid CSV: row ${this.#row}, cell ${number}: ${what}.`);
  }

  #tooMany(maxCells: number): AppError {
    if (this.#row > 1) return this.error(`has more cells than the header, which has ${maxCells}`);
    return new AppError('TOO_WIDE', `CSV may have ${maxCells} columns at most.`);
  }

  #readCell(number: number): CsvCell {
    if (this.#text[this.#position] === '"') return this.#readQuoted(number);
    PLAIN.lastIndex = this.#position;
    const [plain = ''] = PLAIN.exec(this.#text) ?? [];
    this.#position += plain.length;
    this.#expectEnd(number, 'a quote inside a cell that does not begin with one');
    return plain === '' ? undefined : plain;
  }

  #readQuoted(number: number): string {
    const start = this.#position + 1;
    let end = start;
    for (;;) {
      end = this.#text.indexOf('"', end);
      if (end < 0) throw this.#cellError(number, `a cell in quotes does not end`);
      if (this.#text[end + 1] !== '"') break;
      end += 2;
    }
    this.#position = end + 1;
    this.#expectEnd(number, 'text after the quotes of a cell');
    return this.#text.slice(start, end).replaceAll('""', '"');
  }

  #expectEnd(number: number, instead: string): void {
    const next = this.#text[this.#position];
    if (next === undefined || next === ',' || next === '\n' || next === '\r') return;
    if (this.#row === 1 && OTHER_SEPARATOR.test(next)) throw wrongSeparator(next);
    throw this.#cellError(number, `there is ${instead}`);
  }

  #skipLineBreak(): boolean {
    const next = this.#text[this.#position];
    if (next !== '\n' && next !== '\r') return false;
    this.#position++;
    return true;
  }
}

function checkHeader(names: readonly string[]): void {
  const seen = new Set<string>();
  for (const [index, name] of names.entries()) {
    const where = `Not valid CSV: row 1, cell ${index + 1}`;
    if (name === '') throw new AppError('INVALID_CONTENT', `${where}: a column needs the name of a field.`);
    if (seen.has(name)) {
      throw new AppError('INVALID_CONTENT', `${where}: there are two columns ${JSON.stringify(name.slice(0, 100))}.`);
    }
    seen.add(name);
  }
}
