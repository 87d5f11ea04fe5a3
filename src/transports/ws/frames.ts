import { type Frame, type FullEncoding, formatFrame, type ResetReason } from '../../hub/encode.ts';
import { encodeJson, encodeText } from '../socket/text-frames.ts';

/** Encodes the frames of a table for WebSockets: PROTOCOL.md §4.1. */
export const WS_ENCODING: FullEncoding = {
  key: 'ws',
  frame: (frame: Frame) => encodeText(formatFrame(frame)),
  ready: (seq: number) => encodeJson({ type: 'ready', seq }),
  reset: (reason: ResetReason, seq: number) => encodeJson({ type: 'reset', reason, seq }),
};
