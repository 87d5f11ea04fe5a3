/** Formats in which records are sent and accepted. All of them hold exactly the values of JSON. */
export const FORMATS = ['json', 'ndjson', 'csv', 'cbor', 'msgpack'] as const;
export type Format = (typeof FORMATS)[number];

/** Formats of bytes, not text. */
export type BinaryFormat = 'cbor' | 'msgpack';

/** Formats of WebSocket messages. */
export type MessageFormat = 'json' | BinaryFormat;

/** Message formats by their name in `Sec-WebSocket-Protocol`; text frames for JSON, binary frames for the others. */
export const SUBPROTOCOLS: ReadonlyMap<string, MessageFormat> = new Map([
  ['tablecast.json', 'json'],
  ['tablecast.cbor', 'cbor'],
  ['tablecast.msgpack', 'msgpack'],
]);

/** The same for protocol v1. */
export const LIVE_SUBPROTOCOLS: ReadonlyMap<string, MessageFormat> = new Map([
  ['tablecast.v1.json', 'json'],
  ['tablecast.v1.cbor', 'cbor'],
  ['tablecast.v1.msgpack', 'msgpack'],
]);

interface MediaTypes {
  /** Names, the usual one first; a client that asks for another name gets that name. */
  readonly names: readonly [string, ...string[]];
  /** Parameters after the name in Content-Type. */
  readonly parameters: string;
}

export const MEDIA_TYPES: Readonly<Record<Format, MediaTypes>> = {
  json: { names: ['application/json'], parameters: '; charset=utf-8' },
  ndjson: { names: ['application/x-ndjson', 'application/jsonl'], parameters: '; charset=utf-8' },
  // RFC 7111 and RFC 4180: the first row has the names of the columns.
  csv: { names: ['text/csv'], parameters: '; charset=utf-8; header=present' },
  cbor: { names: ['application/cbor'], parameters: '' },
  msgpack: {
    names: ['application/vnd.msgpack', 'application/x-msgpack', 'application/msgpack'],
    parameters: '',
  },
};

/** Names of all formats, in the order in which the server prefers them. */
export const MEDIA_TYPE_NAMES: readonly string[] = FORMATS.flatMap((format) => MEDIA_TYPES[format].names);

/** Usual name of each format; the first is that of JSON. */
export const USUAL_MEDIA_TYPES: readonly [string, ...string[]] = [
  MEDIA_TYPES.json.names[0],
  ...FORMATS.slice(1).map((format) => MEDIA_TYPES[format].names[0]),
];

export function formatNamed(mediaType: string): Format {
  const format = FORMATS.find((it) => MEDIA_TYPES[it].names.includes(mediaType));
  if (format === undefined) throw new Error(`${mediaType} is not a media type of a format`);
  return format;
}
