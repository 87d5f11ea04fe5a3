import type { Encoding, Frame, ResetReason } from '../../hub/encode.ts';

const EVENTS = { Update: 'update', Delete: 'delete', Publish: 'publish', Retained: 'retained' } as const;

/** How bytes are framed: HTTP/1.1 wants chunks, HTTP/1.0 and HTTP/2 do not. */
export type Framing = (text: string) => Buffer;

export const plain: Framing = (text) => Buffer.from(text);

/** One chunk of RFC 9112 §7.1. Chunks can be concatenated, so that the bytes are shared by all sockets. */
export const chunked: Framing = (text) => Buffer.from(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`);

/** The end of a chunked body. */
export const LAST_CHUNK: Buffer = Buffer.from('0\r\n\r\n');

/** One event. `data` must not have line breaks: JSON text has none. */
export function formatEvent(event: string, data: string, id?: number): string {
  return `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${data}\n\n`;
}

/** PROTOCOL.md §4.3. */
export function makeSseEncoding(key: string, framing: Framing): Encoding {
  return {
    key,
    frame: ({ type, data, seq }: Frame) =>
      // A retained record has no id: until `ready`, the snapshot cannot be resumed.
      framing(formatEvent(EVENTS[type], data, type === 'Retained' ? undefined : seq)),
    ready: (seq: number) => framing(formatEvent('ready', JSON.stringify({ type: 'ready', seq }), seq)),
    reset: (reason: ResetReason, seq: number) =>
      framing(formatEvent('reset', JSON.stringify({ type: 'reset', reason, seq }))),
  };
}

export const CHUNKED_ENCODING: Encoding = makeSseEncoding('sse-chunked', chunked);
export const PLAIN_ENCODING: Encoding = makeSseEncoding('sse', plain);
