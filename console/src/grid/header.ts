import { icon } from '../parts/icon-element.ts';
import { visible } from '../state/text.ts';
import { type Column, MAX_WIDTH, MIN_WIDTH } from './columns.ts';
import { directionOf } from './query.ts';

interface HeaderLook {
  readonly columns: readonly Column[];
  readonly lefts: readonly number[];
  readonly from: number;
  readonly to: number;
  readonly sort: string;
  sortBy(name: string, add: boolean): void;
  menu(name: string, anchor: HTMLElement): void;
  resized(name: string, width: number): void;
}

const cannotSort = ({ field }: Column) =>
  field === undefined ? false : field.list || field.kind === 'json' || field.kind === 'object';

/** Draws the header cells of the columns in sight. */
export function drawHeader(head: HTMLElement, look: HeaderLook): void {
  const focused = (document.activeElement as HTMLElement | null)?.closest<HTMLElement>('.grid-head .cell')?.dataset
    .column;
  const row = document.createElement('div');
  row.className = 'row';
  row.setAttribute('role', 'row');
  row.setAttribute('aria-rowindex', '1');
  const corner = document.createElement('div');
  corner.className = 'cell selector';
  corner.setAttribute('role', 'columnheader');
  corner.setAttribute('aria-label', 'Selection');
  corner.setAttribute('aria-colindex', '1');
  row.append(corner);
  for (let index = look.from; index <= look.to; index++) {
    const column = look.columns[index];
    if (column !== undefined) row.append(drawCell(column, index, look));
  }
  head.replaceChildren(row);
  if (focused !== undefined)
    head.querySelector<HTMLElement>(`[data-column="${focused}"] .sort`)?.focus({ preventScroll: true });
}

function drawCell(column: Column, index: number, look: HeaderLook): HTMLElement {
  const cell = document.createElement('div');
  const direction = directionOf(look.sort, column.name);
  cell.className = 'cell';
  cell.setAttribute('role', 'columnheader');
  cell.setAttribute('aria-colindex', String(index + 2));
  cell.setAttribute('aria-sort', direction ?? 'none');
  cell.dataset.column = String(index);
  cell.style.left = `${look.lefts[index]}px`;
  cell.style.width = `${column.width}px`;
  const sort = document.createElement('button');
  sort.type = 'button';
  sort.className = 'sort';
  sort.tabIndex = -1;
  const label = document.createElement('span');
  label.textContent = visible(column.name);
  sort.append(label);
  if (direction !== undefined) sort.append(icon(direction === 'ascending' ? 'arrow-up' : 'arrow-down'));
  sort.title = [column.name, typeLabel(column), column.field?.description].filter(Boolean).join(' · ');
  sort.disabled = cannotSort(column);
  sort.addEventListener('click', (event) => look.sortBy(column.name, event.shiftKey));
  const menu = document.createElement('button');
  menu.type = 'button';
  menu.className = 'column-menu';
  menu.tabIndex = -1;
  menu.setAttribute('aria-label', `Column ${column.name}`);
  menu.append(icon('chevron-down'));
  menu.addEventListener('click', () => look.menu(column.name, menu));
  cell.append(sort, menu, makeHandle(column, cell, look));
  return cell;
}

/** Edge of a column that is dragged to make it wider. */
function makeHandle(column: Column, cell: HTMLElement, look: HeaderLook): HTMLElement {
  const handle = document.createElement('div');
  handle.className = 'resize';
  handle.addEventListener('pointerdown', (event) => {
    event.preventDefault();
    handle.setPointerCapture(event.pointerId);
    const from = event.clientX;
    let { width } = column;
    const move = (moved: PointerEvent) => {
      width = Math.max(MIN_WIDTH, Math.min(MAX_WIDTH, column.width + moved.clientX - from));
      cell.style.width = `${width}px`;
    };
    handle.addEventListener('pointermove', move);
    handle.addEventListener('pointerup', () => look.resized(column.name, width), { once: true });
  });
  return handle;
}

export function typeLabel({ field }: Column): string {
  if (field === undefined) return '';
  return `${field.list ? `[${field.type}]` : field.type}${field.required ? '!' : ''}`;
}
