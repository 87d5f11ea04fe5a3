/** Beyond this height browsers stop drawing at the right place: the scroll bar then stands for more rows than pixels. */
const MAX_HEIGHT = 16_000_000;

/** Where rows of one height stand, in a view of so many pixels that is scrolled. */
export class Geometry {
  readonly rowHeight: number;
  /** Pixels in which rows are seen. */
  view = 0;
  size = 0;

  constructor(rowHeight: number) {
    this.rowHeight = rowHeight;
  }

  /** Pixels of all rows, or as many as a browser can draw. */
  get height(): number {
    return Math.min(MAX_HEIGHT, this.size * this.rowHeight);
  }

  /** Rows for each pixel of the scroll bar, where there are too many for one each. */
  get scale(): number {
    return Math.max(1, (this.size * this.rowHeight) / MAX_HEIGHT);
  }

  /** Rows that are seen wholly. */
  get fit(): number {
    return Math.max(1, Math.floor(this.view / this.rowHeight));
  }

  /** Number of rows that are seen, in part or wholly. */
  get visible(): number {
    return Math.max(1, Math.ceil(this.view / this.rowHeight));
  }

  /** First row that is seen. Where the bar is short of pixels, its ends stand for the first row and for the last ones. */
  indexAt(top: number): number {
    const last = Math.max(0, this.size - 1);
    if (this.scale === 1) return Math.max(0, Math.min(last, Math.floor(top / this.rowHeight)));
    const part = Math.min(1, Math.max(0, top / (MAX_HEIGHT - this.view)));
    return Math.round(part * (this.size - this.fit));
  }

  /** Place of a row, when another one is the first that is seen. */
  topOf(index: number, first: number, scrollTop: number): number {
    return this.scale === 1 ? index * this.rowHeight : scrollTop + (index - first) * this.rowHeight;
  }

  /** Where to scroll to, so that a row is seen wholly; where it is, when it is seen already. */
  reveal(row: number, top: number): number {
    const { rowHeight, fit, view } = this;
    if (this.scale === 1) {
      if (row * rowHeight < top) return row * rowHeight;
      return Math.max(top, (row + 1) * rowHeight - view);
    }
    const first = this.indexAt(top);
    if (row >= first && row < first + fit) return top;
    const target = row < first ? row : row - fit + 1;
    return (target / (this.size - fit)) * (MAX_HEIGHT - view);
  }
}
