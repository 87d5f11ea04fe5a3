import { drawValue, LARGE } from './cells.ts';
import type { Column } from './columns.ts';
import { Geometry } from './geometry.ts';
import { drawHeader } from './header.ts';
import { keyMove } from './keys.ts';
import { type DrawnRow, makeRow } from './pool.ts';
import type { Id, Row } from './segment.ts';

/** Where the grid gets its rows from, and whom it tells what is done with them. */
export interface GridHost {
  readonly label: string;
  size(): number;
  row(index: number): Row | undefined;
  /** Value that is not saved yet, of a cell; undefined where there is none. */
  pending(id: Id, name: string): { readonly value: unknown } | undefined;
  isSelected(id: Id): boolean;
  /** Whether the values of this column are too large to be here. */
  isLeftOut(name: string): boolean;
  sort(): string;
  seen(first: number, last: number): void;
  edit(index: number, column: Column, text: string | undefined): void;
  open(index: number): void;
  select(index: number, how: 'toggle' | 'range'): void;
  sortBy(name: string, add: boolean): void;
  menu(name: string, anchor: HTMLElement): void;
  resized(name: string, width: number): void;
  key(event: KeyboardEvent): void;
}

export const SELECTOR_WIDTH = 40;
const HEADER_HEIGHT = 36;
const SPARE_ROWS = 4;

/**
 * Grid that draws only what is in sight: a pool of rows whose cells are put where they are needed, rows and columns alike.
 * Follows the grid pattern of ARIA, with one cell in the order of Tab.
 */
export class GridView {
  readonly element = document.createElement('div');
  columns: readonly Column[] = [];
  /** Active cell; row -1 is the header. */
  active = { row: 0, column: 0 };
  readonly #host: GridHost;
  readonly #head = document.createElement('div');
  readonly #body = document.createElement('div');
  readonly #pool: DrawnRow[] = [];
  readonly #observer: ResizeObserver;
  readonly #geometry: Geometry;
  #lefts: number[] = [];
  #drawn = { first: 0, last: -1, from: 0, to: -1 };
  #isScheduled = false;
  #height = 0;
  #wide = 0;
  // Where it is scrolled to, and what is written into the page: to ask the page would make it lay itself out in the middle of a frame.
  #top = 0;
  #left = 0;
  #rowCount = '';
  #bodyHeight = '';

  constructor(host: GridHost) {
    this.#host = host;
    this.#geometry = new Geometry(matchMedia('(pointer: coarse)').matches ? 42 : 34);
    const { element } = this;
    element.className = 'grid';
    element.setAttribute('role', 'grid');
    element.setAttribute('aria-label', host.label);
    element.setAttribute('aria-multiselectable', 'true');
    this.#head.className = 'grid-head';
    this.#head.setAttribute('role', 'rowgroup');
    this.#body.className = 'grid-body';
    this.#body.setAttribute('role', 'rowgroup');
    element.append(this.#head, this.#body);
    element.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    element.addEventListener('keydown', (event) => this.#key(event));
    this.#body.addEventListener('click', (event) => this.#click(event));
    this.#body.addEventListener('dblclick', (event) => this.#doubleClick(event));
    this.#observer = new ResizeObserver(() => {
      this.#height = element.clientHeight;
      this.#geometry.view = this.#height - HEADER_HEIGHT;
      this.#wide = element.clientWidth;
      this.#scrolled();
    });
    this.#observer.observe(element);
  }

  close(): void {
    this.#observer.disconnect();
    this.element.remove();
  }

  setColumns(columns: readonly Column[]): void {
    this.columns = columns;
    this.#lefts = [];
    let left = SELECTOR_WIDTH;
    for (const { width } of columns) {
      this.#lefts.push(left);
      left += width;
    }
    this.active.column = Math.min(this.active.column, Math.max(0, columns.length - 1));
    this.element.setAttribute('aria-colcount', String(columns.length + 1));
    this.#head.style.width = `${left}px`;
    this.#body.style.width = `${left}px`;
    this.#drawn = { first: 0, last: -1, from: 0, to: -1 };
    for (const row of this.#pool) row.clear();
    this.#drawHead();
    this.schedule();
  }

  /** Rows that are in sight. */
  sight(): { first: number; last: number } {
    const geometry = this.#measured();
    const first = geometry.indexAt(this.#top);
    return { first, last: Math.min(first + geometry.visible, Math.max(0, geometry.size - 1)) };
  }

  #measured(): Geometry {
    this.#geometry.size = this.#host.size();
    return this.#geometry;
  }

  get isAtTop(): boolean {
    return this.#top < this.#geometry.rowHeight / 2;
  }

  /** Scrolls to so many pixels from the top. */
  scrollTo(top: number, left = this.#left): void {
    if (top !== this.#top) this.element.scrollTop = top;
    if (left !== this.#left) this.element.scrollLeft = left;
    this.#scrolled();
  }

  /** Keeps what is in sight in its place after rows above it have come or gone. */
  shift(rows: number): void {
    this.#setHeight();
    const { rowHeight, scale } = this.#measured();
    this.scrollTo(this.#top + (rows * rowHeight) / scale);
    this.active.row = Math.max(0, this.active.row + rows);
  }

  /** Draws what has changed; flashes the cells of these fields. */
  refresh(flashes: ReadonlyMap<Id, readonly string[] | null> = new Map()): void {
    const size = this.#host.size();
    const rowCount = String(size + 1);
    if (rowCount !== this.#rowCount) this.element.setAttribute('aria-rowcount', rowCount);
    this.#rowCount = rowCount;
    this.#setHeight();
    if (this.active.row >= size) this.active.row = Math.max(0, size - 1);
    this.#draw(flashes);
  }

  schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    requestAnimationFrame(() => {
      this.#isScheduled = false;
      this.#draw();
    });
  }

  /** Draws the header again, for another order. */
  drawHead(): void {
    this.#drawHead();
  }

  /** Brings a cell into sight and gives it the focus. */
  focusCell(row: number, column: number): void {
    this.active = { row, column };
    if (row >= 0) this.#reveal(row, column);
    this.#draw();
    this.cellElement(row, column)?.focus({ preventScroll: true });
  }

  cellElement(row: number, column: number): HTMLElement | undefined {
    if (row < 0) return this.#head.querySelector<HTMLElement>(`[data-column="${column}"] .sort`) ?? undefined;
    return this.#pool.find(({ index }) => index === row)?.cell(column);
  }

  /** Puts an element over a cell, as an input. */
  overlay(element: HTMLElement, row: number, column: number): void {
    const { first } = this.sight();
    element.style.transform = `translateY(${this.#geometry.topOf(row, first, this.#top)}px)`;
    element.style.left = `${this.#lefts[column] ?? 0}px`;
    element.style.width = `${this.columns[column]?.width ?? 0}px`;
    this.#body.append(element);
  }

  #setHeight(): void {
    const height = `${this.#measured().height}px`;
    if (height !== this.#bodyHeight) this.#body.style.height = height;
    this.#bodyHeight = height;
  }

  #scrolled(): void {
    this.#top = this.element.scrollTop;
    this.#left = this.element.scrollLeft;
    this.schedule();
  }

  /** Brings a cell into sight. */
  #reveal(row: number, column: number): void {
    const scrollTop = this.#geometry.reveal(row, this.#top);
    let scrollLeft = this.#left;
    const left = this.#lefts[column] ?? 0;
    const width = this.columns[column]?.width ?? 0;
    if (left - SELECTOR_WIDTH < scrollLeft) scrollLeft = left - SELECTOR_WIDTH;
    else if (left + width > scrollLeft + this.#wide) scrollLeft = left + width - this.#wide;
    if (scrollTop !== this.#top || scrollLeft !== this.#left) this.scrollTo(scrollTop, scrollLeft);
  }

  /** Columns in sight, the last of them included. */
  #columnRange(): { from: number; to: number } {
    const scrollLeft = this.#left;
    const end = scrollLeft + this.#wide;
    let from = 0;
    while (from < this.columns.length - 1 && (this.#lefts[from + 1] ?? 0) <= scrollLeft) from++;
    let to = from;
    while (to < this.columns.length - 1 && (this.#lefts[to + 1] ?? 0) < end) to++;
    return { from, to };
  }

  #draw(flashes?: ReadonlyMap<Id, readonly string[] | null>): void {
    if (this.#height === 0 || this.columns.length === 0) return;
    const { first: seen, last: end } = this.sight();
    const size = this.#host.size();
    const scrollTop = this.#top;
    const first = Math.max(0, seen - SPARE_ROWS);
    const last = Math.min(size - 1, end + SPARE_ROWS);
    const { from, to } = this.#columnRange();
    if (from !== this.#drawn.from || to !== this.#drawn.to) this.#drawHead(from, to);
    this.#drawn = { first, last, from, to };
    const hadFocus = this.#body.contains(document.activeElement);
    this.#recycle(first, last);
    for (const drawn of this.#pool) {
      if (drawn.index < 0) continue;
      drawn.place(this.#geometry.topOf(drawn.index, seen, scrollTop));
      this.#drawRow(drawn, from, to, flashes);
    }
    this.#keepFocus(hadFocus);
    this.#host.seen(seen, end);
  }

  /** Gives each row in sight a member of the pool, which grows to what fits on the screen and no further. */
  #recycle(first: number, last: number): void {
    const missing = new Set<number>();
    for (let index = first; index <= last; index++) missing.add(index);
    const free: DrawnRow[] = [];
    for (const drawn of this.#pool) if (!missing.delete(drawn.index)) free.push(drawn);
    for (const index of missing) {
      let drawn = free.pop();
      if (drawn === undefined) {
        drawn = makeRow(this.#body);
        this.#pool.push(drawn);
      }
      drawn.index = index;
    }
    for (const drawn of free) drawn.hide();
  }

  #drawRow(drawn: DrawnRow, from: number, to: number, flashes?: ReadonlyMap<Id, readonly string[] | null>): void {
    const row = this.#host.row(drawn.index);
    const isSelected = row !== undefined && this.#host.isSelected(row.id);
    const flashed = row === undefined ? undefined : flashes?.get(row.id);
    drawn.begin(row?.id, { isSelected, isNew: flashed === null, isMissing: row === undefined });
    for (let column = from; column <= to; column++) {
      const { name, width } = this.columns[column] as Column;
      const pending = row && this.#host.pending(row.id, name);
      const value = pending ? pending.value : row?.record[name];
      const isLarge = value === undefined && row !== undefined && this.#host.isLeftOut(name);
      const { text, kind } = isLarge ? LARGE : drawValue(value, this.columns[column] as Column);
      drawn.draw(column, {
        name,
        left: this.#lefts[column] as number,
        width,
        text,
        kind: pending ? `${kind} pending` : kind,
        flash: Array.isArray(flashed) && flashed.includes(name),
      });
    }
    drawn.finish(from, to);
  }

  /** One cell is in the order of Tab; the grid itself when that one is out of sight. */
  #keepFocus(hadFocus: boolean): void {
    let isDrawn = false;
    for (const drawn of this.#pool) {
      const cell = drawn.mark(drawn.index === this.active.row ? this.active.column : -1);
      if (cell === undefined) continue;
      isDrawn = true;
      const { activeElement } = document;
      if (hadFocus && activeElement !== cell && !cell.contains(activeElement)) cell.focus({ preventScroll: true });
    }
    this.element.tabIndex = isDrawn ? -1 : 0;
    if (hadFocus && !isDrawn) this.element.focus({ preventScroll: true });
  }

  #drawHead(from = this.#drawn.from, to = this.#drawn.to): void {
    const range = to < from ? this.#columnRange() : { from, to };
    drawHeader(this.#head, {
      columns: this.columns,
      lefts: this.#lefts,
      sort: this.#host.sort(),
      ...range,
      sortBy: (name, add) => this.#host.sortBy(name, add),
      menu: (name, anchor) => this.#host.menu(name, anchor),
      resized: (name, width) => this.#host.resized(name, width),
    });
  }

  #key(event: KeyboardEvent): void {
    if (event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement) return;
    if (event.target instanceof HTMLSelectElement) return;
    const page = Math.max(1, this.#geometry.fit - 1);
    const limits = { rows: this.#host.size(), columns: this.columns.length, page };
    const moved = keyMove(event, this.active, limits);
    if (moved !== undefined) {
      event.preventDefault();
      if (event.shiftKey && moved.row !== this.active.row && this.active.row >= 0)
        this.#host.select(this.active.row, 'range');
      if (event.shiftKey && moved.row !== this.active.row) this.#host.select(moved.row, 'range');
      this.focusCell(moved.row, moved.column);
      return;
    }
    if (this.active.row >= 0) this.#host.key(event);
    else if (event.key === 'ArrowDown' && event.altKey) {
      event.preventDefault();
      const { name } = this.columns[this.active.column] as Column;
      this.#host.menu(name, event.target as HTMLElement);
    }
  }

  #locate(event: Event): { row: number; column: number } | undefined {
    const cell = (event.target as Element).closest<HTMLElement>('.cell');
    const row = cell?.closest<HTMLElement>('.row')?.dataset.index;
    return cell === null || row === undefined ? undefined : { row: Number(row), column: Number(cell.dataset.column) };
  }

  #click(event: MouseEvent): void {
    const at = this.#locate(event);
    if (at === undefined) return;
    if (at.column < 0) {
      this.#host.select(at.row, event.shiftKey ? 'range' : 'toggle');
      return;
    }
    const wasActive = this.active.row === at.row && this.active.column === at.column;
    if (!(event.target instanceof HTMLInputElement)) this.focusCell(at.row, at.column);
    if (this.columns[at.column]?.isKey && (wasActive || matchMedia('(pointer: coarse)').matches))
      this.#host.open(at.row);
  }

  #doubleClick(event: MouseEvent): void {
    const at = this.#locate(event);
    if (at === undefined || at.column < 0) return;
    this.#host.edit(at.row, this.columns[at.column] as Column, undefined);
  }
}
