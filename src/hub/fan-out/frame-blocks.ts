/** Bytes of the first block and of the largest; each is twice as large as the one before. */
const SMALLEST_BLOCK = 4 * 1024;
const LARGEST_BLOCK = 256 * 1024;
/** A larger frame is kept as it is. */
const LARGEST_COPIED = LARGEST_BLOCK / 2;

/**
 * Frames in their order, those of a block one after the other in memory: so many of them are one write without being
 * copied for it. What was handed out is never written over, since a socket may not have sent it yet.
 */
export class FrameBlocks {
  /** For each frame the block that it is in, and where. */
  #blocks: Buffer[] = [];
  #starts: number[] = [];
  #ends: number[] = [];
  #bytes = 0;
  /** The one that is filled now, or undefined. */
  #block: Buffer | undefined;
  #used = 0;
  #size = SMALLEST_BLOCK / 2;

  get length(): number {
    return this.#blocks.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  push(frame: Buffer): void {
    this.#bytes += frame.length;
    if (this.length > 0 && frame.length <= LARGEST_COPIED) {
      this.#copySecond(frame);
      return;
    }
    // One that has nobody before it is mostly sent alone. What comes next is not beside it.
    this.#add(frame, 0, frame.length);
    this.#block = undefined;
  }

  /** Frames from `from` to before `to` as one buffer. */
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
   * `mostBytes`; one frame is always among them.
   */
  endOfWrite(from: number, to: number, mostBytes: number): number {
    const block = this.#blocks[from];
    const start = this.#starts[from] as number;
    const fits = (index: number) => this.#blocks[index] === block && (this.#ends[index] as number) - start <= mostBytes;
    if (to - from === 1 || fits(to - 1)) return to;
    // Whether they fit is known to change once: the first that does not is found by halving.
    let [inside, outside] = [from, to - 1];
    while (outside - inside > 1) {
      const middle = (inside + outside) >>> 1;
      if (fits(middle)) inside = middle;
      else outside = middle;
    }
    return outside;
  }

  /** Drops the oldest frames until `keep` bytes or `least` frames are left. How many went. */
  drop(keep: number, least: number): number {
    const most = this.length - least;
    let count = 0;
    while (this.#bytes > keep && count < most) {
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
    this.#size = SMALLEST_BLOCK / 2;
  }

  /** The first frame was not copied; when another one comes to it, both are to be one write. */
  #copySecond(frame: Buffer): void {
    const [first] = this.#blocks;
    const isAlone = this.length === 1 && this.#block === undefined;
    if (isAlone && first !== undefined && first.length + frame.length <= LARGEST_BLOCK) {
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

  /** Begins a block with room for `least` bytes, which are no more than the largest one has. */
  #open(least: number): void {
    this.#size = Math.min(LARGEST_BLOCK, Math.max(2 * this.#size, 2 * least));
    this.#block = Buffer.allocUnsafeSlow(this.#size);
    this.#used = 0;
  }

  #add(block: Buffer, start: number, end: number): void {
    this.#blocks.push(block);
    this.#starts.push(start);
    this.#ends.push(end);
  }
}
