import { describeRoomRules } from '../../auth/rooms/explain.ts';
import type { RoomRule } from '../../auth/rooms/rules.ts';
import {
  type ContractOperation,
  eventStream,
  operationName,
  pathTemplate,
  SWITCHING,
} from '../../openapi/contract-operation.ts';
import { query } from '../../openapi/parameters.ts';
import type { RoomSettings } from './settings.ts';

export const ROOMS_TAG = 'Rooms';

const CODES = ['FORBIDDEN_ORIGIN', 'TOO_MANY_CONNECTIONS'] as const;
const MESSAGES =
  'Messages are JSON objects with a `type`: `join_room` and `leave_room` with a `room`, and those that flows of the application handle.';

function addressOf({ path, port, access }: RoomSettings) {
  const segments = path.split('/').filter((segment) => segment !== '');
  return {
    ...{ tag: ROOMS_TAG, method: 'get' as const, path: pathTemplate(segments).path },
    ...(port === undefined ? {} : { at: { port } }),
    ...(access === 'authenticated' ? { access } : {}),
  };
}

/** Describes the handshake of a WebSocket with rooms, for the API documents. `name` is that of the connector. */
export function describeRoomSocket(
  name: string,
  settings: RoomSettings,
  rules: readonly RoomRule[] | undefined,
): ContractOperation {
  return {
    ...addressOf(settings),
    id: operationName('open', [name]),
    summary: `Opens a WebSocket of the rooms "${name}"`,
    description: [MESSAGES, describeRoomRules(rules)].join('\n\n').trim(),
    responses: { 101: SWITCHING },
    codes: [...CODES, 'UPGRADE_REQUIRED'],
  };
}

/** Describes an event stream with rooms, for the API documents. `name` is that of the connector. */
export function describeRoomStream(
  name: string,
  settings: RoomSettings,
  rules: readonly RoomRule[] | undefined,
): ContractOperation {
  return {
    ...addressOf(settings),
    id: operationName('stream', [name]),
    summary: `Streams what is sent to the rooms "${name}"`,
    ...(rules === undefined ? {} : { description: describeRoomRules(rules) }),
    parameters: [query('room', { type: 'string' }, 'A room to join; may be repeated.', 'lobby')],
    responses: { 200: eventStream('Server-Sent Events.') },
    codes: [...CODES, 'BAD_REQUEST'],
  };
}
