import type { TablePlan } from '../../schema/plan.ts';
import { isOffered } from '../../schema/plan.ts';
import type { Capabilities } from '../capabilities.ts';
import { type ContractSource, exportedTables } from '../openapi.ts';
import { idParameter } from '../parameters.ts';
import { componentSchemas } from '../schemas/component-schemas.ts';
import { nameMessages, titled } from '../schemas/named-schemas.ts';
import type { Part } from '../schemas/schemas.ts';
import { LIVE_CHANNEL, liveChannel, liveMessages } from './live.ts';
import { channelMessages, controlMessages } from './messages.ts';

const ABOUT = [
  'The WebSocket channels; every frame is one JSON object, or the same in CBOR or MessagePack when that was selected. Change frames have `message_type`, control frames have `type`.',
  'The same changes come as Server-Sent Events, which openapi.json describes.',
].join(' ');

/** Makes the AsyncAPI 3.0 document of the WebSocket channels, from the server's side: it sends changes, and receives writes. */
export function makeAsyncApi({
  plan,
  version,
  limits,
  secure,
  host,
  capabilities,
  live = false,
  rooms = '',
}: ContractSource): Part {
  const tables = exportedTables(plan).filter((table) => table.transports.has('ws') && isOffered(table, 'subscribe'));
  const channels: NamedChannel[] = tables.flatMap((table) => [
    tableChannel(table, capabilities),
    recordChannel(table, limits.id, capabilities),
  ]);
  if (live) channels.push([LIVE_CHANNEL, liveChannel(capabilities, rooms)]);
  const all = tables.flatMap((table) => Object.entries(channelMessages(table, capabilities)));
  const { messages, schemas } = nameMessages({
    ...Object.fromEntries(all),
    ...controlMessages(),
    ...(live ? liveMessages() : {}),
  });
  return {
    asyncapi: '3.0.0',
    info: { title: plan.appId, version, description: ABOUT },
    servers: {
      ws: {
        host: '{host}',
        pathname: `/${plan.appId}`,
        protocol: secure ? 'wss' : 'ws',
        variables: { host: { default: host, description: 'Host and port of the server.' } },
      },
    },
    defaultContentType: 'application/json',
    channels: Object.fromEntries(channels),
    operations: Object.fromEntries(channels.flatMap(([name, channel]) => operations(name, channel))),
    components: {
      schemas: { ...titled(componentSchemas(tables, limits.id)), ...schemas },
      messages,
    },
  };
}

type NamedChannel = readonly [name: string, channel: Part];

function tableChannel(table: TablePlan, capabilities: Capabilities): NamedChannel {
  const { name, exportName, description } = table;
  return [
    name,
    {
      address: `/${exportName}`,
      title: `All records of ${name}`,
      ...(description === undefined ? {} : { description }),
      messages: messageRefs(table, capabilities),
      bindings: subscriptionBinding(false, capabilities),
    },
  ];
}

function recordChannel(table: TablePlan, maxIdLength: number, capabilities: Capabilities): NamedChannel {
  const { description } = idParameter(table, maxIdLength);
  return [
    `${table.name}.record`,
    {
      address: `/${table.exportName}/{id}`,
      title: `One record of ${table.name}, whether or not it exists yet`,
      parameters: { id: { description } },
      messages: messageRefs(table, capabilities),
      bindings: subscriptionBinding(true, capabilities),
    },
  ];
}

function messageRefs(table: TablePlan, capabilities: Capabilities): Part {
  const names = [...Object.keys(channelMessages(table, capabilities)), ...Object.keys(controlMessages())];
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/messages/${name}` }]));
}

const WINDOW_PARAMETERS = {
  sort: { type: 'string', description: 'Follows the window of a list in this order: `-made,title`.' },
  limit: { type: 'integer', minimum: 1, description: 'Records of the window. With any of these `retained` is on.' },
  offset: { type: 'integer', minimum: 0, description: 'Records before the window.' },
  cursor: { type: 'string', description: 'The window begins after a page, from its `Link`.' },
};

/** Describes the query and the headers of the handshake. */
function subscriptionBinding(isRecord: boolean, { delta, subprotocols }: Capabilities): Part {
  const properties = {
    since: { type: 'integer', description: 'Resume: everything after this position.' },
    retained: { type: 'boolean', default: isRecord, description: 'First what is stored, as `Retained`.' },
    echo: { type: 'boolean', default: true, description: '`false`: without the changes that this connection made.' },
    client: {
      type: 'string',
      pattern: '^[A-Za-z0-9._~-]{1,128}$',
      description:
        "The client's own stable id, a UUID for example: a message with a `ref` that it sends again is carried out once.",
    },
    select: { type: 'string', description: 'Only these fields in `data`, separated by commas.' },
    filter: { type: 'string', description: 'Only records that meet these conditions.' },
    ...(isRecord ? {} : WINDOW_PARAMETERS),
    ...(delta
      ? { delta: { type: 'boolean', default: false, description: 'Updates with only the fields that changed.' } }
      : {}),
  };
  const protocol = {
    type: 'string',
    enum: subprotocols,
    description: 'Encoding of messages, both ways. JSON without it; the others use binary frames.',
  };
  const headers = { type: 'object', properties: { 'Sec-WebSocket-Protocol': protocol } };
  return { ws: { method: 'GET', query: { type: 'object', properties }, headers, bindingVersion: '0.1.0' } };
}

function operations(name: string, { messages }: Part): readonly (readonly [string, Part])[] {
  const names = Object.keys(messages as Part);
  const refs = (wanted: readonly string[]) => wanted.map((it) => ({ $ref: `#/channels/${name}/messages/${it}` }));
  const received = names.filter((it) => it.includes('.client.'));
  const sent = names.filter((it) => !it.includes('.client.'));
  const channel = { $ref: `#/channels/${name}` };
  return [
    [`send.${name}`, { action: 'send', summary: 'Messages that the server sends.', channel, messages: refs(sent) }],
    ...(received.length === 0
      ? []
      : [
          [
            `receive.${name}`,
            { action: 'receive', summary: 'Messages that a client may send.', channel, messages: refs(received) },
          ] as const,
        ]),
  ];
}
