import { type Frame, type FullEncoding, formatTotal, type ResetReason } from '../../hub/encode.ts';

const EVENTS = { Update: 'update', Delete: 'delete', Publish: 'publish', Retained: 'retained' } as const;

/** Frames text as bytes: HTTP/1.1 needs chunks, HTTP/1.0 and HTTP/2 do not. */
export type Framing = (text: string) => Buffer;

export const plain: Framing = (text) => {
  const bytes = Buffer.from(text);
  return bytes.length === text.length ? bytes : Buffer.from(escapeLineEnds(text));
};

/** Frames one chunk of RFC 9112 §7.1. Chunks can be concatenated, so that the bytes are shared by all sockets. */
export const chunked: Framing = (text) => {
  const length = Buffer.byteLength(text);
  if (length === text.length) return chunk(text, length);
  const escaped = escapeLineEnds(text);
  return chunk(escaped, Buffer.byteLength(escaped));
};

function chunk(text: string, length: number): Buffer {
  return Buffer.from(`${length.toString(16)}\r\n${text}\r\n`);
}

const LINE_ENDS = /[\u0085\u2028\u2029]/;

/**
 * Escapes the line ends of Unicode in JSON text, which stays the same value. The standard has CR and LF only, but many
 * clients split lines by Unicode's. A text that is as long in bytes as in characters has none, and is not searched.
 */
function escapeLineEnds(text: string): string {
  if (!LINE_ENDS.test(text)) return text;
  return text.replaceAll(/[\u0085\u2028\u2029]/g, (end) => `\\u${end.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** End of a chunked body. */
export const LAST_CHUNK: Buffer = Buffer.from('0\r\n\r\n');

/** Formats one event. `data` is JSON text, which has no CR or LF; the framing escapes the line ends of Unicode. */
export function formatEvent(event: string, data: string, id?: number): string {
  return `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${data}\n\n`;
}

/** Encodes the frames of a table as events: PROTOCOL.md §4.3. */
export function makeSseEncoding(key: string, framing: Framing): FullEncoding {
  return {
    key,
    // A retained record has no id: until `ready`, the snapshot cannot be resumed. So it is before the last frame of a change.
    // An event of a record has no member beside its data: the number of records is an event of its own, with the id of both.
    frame: (frame: Frame) => {
      const { type, seq, total } = frame;
      if (type === 'Total') return framing(formatTotalEvent(frame));
      if (total !== undefined) return framing(formatEvent(EVENTS[type], toDataLines(frame)) + formatTotalEvent(frame));
      const hasId = type !== 'Retained' && frame.more === undefined;
      return framing(formatEvent(EVENTS[type], toDataLines(frame), hasId ? seq : undefined));
    },
    ready: (seq: number, total?: number) =>
      framing(formatEvent('ready', JSON.stringify({ type: 'ready', seq, total }), seq)),
    reset: (reason: ResetReason, seq: number) =>
      framing(formatEvent('reset', JSON.stringify({ type: 'reset', reason, seq }))),
  };
}

function formatTotalEvent(frame: Frame): string {
  return formatEvent('total', formatTotal(frame), frame.more === undefined ? frame.seq : undefined);
}

/**
 * Adds the key of a record of which only changed fields are sent, and its place in a window, which is no name of a field:
 * an event has no member beside its data.
 */
function toDataLines({ data, key, at }: Frame): string {
  const whole = key === undefined ? data : data === '{}' ? key : `${key.slice(0, -1)},${data.slice(1)}`;
  return at === undefined ? whole : `${whole.slice(0, -1)},"$at":${at}}`;
}

export const CHUNKED_ENCODING: FullEncoding = makeSseEncoding('sse-chunked', chunked);
export const PLAIN_ENCODING: FullEncoding = makeSseEncoding('sse', plain);
