import type { Frame, FullEncoding, ResetReason } from '../../hub/encode.ts';
import { timestampOf } from '../../hub/encode.ts';
import { encodeJson, encodeText } from '../sockets/text-frames.ts';

/** PROTOCOL.md §4.1. The record's JSON text is taken as it is. */
export const WS_ENCODING: FullEncoding = {
  key: 'ws',
  frame: ({ type, op, id, data, seq, reason, changed }: Frame) =>
    encodeText(
      `{"message_type":"${type}","data":${data},"id":${JSON.stringify(id)},"timestamp":"${timestampOf(seq)}",` +
        `"seq":${seq},"op":"${op}"${reason === undefined ? '' : `,"reason":"${reason}"`}` +
        `${changed === undefined ? '' : `,"changed":${JSON.stringify(changed)}`}}`,
    ),
  ready: (seq: number) => encodeJson({ type: 'ready', seq }),
  reset: (reason: ResetReason, seq: number) => encodeJson({ type: 'reset', reason, seq }),
};
