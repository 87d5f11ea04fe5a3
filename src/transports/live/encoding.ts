import { type Frame, type FullEncoding, type ResetReason, timestampOf } from '../../hub/encode.ts';
import { encodeFrame, findFrame } from '../socket/text-frames.ts';
import type { LiveCodec, LiveId, MemberText } from './codec.ts';

/** First bytes of units that are no frames yet: a record of a snapshot, and a message that needs no credit. */
const RECORD = 0x01;
const CONTROL = 0x02;

/** Part of what the hub writes: a change, a record of a snapshot, or a message about the subscription itself. */
export interface Unit {
  readonly kind: 'change' | 'record' | 'control';
  /** A whole message; of a record, its value alone. */
  readonly payload: Buffer;
}

const TYPES = { Update: 'update', Delete: 'delete', Publish: 'publish', Total: 'total' } as const;

/**
 * Encodes the frames of one subscription (PROTOCOL.md §7): a change is a whole WebSocket frame, which goes out as it is where
 * no other subscription of the connection may receive the same one. Subscriptions with the same id share the bytes.
 */
export function makeLiveEncoding(codec: LiveCodec, id: LiveId): FullEncoding {
  const ids = [codec.encodeId(id)];
  const message = (members: readonly MemberText[]) => [codec.head(members.length, ids), codec.members(members)];
  return {
    key: `live ${codec.name} ${JSON.stringify(id)}`,
    frame: (frame: Frame) =>
      frame.type === 'Retained'
        ? encodeFrame(RECORD, [codec.value(recordText(frame))])
        : encodeFrame(codec.opcode, message(changeMembers(frame))),
    ready: (seq: number, total?: number) =>
      encodeFrame(CONTROL, message([seqMember(seq), ['type', '"ready"'], ...totalMember(total)])),
    reset: (reason: ResetReason, seq: number) =>
      encodeFrame(CONTROL, message([seqMember(seq), ['type', '"reset"'], ['reason', `"${reason}"`]])),
  };
}

/** True when bytes of the hub are nothing but frames that can be sent as they are. */
export function areFrames(bytes: Buffer): boolean {
  for (let offset = 0; offset < bytes.length; offset = findFrame(bytes, offset).end) {
    if ((bytes[offset] as number) <= CONTROL) return false;
  }
  return true;
}

export function splitUnits(bytes: Buffer): Unit[] {
  const units: Unit[] = [];
  for (let offset = 0; offset < bytes.length; ) {
    const first = bytes[offset];
    const { start, end } = findFrame(bytes, offset);
    const kind = first === RECORD ? 'record' : first === CONTROL ? 'control' : 'change';
    units.push({ kind, payload: bytes.subarray(start, end) });
    offset = end;
  }
  return units;
}

/** Message with records of a snapshot. */
export function makePage(codec: LiveCodec, id: Buffer, records: readonly Buffer[]): Buffer {
  return Buffer.concat([codec.head(2, [id]), codec.list([['type', '"page"']], 'records', records)]);
}

function seqMember(seq: number): MemberText {
  return ['seq', `"${seq}"`];
}

function totalMember(total: number | undefined): MemberText[] {
  return total === undefined ? [] : [['total', String(total)]];
}

/** Members that tie a message to others, and the number of records. */
function lastMembers({ tx, more, total }: Frame): MemberText[] {
  return [
    ...(tx === undefined ? [] : ([['tx', `"${tx}"`]] as const)),
    ...(more === undefined ? [] : ([['more', 'true']] as const)),
    ...totalMember(total),
  ];
}

function changeMembers(frame: Frame): MemberText[] {
  const { type, op, id, data, seq, reason, changed, at, recordSeq } = frame;
  if (type === 'Total') return [seqMember(seq), ['type', '"total"'], ...lastMembers(frame)];
  return [
    seqMember(seq),
    ['type', `"${TYPES[type as keyof typeof TYPES]}"`],
    ...(type === 'Update' ? ([['op', `"${op}"`]] as const) : []),
    ['id', JSON.stringify(id)],
    ['time', `"${timestampOf(seq)}"`],
    ['data', data],
    ...(reason === undefined ? [] : ([['reason', `"${reason}"`]] as const)),
    ...(changed === undefined ? [] : ([['changed', JSON.stringify(changed)]] as const)),
    ...(at === undefined ? [] : ([['at', String(at)]] as const)),
    ...(recordSeq === undefined ? [] : ([['record_seq', `"${recordSeq}"`]] as const)),
    ...lastMembers(frame),
  ];
}

function recordText({ id, seq, data }: Frame): string {
  return `{"id":${JSON.stringify(id)},"seq":"${seq}","data":${data}}`;
}
