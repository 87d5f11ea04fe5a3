import vm from 'node:vm';
import type { FastifyInstance } from 'fastify';
import type { Admission } from '../limits/admission.ts';

/** Milliseconds between looks: a burst is over when there was nobody new between two of them. */
const INTERVAL = 1000;
/** New connections that are a burst. What fewer of them leave behind is not worth a collection. */
const BURST = 1000;

export interface TrimOptions {
  readonly interval?: number;
  readonly burst?: number;
  readonly collect?: () => void;
}

/**
 * Gives back what many handshakes have left behind. V8 collects when it wants room, and where clients only listen from
 * then on it may want none for minutes: a third of what it holds is garbage all that time.
 */
export class MemoryTrim {
  readonly #open: () => number;
  readonly #burst: number;
  readonly #collect: () => void;
  readonly #timer: NodeJS.Timeout;
  #last: number;
  #opened = 0;

  /** `open` tells how many connections there are. */
  constructor(open: () => number, options: TrimOptions = {}) {
    const { interval = INTERVAL, burst = BURST, collect = startCollection } = options;
    this.#open = open;
    this.#burst = burst;
    this.#collect = collect;
    this.#last = open();
    this.#timer = setInterval(() => this.#look(), interval).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const open = this.#open();
    const isGrowing = open > this.#last;
    if (isGrowing) this.#opened += open - this.#last;
    this.#last = open;
    if (isGrowing || this.#opened < this.#burst) return;
    this.#opened = 0;
    this.#collect();
  }
}

/** Lets a server do so until it closes. */
export function trimAfterBursts(server: FastifyInstance, admission: Pick<Admission, 'open'>): void {
  const trim = new MemoryTrim(() => admission.open);
  server.addHook('onClose', async () => trim.stop());
}

/**
 * Has V8 begin a collection, which it does in small steps between other work; the event loop is held up only for its
 * end. Node has no call for that but measuring the memory, whose result is not wanted here.
 */
export function startCollection(): void {
  const { emitWarning } = process;
  // The call is experimental, of which Node would warn whoever has started the server.
  process.emitWarning = () => {};
  try {
    // It is refused while a measurement is under way, and then a collection is, too.
    vm.measureMemory?.({ execution: 'eager' }).catch(() => {});
  } finally {
    process.emitWarning = emitWarning;
  }
}
