/** What was done since a transaction began, to be undone from the last to the first. */
export class Journal {
  readonly #undo: (() => void)[] = [];

  /** A mark for `undoTo`. */
  get length(): number {
    return this.#undo.length;
  }

  done(undo: () => void): void {
    this.#undo.push(undo);
  }

  undoTo(mark: number): void {
    for (const undo of this.#undo.splice(mark).reverse()) undo();
  }
}
