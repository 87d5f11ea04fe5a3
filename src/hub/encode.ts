import type { Change, Op, RecordKey, StoredRecord } from '../store/store.ts';

/** `Total`: the number of matching records has changed with a record of which the subscriber receives no frame. */
export type MessageType = 'Update' | 'Delete' | 'Publish' | 'Retained' | 'Total';
/** Why a client has to forget its state. `interrupted`: a snapshot was given up before it was complete. */
export type ResetReason =
  | 'position_trimmed'
  | 'position_unknown'
  | 'rights_changed'
  | 'related_changed'
  | 'window_changed'
  | 'totals_changed'
  | 'interrupted';

/** Message to a subscriber, before it is encoded. `data` is JSON text. */
export interface Frame {
  readonly type: MessageType;
  readonly op: Op | 'retained';
  readonly id: RecordKey | null;
  readonly data: string;
  readonly seq: number;
  /**
   * Reason of a `Delete` of a record that still exists: it left the subscription's filter, or its window. A result of totals
   * leaves when its group is `empty`, or does not meet `having`. An `Update` with `window` is of a record that did not change:
   * it came into the window when another one left.
   */
  readonly reason?: 'filter' | 'window' | 'empty' | 'having';
  /** Index of the record in the window, once it is taken out of its old place. */
  readonly at?: number;
  /** seq of the record's own last change, where `seq` is that of another record's. */
  readonly recordSeq?: number;
  /** Mark of the transaction of the change: position of its last change, in whatever table. */
  readonly tx?: number;
  /** True when another frame of the same change or transaction follows. */
  readonly more?: true;
  /** Number of all records that match, where the change has changed it and the subscriber counts them. */
  readonly total?: number;
  /** Names of the fields that changed, where `data` has only these; then `key` is JSON text of the primary key, as in `{"id":"a"}`. */
  readonly changed?: readonly string[];
  readonly key?: string;
}

/**
 * Encodes the frames of a transport as bytes. The result is shared by all sockets of a group and must be complete: it
 * is written between other frames as it is.
 */
export interface Encoding {
  /** Equal for encodings that return equal bytes. */
  readonly key: string;
  /** Undefined where the protocol has no such message: subscribers of this kind do not receive it. */
  frame(frame: Frame): Buffer | undefined;
  /** `total`: number of matching records, for a subscriber that counts them. */
  ready(seq: number, total?: number): Buffer | undefined;
  /** Undefined where the protocol has no such message: the subscription has to end instead. */
  reset(reason: ResetReason, seq: number): Buffer | undefined;
}

/** Encoding of a protocol that has every message. */
export interface FullEncoding extends Encoding {
  frame(frame: Frame): Buffer;
  ready(seq: number, total?: number): Buffer;
  reset(reason: ResetReason, seq: number): Buffer;
}

const MESSAGE_TYPES = { create: 'Update', update: 'Update', delete: 'Delete', publish: 'Publish' } as const;

export function makeFrame({ op, id, data, seq }: Change): Frame {
  return { type: MESSAGE_TYPES[op], op, id, data, seq };
}

export function makeRetained({ id, json, seq }: StoredRecord): Frame {
  return { type: 'Retained', op: 'retained', id, data: json, seq };
}

/** Formats a frame as a JSON object, PROTOCOL.md §4.1. The record's JSON text is not parsed. */
export function formatFrame(frame: Frame): string {
  const { type, op, id, data, seq, reason, changed } = frame;
  if (type === 'Total') return formatTotal(frame);
  return (
    `{"message_type":"${type}","data":${data},"id":${JSON.stringify(id)},"timestamp":"${timestampOf(seq)}",` +
    `"seq":${seq},"op":"${op}"${reason === undefined ? '' : `,"reason":"${reason}"`}` +
    `${changed === undefined ? '' : `,"changed":${JSON.stringify(changed)}`}${formatPlace(frame)}}`
  );
}

/** Formats the place in a window, what says how a frame belongs to others, and the number of records, each with a comma before it. */
export function formatPlace({ at, recordSeq, tx, more, total }: Frame): string {
  if ([at, recordSeq, tx, more, total].every((member) => member === undefined)) return '';
  return (
    `${at === undefined ? '' : `,"at":${at}`}${recordSeq === undefined ? '' : `,"record_seq":${recordSeq}`}` +
    `${tx === undefined ? '' : `,"tx":${tx}`}${more === undefined ? '' : ',"more":true'}` +
    `${total === undefined ? '' : `,"total":${total}`}`
  );
}

/** Formats a frame with nothing but the number of records. */
export function formatTotal({ seq, total, tx, more }: Frame): string {
  return JSON.stringify({ type: 'total', total, seq, tx, more });
}

/** Adds the number of records to the last frame of a change, or makes a frame of it alone. */
export function withTotal(frames: readonly Frame[], { seq }: Change, total: number | undefined): readonly Frame[] {
  if (total === undefined) return frames;
  const last = frames.at(-1);
  if (last !== undefined) return [...frames.slice(0, -1), { ...last, total }];
  return [{ type: 'Total', op: 'update', id: null, data: 'null', seq, total }];
}

/** Time of a change, whose seq counts microseconds: ISO 8601, UTC, with milliseconds. */
export function timestampOf(seq: number): string {
  return new Date(Math.trunc(seq / 1000)).toISOString();
}

/** Encodes the frames of one change; `more` says of each but the last that another follows. */
export function encodeChange({ frame: encode }: Encoding, frames: readonly Frame[]): Buffer | undefined {
  const wanted = frames.length < 2 ? frames : frames.filter((frame) => encode(frame) !== undefined);
  const encoded = wanted.flatMap(
    (frame, index) => encode(index < wanted.length - 1 ? { ...frame, more: true } : frame) ?? [],
  );
  return encoded.length < 2 ? encoded[0] : Buffer.concat(encoded);
}
