import { AppError } from '../../errors.ts';
import type { RoomEncoding } from '../../hub/rooms/members.ts';
import { parseJsonText } from '../../resources/body/json.ts';
import { type BinaryCodec, type BinaryLimits, loadBinary } from '../../server/content/binary.ts';
import type { BinaryFormat, MessageFormat } from '../../server/content/formats.ts';
import { BINARY, encodeFrame, TEXT } from '../socket/text-frames.ts';

/** Name that a client gives to one of its subscriptions. */
export type LiveId = string | number;

/** Member of a message: its name, and its value as JSON text. */
export type MemberText = readonly [name: string, json: string];

/**
 * Encodes and decodes the messages of protocol v1. A message about subscriptions is made of a body, which all that receive it
 * share, and of the list of their ids, which is its first member, `s`.
 */
export interface LiveCodec extends RoomEncoding {
  readonly name: MessageFormat;
  /** First byte of the WebSocket frames. */
  readonly opcode: number;
  encode(message: object): Buffer;
  /** Throws INVALID_MESSAGE for the other kind of frame, and the errors of the format. */
  decode(message: Buffer, isBinary: boolean): unknown;
  encodeId(id: LiveId): Buffer;
  /** The member `s`. */
  idList(ids: readonly Buffer[]): Buffer;
  /** Message without `s`. */
  body(members: readonly MemberText[]): Buffer;
  /** Unit of a message of a room, which is a change without a position. */
  frame(json: string): Buffer;
  /** Message without `s`, from the JSON text of an object. */
  bodyFrom(json: string): Buffer;
  /** Message without `s`, whose last member is a list of encoded values. */
  bodyWithList(before: readonly MemberText[], name: string, values: readonly Buffer[]): Buffer;
  /** Parts of the message to these subscriptions. `isOpen`: it says that a `commit` follows. */
  address(body: Buffer, idList: Buffer, isOpen?: boolean): readonly Buffer[];
  /** Encodes a value for `bodyWithList`. */
  value(json: string): Buffer;
}

/** First byte of a unit that is a change, and the bytes before its body: its position and the mark of its transaction. */
export const CHANGE = 0x01;
export const MARKS = 16;
const NO_MARKS = Buffer.alloc(MARKS);

/** Encodes a change without a position. */
function encodeUnit(body: Buffer): Buffer {
  return encodeFrame(CHANGE, [NO_MARKS, body]);
}

const COMMA = Buffer.from(',');
const OPEN = Buffer.from('"open":true,');

export const JSON_CODEC: LiveCodec = {
  name: 'json',
  opcode: TEXT,
  encode: (message) => Buffer.from(JSON.stringify(message)),
  decode(message, isBinary) {
    if (isBinary) throw new AppError('INVALID_MESSAGE', 'A message is a text frame.');
    return parseJsonText(message.toString('utf8'));
  },
  encodeId: (id) => Buffer.from(JSON.stringify(id)),
  idList: (ids) => Buffer.concat([Buffer.from('{"s":['), ...separated(ids), Buffer.from('],')]),
  body: (members) => Buffer.from(`${members.map(([name, json]) => `"${name}":${json}`).join(',')}}`),
  bodyFrom: (json) => Buffer.from(json.slice(1)),
  frame: (json) => encodeUnit(JSON_CODEC.bodyFrom(json)),
  bodyWithList: (before, name, values) =>
    Buffer.concat([
      Buffer.from(`${before.map(([each, json]) => `"${each}":${json},`).join('')}"${name}":[`),
      ...separated(values),
      Buffer.from(']}'),
    ]),
  address: (body, idList, isOpen) => (isOpen ? [idList, OPEN, body] : [idList, body]),
  value: (json) => Buffer.from(json),
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
  const open = Buffer.concat([encode('open'), encode(true)]);
  const bodyFrom = (json: string) => {
    const all = Object.entries(JSON.parse(json) as object);
    const parts = all.flatMap(([each, member]: [string, unknown]) => [encodeName(each), encode(member)]);
    return Buffer.concat([map(all.length + 1), ...parts]);
  };
  return {
    name,
    opcode: BINARY,
    encode,
    decode(message, isBinary) {
      if (isBinary) return codec.decode(message, limits);
      throw new AppError('INVALID_MESSAGE', `A message is a binary frame: tablecast.v1.${name} was selected.`);
    },
    encodeId: encode,
    idList: (ids) => Buffer.concat([encodeName('s'), array(ids.length), ...ids]),
    // The head counts `s`, too.
    body: (all) => Buffer.concat([map(all.length + 1), ...members(all)]),
    frame: (json) => encodeUnit(bodyFrom(json)),
    bodyFrom,
    bodyWithList: (before, last, values) =>
      Buffer.concat([map(before.length + 2), ...members(before), encodeName(last), array(values.length), ...values]),
    address(body, idList, isOpen) {
      // A map of so few members has their number in the low bits of its first byte.
      const head = Buffer.from([(body[0] as number) + (isOpen ? 1 : 0)]);
      return isOpen ? [head, idList, open, body.subarray(1)] : [head, idList, body.subarray(1)];
    },
    value,
  };
}
