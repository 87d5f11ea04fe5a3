import { type ContractOperation, type Described, eventStream, SWITCHING } from '../../openapi/contract-operation.ts';
import { query } from '../../openapi/parameters.ts';
import { EXAMPLE_SEQ } from '../../openapi/schemas/examples.ts';

const TAG = 'Multiplexed channels';
const text = { type: 'string' };

/** Describes the multiplexed protocol (PROTOCOL.md §4.6) for the API documents. `path` is `realtime.path` of config.yaml. */
export function describeGateway(path: string): Described {
  const socket: ContractOperation = {
    id: 'openChannels',
    tag: TAG,
    method: 'get',
    path: `${path}/ws`,
    summary: 'Opens a WebSocket with many subscriptions',
    description: 'Messages are JSON: `{"action":"subscribe","collection":"…"}` and `{"action":"unsubscribe",…}`.',
    responses: { 101: SWITCHING },
    codes: ['FORBIDDEN_ORIGIN', 'UPGRADE_REQUIRED', 'TOO_MANY_CONNECTIONS'],
  };
  const stream: ContractOperation = {
    id: 'streamChannels',
    tag: TAG,
    method: 'get',
    path: `${path}/subscribe`,
    summary: 'Streams changes of several tables as Server-Sent Events',
    parameters: [
      query('collection', text, 'A table; may be repeated. Without it all tables.', 'Message'),
      query('operations', text, 'Only these operations, separated by commas.', 'create,update'),
      query('filter', text, 'Only records that meet these conditions.', 'id!=a-1'),
      query('select', text, 'Only these fields.', 'id'),
      query('sort', text, 'Follows the window of a list in this order.', '-id'),
      query('limit', { type: 'integer', minimum: 1 }, 'Records of the window.', 10),
      query('offset', { type: 'integer', minimum: 0 }, 'Records before the window.', 0),
      query('cursor', text, 'The window begins after a page, from its `Link`.', 'WyJpZCIsImEtMSJd'),
      query('since', { type: 'integer', format: 'int64' }, 'Everything after this position.', EXAMPLE_SEQ),
      query('retained', { type: 'boolean' }, 'First what is stored.', true),
    ],
    responses: { 200: eventStream('Server-Sent Events.') },
    codes: ['INVALID_QUERY', 'INVALID_POSITION', 'NOT_FOUND', 'FORBIDDEN_ORIGIN', 'TOO_MANY_CONNECTIONS'],
  };
  return {
    operations: [socket, stream],
    tags: [{ name: TAG, description: 'Many subscriptions over one connection.' }],
  };
}
