/** Cell of a file; undefined for an empty one without quotes, which means that the field is not given. */
export type Cell = string | undefined;

/**
 * Reads rows of cells, as in RFC 4180, with this separator. Empty lines are left out. Throws for a quote without an end.
 */
export function* readCells(text: string, separator: string): Generator<readonly Cell[]> {
  const plain = new RegExp(`[^${separator}\\r\\n]*`, 'y');
  let at = text.startsWith('\ufeff') ? 1 : 0;
  for (let number = 1; at < text.length; number++) {
    const row: Cell[] = [];
    for (;;) {
      let quoted = '';
      const isQuoted = text[at] === '"';
      if (isQuoted) {
        const end = endOfQuote(text, at);
        if (end < 0) throw new Error(`Row ${number}: a quote has no end.`);
        quoted = text.slice(at + 1, end).replaceAll('""', '"');
        at = end + 1;
      }
      plain.lastIndex = at;
      const rest = plain.exec(text)?.[0] ?? '';
      at += rest.length;
      row.push(isQuoted ? quoted + rest : rest === '' ? undefined : rest);
      if (text[at] !== separator) break;
      at++;
    }
    if (text[at] === '\r') at++;
    if (text[at] === '\n') at++;
    if (row.some((cell) => cell !== undefined)) yield row;
  }
}

/** Index of the quote that ends the cell beginning here, or -1. */
function endOfQuote(text: string, begin: number): number {
  for (let at = begin + 1; ; at += 2) {
    at = text.indexOf('"', at);
    if (at < 0 || text[at + 1] !== '"') return at;
  }
}

/** Cell as a file has it: in quotes where it needs them. */
export function writeCell(text: string): string {
  return text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Rows of cells with a mark before those that a spreadsheet would run as a formula. */
export function withoutFormulas(text: string): string {
  let safe = '';
  for (const row of readCells(text, ',')) {
    const cells = row.map((cell) => {
      if (cell === undefined) return '';
      const isFormula = /^[=+\-@\t\r]/.test(cell) && !/^[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(cell);
      return writeCell(isFormula ? `'${cell}` : cell);
    });
    safe += `${cells.join(',')}\r\n`;
  }
  return safe;
}
