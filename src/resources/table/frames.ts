import { type Frame, type FullEncoding, formatFrame, type ResetReason } from '../../hub/encode.ts';
import type { RecordKey } from '../../store/store.ts';

type JsonObject = Readonly<Record<string, unknown>>;

interface Change {
  readonly type?: undefined;
  /** The change's position in the log. */
  readonly seq: number;
  /** ISO 8601, UTC. */
  readonly timestamp: string;
}

/** A record that was stored before the subscription began. */
export interface RetainedFrame<Shown, Id> extends Change {
  readonly message_type: 'Retained';
  readonly op: 'retained';
  readonly id: Id;
  readonly data: Shown;
}

/** A record after a write. */
export interface UpdateFrame<Shown, Id> extends Change {
  readonly message_type: 'Update';
  readonly op: 'create' | 'update';
  readonly id: Id;
  readonly data: Shown;
  /** With `delta=true`: `data` has these fields only. */
  readonly changed?: readonly string[];
}

/** A record that is gone, or that left the filter; `data` has its key. */
export interface DeleteFrame<Shown, Id> extends Change {
  readonly message_type: 'Delete';
  readonly op: 'update' | 'delete';
  readonly id: Id;
  readonly data: Partial<Shown>;
  /** The record is still there, and does not match any more. */
  readonly reason?: 'filter';
}

/** What somebody has published, to the table when `id` is null. */
export interface PublishFrame<Id> extends Change {
  readonly message_type: 'Publish';
  readonly op: 'publish';
  readonly id: Id | null;
  readonly data: unknown;
}

/** Everything that was there is told; from here on it is live. */
export interface ReadyFrame {
  readonly message_type?: undefined;
  readonly type: 'ready';
  readonly seq: number;
}

/** What was told before holds no more: the state follows from the beginning, as `Retained`, and `ready` again. */
export interface ResetFrame {
  readonly message_type?: undefined;
  readonly type: 'reset';
  readonly reason: ResetReason;
  readonly seq: number;
}

/** What a subscription of code is told: the same members as a frame of a WebSocket, PROTOCOL.md §4.1. */
export type TableFrame<Shown = JsonObject, Id = RecordKey> =
  | RetainedFrame<Shown, Id>
  | UpdateFrame<Shown, Id>
  | DeleteFrame<Shown, Id>
  | PublishFrame<Id>
  | ReadyFrame
  | ResetFrame;

const LINE_END = '\n'.charCodeAt(0);

/** A line of JSON each: JSON text has no line breaks. */
export const LINE_ENCODING: FullEncoding = {
  key: 'line',
  frame: (frame: Frame) => line(formatFrame(frame)),
  ready: (seq: number) => line(JSON.stringify({ type: 'ready', seq })),
  reset: (reason: ResetReason, seq: number) => line(JSON.stringify({ type: 'reset', reason, seq })),
};

function line(text: string): Buffer {
  return Buffer.from(`${text}\n`);
}

/** Lines that were written and not read yet. They are parsed when they are read, and shared with others until then. */
export class TableFrameQueue {
  #chunks: Buffer[] = [];
  /** Of the first chunk what was read. */
  #offset = 0;
  #bytes = 0;

  /** What was not read yet. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes whole lines. */
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
