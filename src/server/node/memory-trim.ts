// Experimental Node API: `vm.measureMemory`, and a swap of `process.emitWarning` around it. It stays until Node has a call
// that starts a garbage collection without `--expose-gc`. It is on by default, since the benchmark promises it: the row
// "Memory per idle …" of bench/README.md (≤ 10 KB a WebSocket, ≤ 14 KB an SSE stream) counts the collection after a burst
// of connections, without which a third of the heap is garbage for minutes.

import vm from 'node:vm';
import type { FastifyInstance } from 'fastify';
import type { Admission } from '../limits/admission.ts';

/** Time between checks: a burst is over when there was no new connection between two of them. */
const CHECK_INTERVAL_MS = 1000;
/** New connections that make a burst. The garbage of fewer is not worth a collection. */
const MIN_BURST_CONNECTIONS = 1000;

export interface TrimOptions {
  /** Milliseconds. */
  readonly interval?: number;
  readonly burst?: number;
  readonly collect?: () => void;
}

/**
 * Frees the garbage of many handshakes. V8 collects when it needs room. While clients only listen, that may take minutes,
 * and a third of the heap is garbage all that time.
 */
export class MemoryTrim {
  readonly #open: () => number;
  readonly #burst: number;
  readonly #collect: () => void;
  readonly #timer: NodeJS.Timeout;
  #last: number;
  #opened = 0;

  /** `open` returns the number of connections. */
  constructor(open: () => number, options: TrimOptions = {}) {
    const { interval = CHECK_INTERVAL_MS, burst = MIN_BURST_CONNECTIONS, collect = startCollection } = options;
    this.#open = open;
    this.#burst = burst;
    this.#collect = collect;
    this.#last = open();
    this.#timer = setInterval(() => this.#check(), interval).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #check(): void {
    const open = this.#open();
    const isGrowing = open > this.#last;
    if (isGrowing) this.#opened += open - this.#last;
    this.#last = open;
    if (isGrowing || this.#opened < this.#burst) return;
    this.#opened = 0;
    this.#collect();
  }
}

/** Trims the memory of a server after bursts, until it closes. */
export function trimAfterBursts(server: FastifyInstance, admission: Pick<Admission, 'open'>): void {
  const trim = new MemoryTrim(() => admission.open);
  server.addHook('onClose', async () => trim.stop());
}

/**
 * Starts a collection of the whole heap. V8 does it in small steps between other work and blocks the event loop only for
 * the last one. Node has no call for that but the measurement of memory, whose result is not used.
 */
export function startCollection(): void {
  const { emitWarning } = process;
  // The call is experimental, and Node would print a warning about it.
  process.emitWarning = () => {};
  try {
    // It fails while a measurement is running, and then a collection is running, too.
    vm.measureMemory?.({ execution: 'eager' }).catch(() => {});
  } finally {
    process.emitWarning = emitWarning;
  }
}
