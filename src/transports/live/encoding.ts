import { type Frame, type FullEncoding, type ResetReason, timestampOf } from '../../hub/encode.ts';
import { encodeFrame, findFrame } from '../socket/text-frames.ts';
import { CHANGE, type LiveCodec, MARKS, type MemberText } from './codec.ts';

/** First bytes of units besides changes: a record of a snapshot, and a message that needs no credit. */
const RECORD = 0x02;
const CONTROL = 0x03;

/** Part of what the hub writes: a change, a record of a snapshot, or a message about the subscription itself. */
export interface Unit {
  readonly kind: 'change' | 'record' | 'control';
  /** Message without `s`; of a record, its value alone. */
  readonly body: Buffer;
  /** Position; 0 where it is no change. */
  readonly seq: number;
  /** Mark of the transaction; 0 without one. */
  readonly tx: number;
}

const TYPES = { Update: 'update', Delete: 'delete', Publish: 'publish', Total: 'total' } as const;
const KINDS = { [CHANGE]: 'change', [RECORD]: 'record', [CONTROL]: 'control' } as const;

/**
 * Encodes what the hub writes as units without the ids of subscriptions (PROTOCOL.md §7): all that have the same query share
 * them, of one connection or of many.
 */
export function makeLiveEncoding(codec: LiveCodec): FullEncoding {
  const control = (members: readonly MemberText[]) => encodeFrame(CONTROL, [codec.body(members)]);
  return {
    key: `live ${codec.name}`,
    frame: (frame: Frame) =>
      frame.type === 'Retained'
        ? encodeFrame(RECORD, [codec.value(recordText(frame))])
        : encodeFrame(CHANGE, [marksOf(frame), codec.body(changeMembers(frame))]),
    ready: (seq: number, total?: number) => control([seqMember(seq), ['type', '"ready"'], ...totalMember(total)]),
    reset: (reason: ResetReason, seq: number) =>
      control([seqMember(seq), ['type', '"reset"'], ['reason', `"${reason}"`]]),
  };
}

function marksOf({ seq, tx = 0 }: Frame): Buffer {
  const marks = Buffer.allocUnsafe(MARKS);
  marks.writeDoubleLE(seq, 0);
  marks.writeDoubleLE(tx, 8);
  return marks;
}

/** True when bytes of the hub are changes: it writes units of one kind at a time. */
export function areChanges(bytes: Buffer): boolean {
  return bytes[0] === CHANGE;
}

export function splitUnits(bytes: Buffer): Unit[] {
  const units: Unit[] = [];
  for (let offset = 0; offset < bytes.length; ) {
    const kind = KINDS[bytes[offset] as keyof typeof KINDS];
    const { start, end } = findFrame(bytes, offset);
    if (kind === 'change') {
      const [seq, tx] = [bytes.readDoubleLE(start), bytes.readDoubleLE(start + 8)];
      units.push({ kind, body: bytes.subarray(start + MARKS, end), seq, tx });
    } else {
      units.push({ kind, body: bytes.subarray(start, end), seq: 0, tx: 0 });
    }
    offset = end;
  }
  return units;
}

/** Body of a message with records of a snapshot. */
export function makePage(codec: LiveCodec, records: readonly Buffer[]): Buffer {
  return codec.bodyWithList([['type', '"page"']], 'records', records);
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
