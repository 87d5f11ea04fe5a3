import { AppError } from '../../errors.ts';
import {
  type Frame,
  type FullEncoding,
  formatFrame,
  formatTotal,
  type ResetReason,
  timestampOf,
} from '../../hub/encode.ts';
import { parseJsonText } from '../../resources/body/json.ts';
import { type BinaryCodec, type BinaryLimits, loadBinary } from '../../server/content/binary.ts';
import type { MessageFormat } from '../../server/content/formats.ts';
import { encodeBinary, encodeJson, encodeText } from '../socket/text-frames.ts';

/** Encodes the frames of a table for WebSockets: PROTOCOL.md §4.1. */
export const WS_ENCODING: FullEncoding = {
  key: 'ws',
  frame: (frame: Frame) => encodeText(formatFrame(frame)),
  ready: (seq: number, total?: number) => encodeJson({ type: 'ready', seq, total }),
  reset: (reason: ResetReason, seq: number) => encodeJson({ type: 'reset', reason, seq }),
};

/** Encodes and decodes the messages of a connection. */
export interface WsFormat {
  readonly encoding: FullEncoding;
  /** Encodes a message as one whole frame. */
  encode(message: object): Buffer;
  /** Decodes a message. Throws INVALID_MESSAGE for the other kind of frame, and the errors of the format. */
  decode(message: Buffer, isBinary: boolean): unknown;
}

export const JSON_FORMAT: WsFormat = {
  encoding: WS_ENCODING,
  encode: encodeJson,
  decode(message, isBinary) {
    if (isBinary) throw new AppError('INVALID_MESSAGE', 'A message is a text frame.');
    return parseJsonText(message.toString('utf8'));
  },
};

export async function loadMessageFormat(format: MessageFormat, limits: BinaryLimits): Promise<WsFormat> {
  return format === 'json' ? JSON_FORMAT : makeBinaryFormat(format, await loadBinary(format), limits);
}

function makeBinaryFormat(name: string, codec: BinaryCodec, limits: BinaryLimits): WsFormat {
  const encode = (message: object): Buffer => encodeBinary(codec.encode(message));
  return {
    encoding: {
      key: `ws-${name}`,
      frame: (frame: Frame) => encode(messageOf(frame)),
      ready: (seq: number, total?: number) => encode({ type: 'ready', seq, ...(total === undefined ? {} : { total }) }),
      reset: (reason: ResetReason, seq: number) => encode({ type: 'reset', reason, seq }),
    },
    encode,
    decode(message, isBinary) {
      if (isBinary) return codec.decode(message, limits);
      throw new AppError('INVALID_MESSAGE', `A message is a binary frame: tablecast.${name} was selected.`);
    },
  };
}

/** PROTOCOL.md §4.1, with the same members in the same order as in JSON. */
function messageOf(frame: Frame): object {
  const { type, op, id, data, seq, reason, changed, at, recordSeq, tx, more, total } = frame;
  if (type === 'Total') return JSON.parse(formatTotal(frame)) as object;
  return {
    message_type: type,
    data: JSON.parse(data) as unknown,
    id,
    timestamp: timestampOf(seq),
    seq,
    op,
    ...(reason === undefined ? {} : { reason }),
    ...(changed === undefined ? {} : { changed }),
    ...(at === undefined ? {} : { at }),
    ...(recordSeq === undefined ? {} : { record_seq: recordSeq }),
    ...(tx === undefined ? {} : { tx }),
    ...(more === undefined ? {} : { more }),
    ...(total === undefined ? {} : { total }),
  };
}
