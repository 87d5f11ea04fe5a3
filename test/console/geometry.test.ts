import { expect, test } from 'vitest';
import { Geometry } from '../../console/src/grid/geometry.ts';

function geometryOf(size: number): Geometry {
  const geometry = new Geometry(34);
  geometry.view = 720;
  geometry.size = size;
  return geometry;
}

const SIZES = [1, 20, 21, 22, 1_000, 470_588, 470_589, 1_000_000, 100_000_000];

test.each(SIZES)('of %i rows the ends of the bar stand for the first row and the last', (size) => {
  const geometry = geometryOf(size);
  const end = Math.max(0, geometry.height - geometry.view);
  expect(geometry.indexAt(0)).toBe(0);
  const first = geometry.indexAt(end);
  expect(first + geometry.visible).toBeGreaterThanOrEqual(size);
  // The last row ends where the view does.
  expect(geometry.topOf(size - 1, first, end) + geometry.rowHeight - end).toBeLessThanOrEqual(Math.max(720, size * 34));
});

test.each(SIZES)('of %i rows each is seen wholly once it is revealed, from wherever', (size) => {
  const geometry = geometryOf(size);
  const rows = [0, 1, 20, 21, size >> 1, size - 21, size - 2, size - 1].filter((row) => row >= 0 && row < size);
  for (const from of rows) {
    const start = geometry.reveal(from, 0);
    for (const row of rows) {
      const top = geometry.reveal(row, start);
      const place = geometry.topOf(row, geometry.indexAt(top), top) - top;
      expect(place, `${from} to ${row}`).toBeGreaterThanOrEqual(0);
      expect(place + geometry.rowHeight, `${from} to ${row}`).toBeLessThanOrEqual(geometry.view);
      // What is seen does not move.
      expect(geometry.reveal(row, top)).toBe(top);
    }
  }
});
