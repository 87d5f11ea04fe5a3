import { AppError } from '../../errors.ts';
import type { Frame, FullEncoding, ResetReason } from '../../hub/encode.ts';
import { timestampOf } from '../../hub/encode.ts';
import { parseJsonText } from '../../resources/body/json.ts';
import { type BinaryCodec, type BinaryLimits, loadBinary } from '../../server/content/binary.ts';
import type { MessageFormat } from '../../server/content/formats.ts';
import { encodeBinary, encodeJson } from '../socket/text-frames.ts';
import { WS_ENCODING } from './frames.ts';

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
      ready: (seq: number) => encode({ type: 'ready', seq }),
      reset: (reason: ResetReason, seq: number) => encode({ type: 'reset', reason, seq }),
    },
    encode,
    decode(message, isBinary) {
      if (isBinary) return codec.decode(message, limits);
      throw new AppError('INVALID_MESSAGE', `A message is a binary frame: tablecast.${name} was agreed on.`);
    },
  };
}

/** PROTOCOL.md §4.1, with the same members in the same order as in JSON. */
function messageOf({ type, op, id, data, seq, reason, changed }: Frame): object {
  return {
    message_type: type,
    data: JSON.parse(data) as unknown,
    id,
    timestamp: timestampOf(seq),
    seq,
    op,
    ...(reason === undefined ? {} : { reason }),
    ...(changed === undefined ? {} : { changed }),
  };
}
