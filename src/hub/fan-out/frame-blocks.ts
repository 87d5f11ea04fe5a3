/** Bytes of the first block and of the largest; each is twice as large as the one before. */
const MIN_BLOCK_BYTES = 4 * 1024;
const MAX_BLOCK_BYTES = 256 * 1024;
/** Size of a frame that is copied into a block; a larger one is stored as it is. */
const MAX_COPIED_BYTES = MAX_BLOCK_BYTES / 2;

/**
 * Frames in their order, those of a block one after the other in memory: many of them are one write without being
 * copied for it. Bytes that were handed out are never overwritten, since a socket may not have sent them yet.
 */
export class FrameBlocks {
  /** Block of each frame, and its start and end in there. */
  #blocks: Buffer[] = [];
  #starts: number[] = [];
  #ends: number[] = [];
  #bytes = 0;
  /** Block that is filled now, if any. */
  #block: Buffer | undefined;
  #used = 0;
  #size = MIN_BLOCK_BYTES / 2;

  get length(): number {
    return this.#blocks.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  push(frame: Buffer): void {
    this.#bytes += frame.length;
    if (this.length > 0 && frame.length <= MAX_COPIED_BYTES) {
      this.#copySecond(frame);
      return;
    }
    // A lone frame is mostly sent alone: it is stored without copying, and the next one starts a block.
    this.#add(frame, 0, frame.length);
    this.#block = undefined;
  }

  /** Joins the frames from `from` to before `to`. */
  join(from: number, to: number): Buffer {
    const block = this.#blocks[from] as Buffer;
    if (this.#blocks[to - 1] === block) return block.subarray(this.#starts[from], this.#ends[to - 1]);
    const parts: Buffer[] = [];
    for (let next = from; next < to; ) {
      const end = this.endOfWrite(next, to, Number.POSITIVE_INFINITY);
      parts.push(this.join(next, end));
      next = end;
    }
    return Buffer.concat(parts);
  }

  /**
   * Index after the last of the frames from `from` to before `to` that need no copying to be one write of at most
   * `maxBytes`; one frame is always among them.
   */
  endOfWrite(from: number, to: number, maxBytes: number): number {
    const block = this.#blocks[from];
    const start = this.#starts[from] as number;
    const fits = (index: number) => this.#blocks[index] === block && (this.#ends[index] as number) - start <= maxBytes;
    if (to - from === 1 || fits(to - 1)) return to;
    // Frames fit up to some index and not beyond it: a binary search finds the first that does not.
    let [inside, outside] = [from, to - 1];
    while (outside - inside > 1) {
      const middle = (inside + outside) >>> 1;
      if (fits(middle)) inside = middle;
      else outside = middle;
    }
    return outside;
  }

  /** Drops the oldest frames until at most `maxBytes` or only `minFrames` are left. Returns how many were dropped. */
  drop(maxBytes: number, minFrames: number): number {
    const maxCount = this.length - minFrames;
    let count = 0;
    while (this.#bytes > maxBytes && count < maxCount) {
      this.#bytes -= (this.#ends[count] as number) - (this.#starts[count] as number);
      count++;
    }
    if (count > 0) for (const list of [this.#blocks, this.#starts, this.#ends]) list.splice(0, count);
    return count;
  }

  clear(): void {
    this.#blocks = [];
    this.#starts = [];
    this.#ends = [];
    this.#bytes = 0;
    this.#block = undefined;
    this.#size = MIN_BLOCK_BYTES / 2;
  }

  /** Copies a frame; the first one, which was not copied, is copied beside it, so that both are one write. */
  #copySecond(frame: Buffer): void {
    const [first] = this.#blocks;
    const isAlone = this.length === 1 && this.#block === undefined;
    if (isAlone && first !== undefined && first.length + frame.length <= MAX_BLOCK_BYTES) {
      this.#blocks = [];
      this.#starts = [];
      this.#ends = [];
      this.#open(first.length + frame.length);
      this.#copy(first);
    }
    this.#copy(frame);
  }

  #copy(frame: Buffer): void {
    if (this.#block === undefined || this.#used + frame.length > this.#block.length) this.#open(frame.length);
    const block = this.#block as Buffer;
    const start = this.#used;
    this.#used = start + frame.copy(block, start);
    this.#add(block, start, this.#used);
  }

  /** Begins a block with room for `minBytes`, which are no more than `MAX_BLOCK_BYTES`. */
  #open(minBytes: number): void {
    this.#size = Math.min(MAX_BLOCK_BYTES, Math.max(2 * this.#size, 2 * minBytes));
    this.#block = Buffer.allocUnsafeSlow(this.#size);
    this.#used = 0;
  }

  #add(block: Buffer, start: number, end: number): void {
    this.#blocks.push(block);
    this.#starts.push(start);
    this.#ends.push(end);
  }
}
