import type { AppError } from '../../errors.ts';

/** First bytes of whole frames: text and binary data. */
export const TEXT = 0x81;
export const BINARY = 0x82;

/** A ping without a payload, RFC 6455 §5.5.2. */
export const PING_FRAME: Buffer = Buffer.from([0x89, 0]);

/** Encodes an unmasked text frame of a server, RFC 6455 §5.2. */
export function encodeText(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const frame = allocateFrame(TEXT, length);
  frame.write(text, frame.length - length);
  return frame;
}

/** Encodes an unmasked binary frame of a server. */
export function encodeBinary(bytes: Uint8Array): Buffer {
  const frame = allocateFrame(BINARY, bytes.length);
  frame.set(bytes, frame.length - bytes.length);
  return frame;
}

/** Encodes an unmasked frame with this first byte from the parts of its payload. */
export function encodeFrame(first: number, parts: readonly Uint8Array[]): Buffer {
  let length = 0;
  for (const part of parts) length += part.length;
  const frame = allocateFrame(first, length);
  let offset = frame.length - length;
  for (const part of parts) {
    frame.set(part, offset);
    offset += part.length;
  }
  return frame;
}

/** Place of a frame in bytes that begin with its header: where its payload begins and ends. */
export interface FramePlace {
  readonly start: number;
  readonly end: number;
}

/** Finds the payload of the unmasked frame that begins at `offset`. */
export function findFrame(bytes: Buffer, offset: number): FramePlace {
  const length = bytes[offset + 1] as number;
  if (length < 126) return { start: offset + 2, end: offset + 2 + length };
  if (length === 126) return { start: offset + 4, end: offset + 4 + bytes.readUInt16BE(offset + 2) };
  return { start: offset + 10, end: offset + 10 + Number(bytes.readBigUInt64BE(offset + 2)) };
}

/** Allocates a frame with its header written, and `length` bytes after it. */
function allocateFrame(type: number, length: number): Buffer {
  const header = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(header + length);
  frame[0] = type;
  if (header === 2) {
    frame[1] = length;
  } else if (header === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  return frame;
}

export function encodeJson(value: unknown): Buffer {
  return encodeText(JSON.stringify(value));
}

/** Formats an error after which the connection continues (PROTOCOL.md). */
export function errorMessage({ code, message, errors, step }: AppError, ref?: unknown): object {
  return {
    type: 'error',
    code,
    message,
    ...(errors === undefined ? {} : { details: errors }),
    ...(step === undefined ? {} : { step }),
    ...(ref === undefined ? {} : { ref }),
  };
}
