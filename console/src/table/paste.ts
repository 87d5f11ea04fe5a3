import { change } from '../edits/drafts.ts';
import { say } from '../state/messages.ts';
import { canWrite } from '../state/view.ts';
import { type Cell, readCells } from '../transfer/cells.ts';
import { fromCell, fromCells } from '../transfer/source.ts';
import type { TableController } from './controller.ts';

const MAX_PASTED_ROWS = 1_000;

/**
 * Takes cells of a spreadsheet. Rows under names of fields, and rows below the last record, are shown as an import; the rest
 * goes into the cells from the active one on, as changes that wait.
 */
export function pasteText(table: TableController, text: string): void {
  if (!canWrite.value) return;
  const rows = readPasted(text);
  const [head = []] = rows;
  if (rows.length === 0) return;
  const names = new Set(table.table.fields.map(({ name }) => name));
  if (rows.length > 1 && head.every((cell) => cell !== undefined && names.has(cell.trim()))) {
    table.dialog.value = { what: 'import', source: fromCells('the clipboard', rows) };
    return;
  }
  if (table.query.mode === 'totals') return;
  const { row, column } = table.view.active;
  const isEnd = table.rows.isLast;
  const room = isEnd ? Math.max(0, table.rows.size - Math.max(0, row)) : rows.length;
  const { taken, refused } = fill(table, rows.slice(0, Math.min(room, MAX_PASTED_ROWS)), Math.max(0, row), column);
  if (taken > 0 || refused > 0) {
    const left = refused > 0 ? `, ${refused} not taken: they are keys, set by the server, or of another type` : '';
    say(`${taken === 1 ? '1 cell' : `${taken} cells`} pasted${left}.`, refused > 0 ? 'bad' : 'plain');
  }
  const below = rows.slice(room);
  if (below.length === 0) return;
  const columns = table.view.columns.slice(column, column + Math.max(...below.map(({ length }) => length)));
  const source = fromCells('the clipboard', [columns.map(({ name }) => name), ...below]);
  table.dialog.value = { what: 'import', source };
}

function readPasted(text: string): readonly (readonly Cell[])[] {
  try {
    return [...readCells(text, '\t')];
  } catch {
    // A text that begins with a quote, and is no row of a spreadsheet.
    return [[text.trimEnd()]];
  }
}

function fill(table: TableController, rows: readonly (readonly Cell[])[], first: number, column: number) {
  let taken = 0;
  let refused = 0;
  for (const [down, cells] of rows.entries()) {
    const row = table.rows.row(first + down);
    for (const [right, text] of cells.entries()) {
      const target = table.column(column + right);
      if (row === undefined || target?.field === undefined || !table.isEditable(target)) {
        refused++;
        continue;
      }
      const { field, name } = target;
      const parsed = text === undefined ? { value: null } : fromCell(text, field);
      if ('error' in parsed || (parsed.value === null && field.required)) refused++;
      else {
        change(table.app, table.table.name, row.id, { name, shown: row.record[name] ?? null, value: parsed.value });
        taken++;
      }
    }
  }
  return { taken, refused };
}
