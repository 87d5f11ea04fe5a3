import type { Encoding, Frame, ResetReason } from '../../hub/encode.ts';
import { formatPlace, timestampOf } from '../../hub/encode.ts';
import { encodeText } from '../socket/text-frames.ts';
import { chunked, plain } from '../stream/events.ts';

export const OPERATIONS = ['create', 'update', 'delete'] as const;
export type SubscribedOperation = (typeof OPERATIONS)[number];

/** Name that a client gives to one of its subscriptions. */
export type ClientId = string | number;

/** Encodes JSON text for the wire. `seq`: a client that has this message has everything up to it. */
export interface Wire {
  readonly key: string;
  pack(json: string, seq?: number): Buffer;
}

export const SOCKET_WIRE: Wire = { key: 'ws', pack: encodeText };

/** Server-Sent Events. `ids`: events have their seq as id, which is right for a stream with one subscription only. */
export function streamWire(isChunked: boolean, ids: boolean): Wire {
  const framing = isChunked ? chunked : plain;
  return {
    key: `sse${isChunked ? ' chunked' : ''}${ids ? ' ids' : ''}`,
    pack: (json, seq) => framing(formatMessage(json, ids ? seq : undefined)),
  };
}

/** Formats an event without a name, which clients receive as `message`. */
export function formatMessage(json: string, id?: number): string {
  return `${id === undefined ? '' : `id: ${id}\n`}data: ${json}\n\n`;
}

/** Formats an error; with a `type` too, for clients that look at nothing else. */
export function errorMessage(error: string, members: object = {}): object {
  return { error, type: 'error', ...members };
}

export interface EncodingOptions {
  readonly collection: string;
  readonly id?: ClientId;
  readonly operations: ReadonlySet<SubscribedOperation>;
  /** True when the client has asked for a position or for stored records, and so receives positions. */
  readonly positions: boolean;
}

/** PROTOCOL.md §4.6. Subscriptions with the same id share their bytes too: clients count theirs in the same way. */
export function makeEncoding(
  { collection, id, operations, positions }: EncodingOptions,
  { key, pack }: Wire,
): Encoding {
  const own = id === undefined ? '' : `,"id":${JSON.stringify(id)}`;
  const wanted = OPERATIONS.filter((operation) => operations.has(operation));
  const control = (type: string, rest: string) => `{"type":"${type}","collection":"${collection}"${own}${rest}}`;
  return {
    key: `gateway ${key} ${positions} ${wanted} ${collection}${own}`,
    frame: (frame: Frame) => {
      const event = eventOf(frame);
      if (event === undefined || (event !== 'retained' && !operations.has(event))) return undefined;
      const { data, seq, reason, more } = frame;
      const why = reason === undefined ? '' : `,"reason":"${reason}"`;
      const json =
        `{"type":"${collection}.${event}","timestamp":"${timestampOf(seq)}","data":${data}` +
        `,"seq":${seq}${own}${why}${formatPlace(frame)}}`;
      // Until `ready`, a snapshot cannot be resumed, nor a change before its last frame.
      return pack(json, event === 'retained' || more !== undefined ? undefined : seq);
    },
    ready: (seq: number) => (positions ? pack(control('ready', `,"seq":${seq}`), seq) : undefined),
    reset: (reason: ResetReason, seq: number) =>
      positions ? pack(control('reset', `,"reason":"${reason}","seq":${seq}`)) : undefined,
  };
}

/** Undefined for a published message: it is not a record, and this protocol has no event for it. */
function eventOf({ type, op }: Frame): SubscribedOperation | 'retained' | undefined {
  if (type === 'Publish') return undefined;
  if (type === 'Retained') return 'retained';
  if (type === 'Delete') return 'delete';
  return op === 'create' ? 'create' : 'update';
}

/** Returns the heartbeat as the message of a socket, at the present time. */
export function heartbeatFrame(): Buffer {
  return encodeText(JSON.stringify({ type: 'heartbeat', timestamp: new Date().toISOString() }));
}

/** Returns the heartbeat as the event of a stream, at the present time. */
export function heartbeatEvent(): string {
  return JSON.stringify({ event: 'heartbeat', type: 'heartbeat', timestamp: new Date().toISOString() });
}
