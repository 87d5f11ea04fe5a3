import type { EndReason, Sink, Subscription } from '../../src/hub/subscription.ts';

export type Line = { readonly type: string; readonly seq: number } & Readonly<Record<string, unknown>>;

/** Socket whose reader decides when bytes leave it. */
export class SlowSink implements Sink {
  subscription: Subscription | undefined;
  /** Whole lines that the reader has taken. */
  readonly onLine: (line: Line) => void;
  /** True to accept everything at once. */
  fast: boolean;
  closed = false;
  end: EndReason | undefined;
  /** Maximum of bytes that waited, and size of the largest write. */
  mostPending = 0;
  largestWrite = 0;
  /** Number of writes after the subscription was closed: there must be none. */
  late = 0;
  #chunks: Buffer[] = [];
  #pending = 0;
  #rest = '';
  /** True while the socket is full: like a real one, it reports a drain only after that. */
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

  /** Accepts up to `size` bytes. */
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
