import type { EndReason, Sink, Subscription } from '../../src/hub/subscription.ts';

export type Line = { readonly type: string; readonly seq: number } & Readonly<Record<string, unknown>>;

/** A socket whose reader decides when bytes leave it. */
export class SlowSink implements Sink {
  subscription: Subscription | undefined;
  /** Whole lines that the reader has taken. */
  readonly onLine: (line: Line) => void;
  /** Takes everything at once. */
  fast: boolean;
  closed = false;
  end: EndReason | undefined;
  /** The most that ever waited, and the largest single write. */
  mostPending = 0;
  largestWrite = 0;
  /** Writes that came after the subscription was closed: there must be none. */
  late = 0;
  #chunks: Buffer[] = [];
  #pending = 0;
  #rest = '';
  /** A real socket tells that it has drained only when it had said that it was full. */
  #wasFull = false;
  readonly #highWaterMark: number;

  constructor(onLine: (line: Line) => void, fast = true, highWaterMark = 256) {
    this.onLine = onLine;
    this.fast = fast;
    this.#highWaterMark = highWaterMark;
  }

  get pending(): number {
    return this.#pending;
  }

  write(bytes: Buffer): void {
    if (this.closed) this.late++;
    this.largestWrite = Math.max(this.largestWrite, bytes.length);
    if (this.fast && this.#pending === 0) {
      this.#read(bytes);
      return;
    }
    this.#chunks.push(bytes);
    this.#pending += bytes.length;
    this.mostPending = Math.max(this.mostPending, this.#pending);
    if (this.#pending >= this.#highWaterMark) this.#wasFull = true;
  }

  ended(reason: EndReason): void {
    this.end = reason;
    this.closed = true;
  }

  /** The reader takes up to `size` bytes. */
  drain(size = Number.POSITIVE_INFINITY): void {
    let left = size;
    while (left > 0) {
      const [chunk] = this.#chunks;
      if (chunk === undefined) break;
      const taken = chunk.subarray(0, left);
      if (taken.length === chunk.length) this.#chunks.shift();
      else this.#chunks[0] = chunk.subarray(taken.length);
      left -= taken.length;
      this.#pending -= taken.length;
      this.#read(taken);
    }
    if (this.#pending > 0 || !this.#wasFull) return;
    this.#wasFull = false;
    this.subscription?.drained();
  }

  #read(bytes: Buffer): void {
    const lines = (this.#rest + bytes.toString('latin1')).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const text of lines) this.onLine(JSON.parse(Buffer.from(text, 'latin1').toString()) as Line);
  }
}
