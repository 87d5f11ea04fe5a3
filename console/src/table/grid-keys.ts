import { copyText } from '../parts/copy.ts';
import { cellText } from '../state/text.ts';
import { canWrite } from '../state/view.ts';
import type { TableController } from './controller.ts';

/** Keys of a cell, beyond those that move. A key with a modifier never begins an edit. */
export function handleGridKey(table: TableController, event: KeyboardEvent): void {
  const { row, column: at } = table.view.active;
  const column = table.column(at);
  if (column === undefined) return;
  const isModified = event.ctrlKey || event.metaKey || event.altKey;
  if (isModified ? !handleModified(table, event) : !handlePlain(table, event)) {
    const isTyped = !isModified && event.key.length === 1 && event.key !== ' ';
    if (!isTyped || !table.isEditable(column)) return;
    const options = column.field?.kind === 'boolean' || column.field?.values !== undefined;
    table.edit(row, column, options ? undefined : event.key);
  }
  event.preventDefault();
  event.stopPropagation();
}

function handlePlain(table: TableController, event: KeyboardEvent): boolean {
  const { row, column: at } = table.view.active;
  const column = table.column(at);
  switch (event.key) {
    case 'Enter':
    case 'F2':
      if (column?.isKey || !column || !table.isEditable(column)) table.open(row);
      else table.edit(row, column, undefined);
      return true;
    case ' ':
      if (event.shiftKey) table.view.element.querySelector<HTMLElement>(`[data-index="${row}"] .selector`)?.click();
      else table.open(row);
      return true;
    case 'Delete':
      if (table.selection.value.size === 0 || !canWrite.value) return false;
      table.isDeleting.value = true;
      return true;
    case 'Escape':
      if (table.selection.value.size === 0) return false;
      table.select(new Map());
      return true;
    default:
      return false;
  }
}

function handleModified(table: TableController, event: KeyboardEvent): boolean {
  const { row, column: at } = table.view.active;
  const column = table.column(at);
  if (event.altKey) return false;
  switch (event.key.toLowerCase()) {
    case 'c': {
      const { size } = table.selection.value;
      if (size > 0) void copyText(asTable(table), `${size} ${size === 1 ? 'row' : 'rows'}`);
      else void copyText(plain(table.rows.row(row)?.record[column?.name ?? '']), 'The value');
      return true;
    }
    case 'a':
      table.select(new Map(table.rows.loaded.map((it) => [it.id, it])));
      return true;
    case 'backspace':
      if (column !== undefined) table.setNull(row, column);
      return true;
    default:
      return false;
  }
}

function plain(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** Selected rows as lines with tabs, for a spreadsheet. */
function asTable(table: TableController): string {
  const names = table.view.columns.map(({ name }) => name);
  const lines = [...table.selection.value.values()].map(({ record }) =>
    names.map((name) => cellText(plain(record[name]), Number.POSITIVE_INFINITY)).join('\t'),
  );
  return [names.join('\t'), ...lines].join('\n');
}
