import type { Change, Op, RecordKey, StoredRecord } from '../store/store.ts';

export type MessageType = 'Update' | 'Delete' | 'Publish' | 'Retained';
export type ResetReason = 'position_trimmed' | 'position_unknown' | 'rights_changed';

/** What a subscriber is to be told, before it is bytes. `data` is JSON text. */
export interface Frame {
  readonly type: MessageType;
  readonly op: Op | 'retained';
  readonly id: RecordKey | null;
  readonly data: string;
  readonly seq: number;
  /** Why a record that still exists is told as `Delete`: it left the subscription's filter. */
  readonly reason?: 'filter';
  /** `data` has only these fields, the ones that changed; then `key` is JSON text of the primary key, as in `{"id":"a"}`. */
  readonly changed?: readonly string[];
  readonly key?: string;
}

/**
 * How a transport puts frames into bytes. The result is shared by all sockets of a group and must be complete: it is
 * written between other frames as it is.
 */
export interface Encoding {
  /** Equal for encodings that give equal bytes. */
  readonly key: string;
  /** Undefined: subscribers of this kind are not told. */
  frame(frame: Frame): Buffer | undefined;
  ready(seq: number): Buffer | undefined;
  /** Undefined: the protocol has no way to say it, and the subscription has to end instead. */
  reset(reason: ResetReason, seq: number): Buffer | undefined;
}

/** An encoding of a protocol that says everything. */
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

/** A frame as a JSON object, PROTOCOL.md §4.1. The record's JSON text is taken as it is. */
export function formatFrame({ type, op, id, data, seq, reason, changed }: Frame): string {
  return (
    `{"message_type":"${type}","data":${data},"id":${JSON.stringify(id)},"timestamp":"${timestampOf(seq)}",` +
    `"seq":${seq},"op":"${op}"${reason === undefined ? '' : `,"reason":"${reason}"`}` +
    `${changed === undefined ? '' : `,"changed":${JSON.stringify(changed)}`}}`
  );
}

/** The time of a change: its seq is in microseconds. ISO 8601, UTC, milliseconds. */
export function timestampOf(seq: number): string {
  return new Date(Math.trunc(seq / 1000)).toISOString();
}
