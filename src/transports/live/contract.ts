import { type ContractOperation, type Described, eventStream, SWITCHING } from '../../openapi/contract-operation.ts';
import { query } from '../../openapi/parameters.ts';

const TAG = 'Protocol v1';
const CLIENT = query(
  'client',
  { type: 'string', pattern: '^[A-Za-z0-9._~-]{1,128}$' },
  'Id that the client has generated: a write with a `ref` that it sends again is carried out once.',
  'c-1',
);

const OPEN: ContractOperation = {
  id: 'openLive',
  tag: TAG,
  method: 'get',
  path: '/_/live',
  summary: 'Opens a connection of protocol v1: subscriptions, writes and messages over one connection',
  description:
    'A WebSocket (`tablecast.v1.json`, `.cbor` or `.msgpack`), or with `Accept: text/event-stream` an event stream. Messages are described by `asyncapi.json` and PROTOCOL.md.',
  parameters: [CLIENT],
  responses: { 101: SWITCHING, 200: eventStream('The stream; its first event has the address for messages.') },
  codes: ['INVALID_QUERY', 'FORBIDDEN_ORIGIN', 'UPGRADE_REQUIRED', 'TOO_MANY_CONNECTIONS'],
};

const SEND: ContractOperation = {
  id: 'sendLive',
  tag: TAG,
  method: 'post',
  path: '/_/live/{connection}',
  summary: 'Sends messages of protocol v1 for an event stream',
  parameters: [
    { name: 'connection', in: 'path', required: true, schema: { type: 'string', minLength: 1 }, example: 'a-1' },
  ],
  body: {
    required: true,
    content: {
      'application/json': {
        schema: { anyOf: [{ type: 'object' }, { type: 'array', items: { type: 'object' }, minItems: 1 }] },
        example: { type: 'ping', ref: 1 },
      },
    },
  },
  responses: { 202: { description: 'The messages were accepted; answers come on the stream.' } },
  codes: ['NOT_FOUND', 'INVALID_JSON', 'BODY_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE', 'FORBIDDEN'],
};

/** Describes protocol v1 for the API documents. */
export function describeLive(): Described {
  return {
    operations: [OPEN, SEND],
    tags: [{ name: TAG, description: 'Everything live over one connection (PROTOCOL.md §7).' }],
  };
}
