import type { Change, Op, RecordKey, StoredRecord } from '../store/store.ts';

export type MessageType = 'Update' | 'Delete' | 'Publish' | 'Retained';
/** Why a client has to forget its state. `interrupted`: a snapshot was given up before it was complete. */
export type ResetReason =
  | 'position_trimmed'
  | 'position_unknown'
  | 'rights_changed'
  | 'related_changed'
  | 'window_changed'
  | 'interrupted';

/** Message to a subscriber, before it is encoded. `data` is JSON text. */
export interface Frame {
  readonly type: MessageType;
  readonly op: Op | 'retained';
  readonly id: RecordKey | null;
  readonly data: string;
  readonly seq: number;
  /**
   * Reason of a `Delete` of a record that still exists: it left the subscription's filter, or its window. An `Update` with
   * `window` is of a record that did not change: it came into the window when another one left.
   */
  readonly reason?: 'filter' | 'window';
  /** Index of the record in the window, once it is taken out of its old place. */
  readonly at?: number;
  /** seq of the record's own last change, where `seq` is that of another record's. */
  readonly recordSeq?: number;
  /** Mark of the transaction of the change: position of its last change, in whatever table. */
  readonly tx?: number;
  /** True when another frame of the same change or transaction follows. */
  readonly more?: true;
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
  ready(seq: number): Buffer | undefined;
  /** Undefined where the protocol has no such message: the subscription has to end instead. */
  reset(reason: ResetReason, seq: number): Buffer | undefined;
}

/** Encoding of a protocol that has every message. */
export interface FullEncoding extends Encoding {
  frame(frame: Frame): Buffer;
  ready(seq: number): Buffer;
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
  return (
    `{"message_type":"${type}","data":${data},"id":${JSON.stringify(id)},"timestamp":"${timestampOf(seq)}",` +
    `"seq":${seq},"op":"${op}"${reason === undefined ? '' : `,"reason":"${reason}"`}` +
    `${changed === undefined ? '' : `,"changed":${JSON.stringify(changed)}`}${formatPlace(frame)}}`
  );
}

/** Formats the place in a window, and what says how a frame belongs to others, each with a comma before it. */
export function formatPlace({ at, recordSeq, tx, more }: Frame): string {
  if (at === undefined && recordSeq === undefined && tx === undefined && more === undefined) return '';
  return (
    `${at === undefined ? '' : `,"at":${at}`}${recordSeq === undefined ? '' : `,"record_seq":${recordSeq}`}` +
    `${tx === undefined ? '' : `,"tx":${tx}`}${more === undefined ? '' : ',"more":true'}`
  );
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
