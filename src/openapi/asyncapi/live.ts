import { ERRORS } from '../../errors.ts';
import { STEP_OPS } from '../../resources/table/types.ts';
import type { Capabilities } from '../capabilities.ts';
import type { Part } from '../schemas/schemas.ts';

/** Name of the channel, which no table can have: types do not begin with an underscore. */
export const LIVE_CHANNEL = '_live';

const text: Part = { type: 'string' };
const ID: Part = { type: ['string', 'integer'], description: 'Name that the client gives to a subscription.' };
const IDS: Part = { type: 'array', items: ID, description: 'The subscriptions that the message is for.' };
const REF: Part = { type: ['string', 'number'], description: 'Name that the client gives to a request.' };
const POSITION: Part = { type: 'string', description: 'Position in the log: opaque.' };
const KEY: Part = { type: ['string', 'integer', 'null'], description: 'Key of a record.' };
const TIME: Part = { type: 'string', format: 'date-time' };
const CONNECTOR: Part = { ...text, description: 'Connector with rooms; may be left out where there is only one.' };
const COUNT: Part = { type: 'integer', minimum: 0 };
const EXPIRY: Part = { type: ['string', 'null'], format: 'date-time' };
const RECORD: Part = {
  type: 'object',
  properties: { id: KEY, seq: POSITION, data: { type: 'object' } },
  required: ['id', 'seq', 'data'],
};

const STEP: Part = {
  type: 'object',
  properties: {
    op: { enum: STEP_OPS },
    table: text,
    id: { description: 'Key of the record, or `{"$ref":"name"}`: that of an earlier step.' },
    data: {},
    if_seq: { type: ['string', 'null'] },
    as: { ...text, description: 'Name for later steps.' },
  },
  required: ['op', 'table'],
};

interface MessageParts {
  readonly summary: string;
  readonly properties: Part;
  readonly required?: readonly string[];
}

const CLIENT: Readonly<Record<string, MessageParts>> = {
  subscribe: {
    summary: 'Opens a subscription to a list or a record, by its address and query, or joins a room.',
    properties: {
      id: ID,
      query: { ...text, description: 'Address below `/{app_id}/` with its query string: `Message?status==open`.' },
      since: POSITION,
      snapshot: { type: 'boolean', default: true },
      credit: { type: 'object', properties: { frames: COUNT, bytes: COUNT } },
      connector: CONNECTOR,
      room: { ...text, description: 'Room to join. Without it, what is sent to all clients and to the user.' },
    },
    required: ['id'],
  },
  unsubscribe: { summary: 'Ends a subscription.', properties: { id: ID }, required: ['id'] },
  credit: {
    summary: 'Lets the server send more for a subscription.',
    properties: { id: ID, frames: COUNT, bytes: COUNT },
    required: ['id'],
  },
  write: {
    summary: 'Writes a record, or publishes a message.',
    properties: {
      op: { enum: ['create', 'put', 'patch', 'merge', 'delete', 'publish'] },
      table: text,
      key: KEY,
      data: {},
      if_seq: { type: ['string', 'null'] },
      return: { const: 'record' },
      ref: REF,
    },
    required: ['op', 'table'],
  },
  transaction: {
    summary: 'Writes to several tables, all or nothing.',
    properties: { steps: { type: 'array', items: STEP, minItems: 1 }, return: { const: 'record' }, ref: REF },
    required: ['steps'],
  },
  send: {
    summary: 'Sends a message to flows.',
    properties: { connector: CONNECTOR, data: { type: 'object' }, ref: REF },
  },
  auth: { summary: 'Continues with a newer token.', properties: { token: text, ref: REF }, required: ['token'] },
  ping: { summary: 'Is answered with `pong`.', properties: { ref: REF } },
};

const OF_TRANSACTION = {
  tx: { ...POSITION, description: 'Mark of the transaction of the change: the position after it.' },
  more: { const: true, description: 'Another message of the same change or transaction follows.' },
  open: { const: true, description: 'A `commit` with this mark follows, when all subscriptions have their messages.' },
};
const CHANGE = { s: IDS, seq: POSITION, id: KEY, time: TIME, data: {} };
const CHANGE_MEMBERS = Object.keys(CHANGE);

const memberChange = (summary: string): MessageParts => ({
  summary,
  properties: { s: IDS, room: text, user_id: text },
  required: ['s', 'room', 'user_id'],
});

const SERVER: Readonly<Record<string, MessageParts>> = {
  hello: {
    summary: 'The first message.',
    properties: {
      protocol: { const: 'tablecast.v1' },
      connection: text,
      schema: text,
      rooms: { type: 'array', items: text, description: 'Connectors with rooms, by name.' },
      limits: { type: 'object', additionalProperties: COUNT },
      expires_at: EXPIRY,
      post: text,
    },
    required: ['protocol', 'connection', 'schema', 'limits'],
  },
  subscribed: { summary: 'The subscription is open.', properties: { id: ID }, required: ['id'] },
  unsubscribed: { summary: 'The subscription has ended.', properties: { id: ID }, required: ['id'] },
  page: {
    summary: 'Records of the snapshot.',
    properties: { s: IDS, records: { type: 'array', items: RECORD } },
    required: ['s', 'records'],
  },
  ready: {
    summary: 'What follows is live.',
    properties: { s: IDS, seq: POSITION, total: COUNT },
    required: ['s', 'seq'],
  },
  total: {
    summary: 'With `count=true`: the number of matching records; the change has no other message for the subscription.',
    properties: { s: IDS, seq: POSITION, total: COUNT, ...OF_TRANSACTION },
    required: ['s', 'seq', 'total'],
  },
  reset: {
    summary: 'The whole state follows.',
    properties: {
      s: IDS,
      seq: POSITION,
      reason: {
        enum: [
          'position_trimmed',
          'position_unknown',
          'rights_changed',
          'related_changed',
          'window_changed',
          'totals_changed',
          'interrupted',
        ],
      },
    },
    required: ['s', 'seq', 'reason'],
  },
  update: {
    summary: 'A record, or a result of `aggregate`, after a change.',
    properties: {
      ...CHANGE,
      op: { enum: ['create', 'update'] },
      changed: { type: 'array', items: text },
      reason: { const: 'window' },
      at: COUNT,
      record_seq: POSITION,
      ...OF_TRANSACTION,
      total: COUNT,
    },
    required: [...CHANGE_MEMBERS, 'op'],
  },
  delete: {
    summary: 'A record is no longer in the list.',
    properties: {
      ...CHANGE,
      reason: { enum: ['filter', 'window', 'empty', 'having'] },
      ...OF_TRANSACTION,
      total: COUNT,
    },
    required: CHANGE_MEMBERS,
  },
  publish: {
    summary: 'A message that was published.',
    properties: { ...CHANGE, ...OF_TRANSACTION },
    required: CHANGE_MEMBERS,
  },
  commit: {
    summary: 'Every subscription of the connection has its messages of this transaction.',
    properties: { tx: POSITION },
    required: ['tx'],
  },
  message: {
    summary: 'A message to a room, to all clients of a connector, or to the user.',
    properties: { s: IDS, data: {}, room: text },
    required: ['s', 'data'],
  },
  presence: {
    summary: 'The users in a room.',
    properties: { s: IDS, room: text, count: COUNT, members: { type: 'array', items: text } },
    required: ['s', 'room', 'count', 'members'],
  },
  member_joined: memberChange('A user is in a room.'),
  member_left: memberChange('A user is not in a room any more.'),
  ack: {
    summary: 'A write or a transaction is committed, or flows have handled a message.',
    properties: {
      ref: REF,
      key: KEY,
      seq: POSITION,
      changed: { type: 'boolean' },
      delivered: COUNT,
      data: {},
      replayed: { const: true },
      results: {
        type: 'array',
        items: { type: 'object' },
        description: 'Of the steps of a transaction, in their order.',
      },
    },
    required: ['ref'],
  },
  error: {
    summary: 'A subscription does not exist, or a request was not carried out.',
    properties: {
      id: ID,
      ref: REF,
      problem: {
        type: 'object',
        properties: { code: { enum: Object.keys(ERRORS) }, status: COUNT, detail: text },
        required: ['code', 'status', 'detail'],
      },
    },
    required: ['problem'],
  },
  auth: { summary: 'The token was accepted.', properties: { expires_at: EXPIRY, ref: REF }, required: ['expires_at'] },
  expiring: { summary: 'The token ends soon.', properties: { expires_at: EXPIRY }, required: ['expires_at'] },
  pong: { summary: 'The answer to `ping`.', properties: { ref: REF } },
};

/** Describes the messages of protocol v1, by their names in the document. */
export function liveMessages(): Readonly<Record<string, Part>> {
  const all = (prefix: string, messages: Readonly<Record<string, MessageParts>>) =>
    Object.entries(messages).map(([type, one]) => [`${LIVE_CHANNEL}.${prefix}${type}`, toMessage(type, one)] as const);
  return Object.fromEntries([...all('client.', CLIENT), ...all('', SERVER)]);
}

function toMessage(type: string, { summary, properties, required = [] }: MessageParts): Part {
  const payload = {
    type: 'object',
    properties: { type: { const: type }, ...properties },
    required: ['type', ...required],
  };
  return { name: type, summary, payload };
}

/** Describes the connection of protocol v1. `rooms`: the rules of rooms, in Markdown. */
export function liveChannel({ liveSubprotocols }: Capabilities, rooms: string): Part {
  const protocol = { type: 'string', enum: liveSubprotocols, description: 'Encoding of messages.' };
  const headers = { type: 'object', properties: { 'Sec-WebSocket-Protocol': protocol } };
  return {
    address: '/_/live',
    title: 'Protocol v1: everything live over one connection',
    ...(rooms === '' ? {} : { description: rooms }),
    messages: Object.fromEntries(
      Object.keys(liveMessages()).map((name) => [name, { $ref: `#/components/messages/${name}` }]),
    ),
    bindings: { ws: { method: 'GET', headers, bindingVersion: '0.1.0' } },
  };
}
