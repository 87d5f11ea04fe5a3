export interface CellPlace {
  readonly row: number;
  readonly column: number;
}

interface Limits {
  readonly rows: number;
  readonly columns: number;
  /** Rows that fit on the screen. */
  readonly page: number;
}

/** Cell that a key leads to; undefined for a key that does not move. Row -1 is the header. */
export function keyMove(event: KeyboardEvent, { row, column }: CellPlace, limits: Limits): CellPlace | undefined {
  if (event.altKey) return undefined;
  const isFar = event.ctrlKey || event.metaKey;
  const to = (nextRow: number, nextColumn: number): CellPlace => ({
    row: Math.max(-1, Math.min(limits.rows - 1, nextRow)),
    column: Math.max(0, Math.min(limits.columns - 1, nextColumn)),
  });
  switch (event.key) {
    case 'ArrowUp':
      return isFar ? to(0, column) : to(row - 1, column);
    case 'ArrowDown':
      return isFar ? to(limits.rows - 1, column) : to(row + 1, column);
    case 'ArrowLeft':
      return isFar ? to(row, 0) : to(row, column - 1);
    case 'ArrowRight':
      return isFar ? to(row, limits.columns - 1) : to(row, column + 1);
    case 'Home':
      return isFar ? to(0, 0) : to(row, 0);
    case 'End':
      return isFar ? to(limits.rows - 1, limits.columns - 1) : to(row, limits.columns - 1);
    case 'PageUp':
      return to(Math.max(0, row - limits.page), column);
    case 'PageDown':
      return to(row + limits.page, column);
    default:
      return undefined;
  }
}
