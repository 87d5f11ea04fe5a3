import type { Id } from './segment.ts';

/** Milliseconds for which a cell that has lit up does not begin again, however often it changes. */
const REFLASH_MS = 400;

interface CellLook {
  readonly name: string;
  readonly left: number;
  readonly width: number;
  readonly text: string;
  readonly kind: string;
  readonly flash: boolean;
}

interface DrawnCell {
  readonly element: HTMLElement;
  column: number;
  text: string;
  kind: string;
  place: string;
  flashes: number;
  /** Milliseconds at which it has lit up last. */
  flashedAt: number;
}

interface RowLook {
  readonly isSelected: boolean;
  readonly isNew: boolean;
  readonly isMissing: boolean;
}

/** Row of the pool: its elements stay, and what stands in them changes. */
export interface DrawnRow {
  /** Row that it shows; -1 when it is not needed. */
  index: number;
  cell(column: number): HTMLElement | undefined;
  place(top: number): void;
  hide(): void;
  clear(): void;
  begin(id: Id | undefined, look: RowLook): void;
  draw(column: number, look: CellLook): void;
  finish(from: number, to: number): void;
  /** Puts the cell of this column into the order of Tab, and takes the others out. */
  mark(column: number): HTMLElement | undefined;
}

export function makeRow(body: HTMLElement): DrawnRow {
  return new PoolRow(body);
}

class PoolRow implements DrawnRow {
  index = -1;
  readonly #element = document.createElement('div');
  readonly #selector = document.createElement('div');
  readonly #cells = new Map<number, DrawnCell>();
  readonly #spare: DrawnCell[] = [];
  #id: Id | undefined;
  #look = '';
  #top = -1;
  #shownIndex = -1;
  #newness = 0;

  constructor(body: HTMLElement) {
    this.#element.className = 'row';
    this.#element.setAttribute('role', 'row');
    this.#selector.className = 'cell selector';
    this.#selector.setAttribute('role', 'rowheader');
    this.#selector.setAttribute('aria-colindex', '1');
    this.#selector.dataset.column = '-1';
    this.#element.append(this.#selector);
    body.append(this.#element);
  }

  cell(column: number): HTMLElement | undefined {
    return this.#cells.get(column)?.element;
  }

  place(top: number): void {
    if (top !== this.#top) this.#element.style.transform = `translateY(${top}px)`;
    this.#top = top;
    if (this.index === this.#shownIndex) return;
    this.#shownIndex = this.index;
    this.#element.hidden = false;
    this.#element.dataset.index = String(this.index);
    this.#element.setAttribute('aria-rowindex', String(this.index + 2));
  }

  hide(): void {
    this.index = -1;
    if (this.#shownIndex === -1) return;
    this.#shownIndex = -1;
    this.#element.hidden = true;
  }

  clear(): void {
    for (const cell of this.#cells.values()) this.#release(cell);
    this.#cells.clear();
  }

  begin(id: Id | undefined, { isSelected, isNew, isMissing }: RowLook): void {
    if (id !== this.#id) {
      this.#id = id;
      for (const cell of this.#cells.values()) {
        cell.flashes = 0;
        cell.flashedAt = 0;
      }
      this.#newness = 0;
    }
    if (isNew) this.#newness = this.#newness === 1 ? 2 : 1;
    const fresh = this.#newness === 0 ? '' : ` new-${this.#newness}`;
    const look = `row${isSelected ? ' selected' : ''}${isMissing ? ' missing' : ''}${fresh}${this.index % 2 ? ' odd' : ''}`;
    if (look === this.#look) return;
    this.#look = look;
    this.#element.className = look;
    this.#element.setAttribute('aria-selected', String(isSelected));
    this.#element.setAttribute('aria-busy', String(isMissing));
    this.#selector.setAttribute('aria-label', isSelected ? 'Selected' : 'Not selected');
  }

  draw(column: number, { name, left, width, text, kind, flash }: CellLook): void {
    const cell = this.#cells.get(column) ?? this.#take(column);
    const place = `${left} ${width} ${name}`;
    if (place !== cell.place) {
      cell.place = place;
      cell.element.style.left = `${left}px`;
      cell.element.style.width = `${width}px`;
      cell.element.dataset.name = name;
    }
    if (text !== cell.text) {
      cell.text = text;
      cell.element.textContent = text;
    }
    // Two names of one animation, so that it begins again.
    if (flash && performance.now() - cell.flashedAt > REFLASH_MS) {
      cell.flashes = cell.flashes === 1 ? 2 : 1;
      cell.flashedAt = performance.now();
    }
    const look = `cell${kind}${cell.flashes === 0 ? '' : ` flash-${cell.flashes}`}`;
    if (look === cell.kind) return;
    cell.kind = look;
    cell.element.className = look;
  }

  finish(from: number, to: number): void {
    for (const [column, cell] of this.#cells) {
      if (column >= from && column <= to) continue;
      this.#cells.delete(column);
      this.#release(cell);
    }
  }

  mark(column: number): HTMLElement | undefined {
    for (const [number, { element }] of this.#cells) element.tabIndex = number === column ? 0 : -1;
    return column < 0 ? undefined : this.#cells.get(column)?.element;
  }

  #take(column: number): DrawnCell {
    const cell = this.#spare.pop() ?? this.#make();
    cell.column = column;
    cell.element.hidden = false;
    cell.element.dataset.column = String(column);
    cell.element.setAttribute('aria-colindex', String(column + 2));
    this.#cells.set(column, cell);
    return cell;
  }

  #release(cell: DrawnCell): void {
    cell.element.hidden = true;
    cell.element.tabIndex = -1;
    cell.flashes = 0;
    cell.flashedAt = 0;
    this.#spare.push(cell);
  }

  #make(): DrawnCell {
    const element = document.createElement('div');
    element.className = 'cell';
    element.setAttribute('role', 'gridcell');
    element.tabIndex = -1;
    this.#element.append(element);
    return { element, column: -1, text: '', kind: '', place: '', flashes: 0, flashedAt: 0 };
  }
}
