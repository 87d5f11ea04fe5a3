import { type Frame, type FullEncoding, formatFrame, type ResetReason } from '../../hub/encode.ts';
import type { RecordKey } from '../../store/store.ts';

/** JSON object of any shape: a record without types of the schema. */
export type JsonObject = Readonly<Record<string, unknown>>;

interface FrameBase {
  readonly type?: undefined;
  /** The change's position in the log. */
  readonly seq: number;
  /** ISO 8601, UTC. */
  readonly timestamp: string;
  /** seq of the record's own last change, where `seq` is that of a related record's. */
  readonly record_seq?: number;
  /** Mark of the transaction of the change, which has several: the seq of its last change, in whatever table. */
  readonly tx?: number;
  /** True when another frame of the same change or transaction follows: the position is reached with the last one. */
  readonly more?: true;
  /** With `count=true`: the number of matching records, where it has changed. */
  readonly total?: number;
}

/** Record that was stored before the subscription began. */
export interface RetainedFrame<Shown, Id> extends FrameBase {
  readonly message_type: 'Retained';
  readonly op: 'retained';
  readonly id: Id;
  readonly data: Shown;
}

/** Record after a write. */
export interface UpdateFrame<Shown, Id> extends FrameBase {
  readonly message_type: 'Update';
  readonly op: 'create' | 'update';
  readonly id: Id;
  readonly data: Shown;
  /** With `delta=true`: `data` has these fields only. */
  readonly changed?: readonly string[];
  /** In a window (`sort`, `limit`, `offset`, `cursor`): index of the record, once it is taken out of its old place. */
  readonly at?: number;
  /** Set when the record did not change itself: it came into the window because another one left. */
  readonly reason?: 'window';
  /** The seq of its own last change, in that case. */
  readonly record_seq?: number;
}

/** Record that was deleted, or that left the filter; `data` has its key. */
export interface DeleteFrame<Shown, Id> extends FrameBase {
  readonly message_type: 'Delete';
  readonly op: 'update' | 'delete';
  readonly id: Id;
  readonly data: Partial<Shown>;
  /**
   * Set when the record still exists: it does not match any more, or is outside of the window. Of a result of `aggregate`:
   * its group is `empty`, does not meet `having`, or is outside of the window.
   */
  readonly reason?: 'filter' | 'window' | 'empty' | 'having';
}

/** Message that was published, to the table when `id` is null. */
export interface PublishFrame<Id> extends FrameBase {
  readonly message_type: 'Publish';
  readonly op: 'publish';
  readonly id: Id | null;
  readonly data: unknown;
}

/** End of the stored state; from here on frames are live. */
export interface ReadyFrame {
  readonly message_type?: undefined;
  readonly type: 'ready';
  readonly seq: number;
  /** With `count=true`: the number of matching records. */
  readonly total?: number;
}

/** With `count=true`: the number of matching records has changed with a record of which there is no frame. */
export interface TotalFrame {
  readonly message_type?: undefined;
  readonly type: 'total';
  readonly total: number;
  readonly seq: number;
}

/** Start of a new state: all earlier frames are void, and the full state follows, as `Retained`, and `ready` again. */
export interface ResetFrame {
  readonly message_type?: undefined;
  readonly type: 'reset';
  readonly reason: ResetReason;
  readonly seq: number;
}

/** Frame of a subscription of code: the same members as a frame of a WebSocket, PROTOCOL.md §4.1. */
export type TableFrame<Shown = JsonObject, Id = RecordKey> =
  | RetainedFrame<Shown, Id>
  | UpdateFrame<Shown, Id>
  | DeleteFrame<Shown, Id>
  | PublishFrame<Id>
  | ReadyFrame
  | TotalFrame
  | ResetFrame;

const LINE_END = '\n'.charCodeAt(0);

/** Encoding as one line of JSON per frame: JSON text has no line breaks. */
export const LINE_ENCODING: FullEncoding = {
  key: 'line',
  frame: (frame: Frame) => line(formatFrame(frame)),
  ready: (seq: number, total?: number) => line(JSON.stringify({ type: 'ready', seq, total })),
  reset: (reason: ResetReason, seq: number) => line(JSON.stringify({ type: 'reset', reason, seq })),
};

function line(text: string): Buffer {
  return Buffer.from(`${text}\n`);
}

/**
 * Lines that were written and not read yet. They are parsed on reading, and share their bytes with other subscriptions
 * until then.
 */
export class TableFrameQueue {
  #chunks: Buffer[] = [];
  /** Bytes of the first chunk that were read. */
  #offset = 0;
  #bytes = 0;

  /** Bytes that were not read yet. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Appends whole lines. */
  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
  }

  shift(): TableFrame | undefined {
    const chunk = this.#chunks[0];
    if (chunk === undefined) return undefined;
    const end = chunk.indexOf(LINE_END, this.#offset);
    const text = chunk.toString('utf8', this.#offset, end);
    this.#bytes -= end + 1 - this.#offset;
    this.#offset = end + 1;
    if (this.#offset === chunk.length) {
      this.#chunks.shift();
      this.#offset = 0;
    }
    return JSON.parse(text) as TableFrame;
  }

  clear(): void {
    this.#chunks = [];
    this.#offset = 0;
    this.#bytes = 0;
  }
}
