import { AppError } from '../../errors.ts';
import { parseJsonText } from '../../resources/body/json.ts';
import { type BinaryCodec, type BinaryLimits, loadBinary } from '../../server/content/binary.ts';
import type { BinaryFormat, MessageFormat } from '../../server/content/formats.ts';
import { BINARY, TEXT } from '../socket/text-frames.ts';

/** Name that a client gives to one of its subscriptions. */
export type LiveId = string | number;

/** Member of a message: its name, and its value as JSON text. */
export type MemberText = readonly [name: string, json: string];

/**
 * Encodes and decodes the messages of protocol v1. A message about subscriptions is a head, with their ids in `s`, and the
 * members after it: messages that differ in nothing but the ids have the same bytes there.
 */
export interface LiveCodec {
  readonly name: MessageFormat;
  /** First byte of the WebSocket frames. */
  readonly opcode: number;
  /** Bytes between the head and the digits of `seq`, where that is the first member. */
  readonly seqOffset: number;
  encode(message: object): Buffer;
  /** Throws INVALID_MESSAGE for the other kind of frame, and the errors of the format. */
  decode(message: Buffer, isBinary: boolean): unknown;
  encodeId(id: LiveId): Buffer;
  /** Head of a message with so many members besides the ids. */
  head(members: number, ids: readonly Buffer[]): Buffer;
  /** Head with other ids, of a message that has this one. */
  withIds(message: Buffer, ids: readonly Buffer[]): Buffer;
  /** Members after the head, and the end of the message. */
  members(members: readonly MemberText[]): Buffer;
  /** One value, for `list`. */
  value(json: string): Buffer;
  /** The last member of a message, with a list of encoded values, and the end of the message. */
  list(before: readonly MemberText[], name: string, values: readonly Buffer[]): Buffer;
}

const COMMA = Buffer.from(',');

export const JSON_CODEC: LiveCodec = {
  name: 'json',
  opcode: TEXT,
  seqOffset: '"seq":"'.length,
  encode: (message) => Buffer.from(JSON.stringify(message)),
  decode(message, isBinary) {
    if (isBinary) throw new AppError('INVALID_MESSAGE', 'A message is a text frame.');
    return parseJsonText(message.toString('utf8'));
  },
  encodeId: (id) => Buffer.from(JSON.stringify(id)),
  head: (_members, ids) => Buffer.concat([Buffer.from('{"s":['), ...separated(ids), Buffer.from('],')]),
  withIds: (_message, ids) => JSON_CODEC.head(0, ids),
  members: (members) => Buffer.from(`${members.map(([name, json]) => `"${name}":${json}`).join(',')}}`),
  value: (json) => Buffer.from(json),
  list: (before, name, values) =>
    Buffer.concat([
      Buffer.from(`${before.map(([each, json]) => `"${each}":${json},`).join('')}"${name}":[`),
      ...separated(values),
      Buffer.from(']}'),
    ]),
};

function separated(parts: readonly Buffer[]): Buffer[] {
  return parts.flatMap((part, index) => (index === 0 ? [part] : [COMMA, part]));
}

/** Heads of maps and arrays in a binary format. */
interface Heads {
  map(count: number): Buffer;
  array(count: number): Buffer;
}

const HEADS: Readonly<Record<BinaryFormat, Heads>> = {
  // RFC 8949 §3: the major type, and the count in the low bits or in 16 bits after them.
  cbor: {
    map: (count) => Buffer.from([0xa0 | count]),
    array: (count) => (count < 24 ? Buffer.from([0x80 | count]) : wide(count, 0x99, 0x9a)),
  },
  msgpack: {
    map: (count) => Buffer.from([0x80 | count]),
    array: (count) => (count < 16 ? Buffer.from([0x90 | count]) : wide(count, 0xdc, 0xdd)),
  },
};

function wide(count: number, short: number, long: number): Buffer {
  if (count < 65_536) {
    const head = Buffer.from([short, 0, 0]);
    head.writeUInt16BE(count, 1);
    return head;
  }
  const head = Buffer.from([long, 0, 0, 0, 0]);
  head.writeUInt32BE(count, 1);
  return head;
}

/** Returns the codec of a format; its package is loaded on first use. */
export async function loadLiveCodec(format: MessageFormat, limits: BinaryLimits): Promise<LiveCodec> {
  return format === 'json' ? JSON_CODEC : makeBinary(format, await loadBinary(format), limits);
}

function makeBinary(name: BinaryFormat, codec: BinaryCodec, limits: BinaryLimits): LiveCodec {
  const encode = (value: unknown) => Buffer.from(codec.encode(value));
  const { map, array } = HEADS[name];
  const names = new Map<string, Buffer>();
  const encodeName = (text: string): Buffer => {
    const known = names.get(text) ?? encode(text);
    names.set(text, known);
    return known;
  };
  const value = (json: string) => encode(JSON.parse(json));
  const members = (all: readonly MemberText[]) => all.flatMap(([each, json]) => [encodeName(each), value(json)]);
  const idsOf = (ids: readonly Buffer[]) => [encodeName('s'), array(ids.length), ...ids];
  return {
    name,
    opcode: BINARY,
    // The name of three letters with its head, and the head of the digits.
    seqOffset: 5,
    encode,
    decode(message, isBinary) {
      if (isBinary) return codec.decode(message, limits);
      throw new AppError('INVALID_MESSAGE', `A message is a binary frame: tablecast.v1.${name} was agreed on.`);
    },
    encodeId: encode,
    head: (count, ids) => Buffer.concat([map(count + 1), ...idsOf(ids)]),
    withIds: (message, ids) => Buffer.concat([message.subarray(0, 1), ...idsOf(ids)]),
    members: (all) => Buffer.concat(members(all)),
    value,
    list: (before, last, values) =>
      Buffer.concat([...members(before), encodeName(last), array(values.length), ...values]),
  };
}
