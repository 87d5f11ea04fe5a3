// How long the disk below the data takes to keep a write.
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { median } from './stats.mjs';

const FLUSHES = 200;
const PAGE = Buffer.alloc(4096, 1);

/**
 * Milliseconds below which no disk was waited for: the fastest drives take longer. A virtual machine's may say that
 * it has what only its host's memory has.
 */
export const SHORTEST_FLUSH = 0.1;

/** Milliseconds of one flush of one page, written over and over as a write-ahead log is. */
export function measureFlush(dir) {
  const file = join(dir, `tablecast-bench-flush-${process.pid}`);
  const descriptor = openSync(file, 'w');
  try {
    const times = Array.from({ length: FLUSHES }, (_, i) => {
      writeSync(descriptor, PAGE, 0, PAGE.length, (i % 16) * PAGE.length);
      const from = performance.now();
      fdatasyncSync(descriptor);
      return performance.now() - from;
    });
    return median(times);
  } finally {
    closeSync(descriptor);
    rmSync(file);
  }
}
