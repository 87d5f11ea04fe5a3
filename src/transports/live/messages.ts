import { AppError } from '../../errors.ts';
import { isObject } from '../../resources/body/values.ts';
import { parseRef, type Ref } from '../socket/auth-message.ts';
import type { LiveId } from './codec.ts';
import type { RoomTarget } from './rooms/rooms.ts';
import type { Credit } from './subscriptions/credit.ts';

/** Characters of the id of a subscription: a longer one is the client's state, not a name. */
export const MAX_ID_CHARS = 128;
/** Characters of an unknown type that are quoted in an error. */
const MAX_QUOTED_CHARS = 100;

export type WriteOp = 'create' | 'put' | 'patch' | 'merge' | 'delete' | 'publish';

/** Members of the messages of a client, besides `type`: PROTOCOL.md §7.2. */
const MEMBERS = {
  subscribe: ['id', 'query', 'since', 'snapshot', 'credit', 'connector', 'room'],
  unsubscribe: ['id'],
  credit: ['id', 'frames', 'bytes'],
  write: ['ref', 'op', 'table', 'key', 'data', 'if_seq', 'return'],
  transaction: ['steps', 'return', 'ref'],
  send: ['connector', 'data', 'ref'],
  auth: ['token', 'ref'],
  ping: ['ref'],
} as const;

export type LiveMessageType = keyof typeof MEMBERS;

export interface LiveMessage {
  readonly type: LiveMessageType;
  /** Name of the subscription; undefined in messages about none. */
  readonly id: LiveId | undefined;
  readonly ref: Ref | undefined;
  readonly value: Readonly<Record<string, unknown>>;
}

/** Subscription or request that an error is about. */
export interface LiveAbout {
  readonly id?: LiveId;
  readonly ref?: Ref;
}

/** Reads what a message is about, as far as that can be read. */
export function aboutOf(value: unknown): LiveAbout {
  if (!isObject(value)) return {};
  const { type, id, ref } = value;
  if (type === 'subscribe' || type === 'unsubscribe' || type === 'credit') return isId(id) ? { id } : {};
  const isRef = typeof ref === 'number' || typeof ref === 'string';
  return isRef ? { ref } : {};
}

/** Checks the type and the members of a message. Throws INVALID_MESSAGE. */
export function parseLiveMessage(value: unknown): LiveMessage {
  if (!isObject(value)) throw invalid('A message is an object with a type.');
  const { type } = value;
  if (typeof type !== 'string' || !Object.hasOwn(MEMBERS, type)) {
    const found = JSON.stringify(type)?.slice(0, MAX_QUOTED_CHARS);
    throw invalid(`type must be ${Object.keys(MEMBERS).join(', ')}, not ${found}.`);
  }
  const known: readonly string[] = MEMBERS[type as LiveMessageType];
  const unknown = Object.keys(value).find((name) => name !== 'type' && !known.includes(name));
  if (unknown !== undefined) {
    throw invalid(`${type} has no property ${JSON.stringify(unknown.slice(0, MAX_QUOTED_CHARS))}.`);
  }
  const hasId = known.includes('id');
  if (hasId && !isId(value.id)) {
    throw invalid(`id must be an integer or a string of 1 to ${MAX_ID_CHARS} characters.`);
  }
  const id = hasId ? (value.id as LiveId) : undefined;
  return { type: type as LiveMessageType, id, ref: parseRef(value.ref), value };
}

function isId(id: unknown): id is LiveId {
  if (typeof id === 'number') return Number.isSafeInteger(id);
  return typeof id === 'string' && id.length >= 1 && id.length <= MAX_ID_CHARS && id.isWellFormed();
}

/** Target of a subscription: a table or a record, and the query of its channel. */
export interface LiveTarget {
  readonly table: string;
  /** Segment of the record's id, decoded; undefined for a table. */
  readonly segment: string | undefined;
  readonly rawQuery: string;
}

/** Reads `query`: the address of a list or record below `/{app_id}/`, with its query string. Throws INVALID_MESSAGE. */
export function parseTarget({ value: { query, since, snapshot } }: LiveMessage): LiveTarget {
  if (typeof query !== 'string' || !query.isWellFormed()) {
    throw invalid('query must be the address of a list or a record, such as "Message?status==open".');
  }
  const end = query.indexOf('?');
  const path = end < 0 ? query : query.slice(0, end);
  const text = end < 0 ? '' : query.slice(end + 1);
  const [table = '', segment, ...more] = path.split('/');
  if (table === '' || segment === '' || more.length > 0) {
    throw invalid('query begins with the name of a table, or of a table and a record: "Message" or "Message/m1".');
  }
  if (/(?:^|&)(?:since|retained|client|stream)=/.test(text)) {
    throw invalid(
      'since and snapshot are properties of the message, and client belongs to the address of the connection.',
    );
  }
  const parts = [text, ...startOf(since, snapshot)].filter((part) => part !== '');
  return { table, segment: segment === undefined ? undefined : decode(segment), rawQuery: parts.join('&') };
}

/** True when a `subscribe` is about a room or a connector, and not about a query. */
export function isAboutRoom({ value: { connector, room } }: LiveMessage): boolean {
  return connector !== undefined || room !== undefined;
}

/** Reads `connector` and `room`. Throws INVALID_MESSAGE. */
export function parseRoomTarget({ value: { connector, room, query, since, snapshot } }: LiveMessage): RoomTarget {
  if (query !== undefined || since !== undefined || snapshot !== undefined) {
    throw invalid('A subscription to a room has connector, room and credit; it has no query, since or snapshot.');
  }
  if (room !== undefined && typeof room !== 'string') throw invalid('room must be the name of a room.');
  return { connector: parseConnector(connector), room };
}

/** Reads the name of a connector, which may be left out. Throws INVALID_MESSAGE. */
export function parseConnector(connector: unknown): string | undefined {
  if (connector === undefined || typeof connector === 'string') return connector;
  throw invalid('connector must be the name of a connector with rooms.');
}

/** Parameters for the start of a subscription: after a position, with the stored state first (the default), or from now on. */
function startOf(since: unknown, snapshot: unknown): string[] {
  if (since !== undefined && since !== null) {
    if (typeof since !== 'string') throw invalid('since must be the seq of a message: a string.');
    return [`since=${encodeURIComponent(since)}`, 'retained=false'];
  }
  if (snapshot !== undefined && snapshot !== null && typeof snapshot !== 'boolean') {
    throw invalid('snapshot must be true or false.');
  }
  return [`retained=${snapshot !== false}`];
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw invalid('The id of the record in query is not percent-encoded UTF-8.');
  }
}

/** Reads an amount of credit: `frames`, `bytes` or both. Throws INVALID_MESSAGE. */
export function parseCredit(value: unknown): Credit {
  if (!isObject(value)) throw invalid('credit must be an object with frames, bytes or both.');
  const unknown = Object.keys(value).find((name) => !['frames', 'bytes', 'type', 'id'].includes(name));
  if (unknown !== undefined) throw invalid('credit has frames and bytes.');
  return { ...amount('frames', value.frames), ...amount('bytes', value.bytes) };
}

function amount(name: string, value: unknown): Credit {
  if (value === undefined || value === null) return {};
  if (Number.isSafeInteger(value) && (value as number) >= 0) return { [name]: value as number };
  throw invalid(`${name} must be an integer, 0 or more.`);
}

export function invalid(message: string): AppError {
  return new AppError('INVALID_MESSAGE', message);
}
