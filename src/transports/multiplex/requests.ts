import { AppError } from '../../errors.ts';
import { parseExactJson } from '../../resources/body/json.ts';
import { isObject } from '../../resources/body/values.ts';
import { type ClientId, OPERATIONS, type SubscribedOperation } from './frames.ts';

/** Characters of the id of a subscription: a longer one is the client's state, not a name. */
const MAX_ID_CHARS = 128;

const ACTIONS = ['subscribe', 'unsubscribe', 'transaction', 'ping', 'auth'] as const;
export type GatewayAction = (typeof ACTIONS)[number];

/** Members by which a subscription follows a window of the list. */
export const WINDOW_MEMBERS = ['sort', 'limit', 'offset', 'cursor'] as const;

const MEMBERS: Readonly<Record<GatewayAction, ReadonlySet<string>>> = {
  subscribe: new Set([
    'action',
    'collection',
    'operations',
    'id',
    'filter',
    'select',
    ...WINDOW_MEMBERS,
    'since',
    'retained',
  ]),
  unsubscribe: new Set(['action', 'collection', 'id']),
  transaction: new Set(['action', 'steps', 'ref', 'key']),
  ping: new Set(['action']),
  auth: new Set(['action', 'token']),
};

/** An error of a message, as it is reported to the client. */
export class GatewayRefusal extends Error {
  readonly members: Readonly<Record<string, unknown>>;

  constructor(error: string, members: Readonly<Record<string, unknown>> = {}) {
    super(error);
    this.members = members;
  }
}

/** A subscription that a client asks for. */
export interface SubscriptionRequest {
  readonly collection: string;
  readonly id?: ClientId;
  readonly operations: ReadonlySet<SubscribedOperation>;
  /** The query string of the same subscription on the table's own URL. */
  readonly query: string;
  /** True when the client has asked for a position or for stored records. */
  readonly positions: boolean;
}

export type GatewayMessage = Readonly<Record<string, unknown>> & { readonly action: GatewayAction };

/** Reads one message of a client. Throws GatewayRefusal. */
export function parseMessage(data: Buffer, isBinary: boolean): GatewayMessage {
  let message: unknown;
  try {
    if (!isBinary) message = parseExactJson(data.toString('utf8'));
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    if (error.code !== 'INVALID_JSON') throw new GatewayRefusal(error.message, { code: error.code });
  }
  if (message === undefined) throw new GatewayRefusal('Invalid JSON');
  const action = isObject(message) ? ACTIONS.find((name) => name === message.action) : undefined;
  if (!isObject(message) || action === undefined) throw new GatewayRefusal('Unknown action');
  const unknown = Object.keys(message).find((name) => !MEMBERS[action].has(name));
  if (unknown !== undefined) {
    throw invalid(`${action} has no property ${JSON.stringify(unknown.slice(0, 100))}`, message);
  }
  return message as GatewayMessage;
}

/** Reads which subscription a message is about. Throws GatewayRefusal. */
export function parseName({ collection, id }: GatewayMessage): { readonly collection: string; readonly id?: ClientId } {
  const given = id ?? undefined;
  const isId = typeof given === 'number' || (typeof given === 'string' && given.length <= MAX_ID_CHARS);
  if (given !== undefined && !isId) {
    throw new GatewayRefusal(`id must be a number or a string of at most ${MAX_ID_CHARS} characters`, {
      code: 'INVALID_MESSAGE',
    });
  }
  if (typeof collection !== 'string' || collection === '') {
    throw new GatewayRefusal('Missing collection', given === undefined ? {} : { id: given });
  }
  return { collection, ...(given === undefined ? {} : { id: given as ClientId }) };
}

/** Reads a message that subscribes. Throws GatewayRefusal. */
export function parseSubscribe(message: GatewayMessage): SubscriptionRequest {
  const { operations, filter, select, since, retained } = message;
  const parameters = [
    textParameter('filter', filter, message),
    textParameter('select', select, message),
    textParameter('sort', message.sort, message),
    numberParameter('limit', message.limit, message),
    numberParameter('offset', message.offset, message),
    textParameter('cursor', message.cursor, message),
    sinceParameter(since, message),
    retainedParameter(retained, message),
  ];
  const isWindow = WINDOW_MEMBERS.some((name) => isGiven(message[name]));
  if (isWindow && isGiven(operations)) {
    throw invalid('operations cannot be combined with sort, limit, offset or cursor', message);
  }
  return {
    ...parseName(message),
    operations: parseOperations(operations, message),
    query: parameters.filter((parameter) => parameter !== undefined).join('&'),
    positions: isGiven(since) || isGiven(retained) || isWindow,
  };
}

/** Reads operations; all of them when none are named. Throws GatewayRefusal. */
export function parseOperations(
  given: unknown,
  message: Readonly<Record<string, unknown>> = {},
): ReadonlySet<SubscribedOperation> {
  if (!isGiven(given)) return new Set(OPERATIONS);
  const known = (name: unknown) => OPERATIONS.includes(name as SubscribedOperation);
  if (Array.isArray(given) && given.length > 0 && given.every(known)) return new Set(given as SubscribedOperation[]);
  throw new GatewayRefusal('Invalid operations', idOf(message));
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function textParameter(name: string, value: unknown, message: GatewayMessage): string | undefined {
  if (!isGiven(value)) return undefined;
  if (typeof value !== 'string' || !value.isWellFormed()) throw invalid(`${name} must be a string`, message);
  return `${name}=${encodeURIComponent(value)}`;
}

function numberParameter(name: string, value: unknown, message: GatewayMessage): string | undefined {
  if (!isGiven(value)) return undefined;
  if (typeof value !== 'number') throw invalid(`${name} must be a number`, message);
  return `${name}=${value}`;
}

function sinceParameter(since: unknown, message: GatewayMessage): string | undefined {
  if (!isGiven(since)) return undefined;
  if (typeof since !== 'number' && typeof since !== 'string')
    throw invalid('since must be the seq of an event', message);
  return `since=${encodeURIComponent(since)}`;
}

function retainedParameter(retained: unknown, message: GatewayMessage): string | undefined {
  if (!isGiven(retained)) return undefined;
  if (typeof retained !== 'boolean') throw invalid('retained must be true or false', message);
  return `retained=${retained}`;
}

function invalid(error: string, message: Readonly<Record<string, unknown>>): GatewayRefusal {
  const { collection } = message;
  const about = typeof collection === 'string' ? { collection } : {};
  return new GatewayRefusal(error, { code: 'INVALID_MESSAGE', ...about, ...idOf(message) });
}

function idOf({ id }: Readonly<Record<string, unknown>>): { id?: unknown } {
  return typeof id === 'string' || typeof id === 'number' ? { id } : {};
}
