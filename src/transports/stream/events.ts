import type { Frame, FullEncoding, ResetReason } from '../../hub/encode.ts';

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
export function makeSseEncoding(key: string, framing: Framing): FullEncoding {
  return {
    key,
    // A retained record has no id: until `ready`, the snapshot cannot be resumed.
    frame: (frame: Frame) =>
      framing(formatEvent(EVENTS[frame.type], dataOf(frame), frame.type === 'Retained' ? undefined : frame.seq)),
    ready: (seq: number) => framing(formatEvent('ready', JSON.stringify({ type: 'ready', seq }), seq)),
    reset: (reason: ResetReason, seq: number) =>
      framing(formatEvent('reset', JSON.stringify({ type: 'reset', reason, seq }))),
  };
}

/** An event has no member beside its data: the key of a record of which only changed fields are sent goes into it. */
function dataOf({ data, key }: Frame): string {
  return key === undefined ? data : `${key.slice(0, -1)},${data.slice(1)}`;
}

export const CHUNKED_ENCODING: FullEncoding = makeSseEncoding('sse-chunked', chunked);
export const PLAIN_ENCODING: FullEncoding = makeSseEncoding('sse', plain);
