import type { FastifyRequest } from 'fastify';
import type { Identity } from '../../auth/identity.ts';
import { AppError } from '../../errors.ts';
import { parsePosition } from '../../resources/subscription-query.ts';
import type { TableResource } from '../../resources/table/resource.ts';
import { queryOf } from '../../server/request.ts';
import { OPERATIONS, type SubscribedOperation } from './frames.ts';
import { GatewayRefusal, parseOperations, WINDOW_MEMBERS } from './requests.ts';
import type { CheckedSubscription } from './subscriptions.ts';

/** Parameters that are passed to every collection unchanged. */
const PASSED = ['filter', 'select', ...WINDOW_MEMBERS, 'since', 'retained'] as const;
const PARAMETERS: ReadonlySet<string> = new Set([
  'collection',
  'collections',
  'operations',
  'token',
  'ticket',
  ...PASSED,
]);

const REPEATABLE: ReadonlySet<string> = new Set(['collection', 'collections']);

interface StreamScope {
  readonly identity: Identity;
  readonly collections: ReadonlyMap<string, TableResource>;
  /** Collections that may be named, at most. */
  readonly limit: number;
}

/**
 * Reads the subscriptions that an event stream is asked for. Throws INVALID_QUERY, INVALID_POSITION, NOT_FOUND for an unknown
 * collection, FORBIDDEN for one that the caller may not read.
 */
export function parseStream(
  request: FastifyRequest,
  { identity, collections, limit }: StreamScope,
): CheckedSubscription[] {
  const parameters = new URLSearchParams(queryOf(request));
  for (const name of parameters.keys()) {
    if (!PARAMETERS.has(name))
      throw new AppError('INVALID_QUERY', `This address accepts ${[...PARAMETERS].join(', ')}.`);
    if (!REPEATABLE.has(name) && parameters.getAll(name).length > 1) {
      throw new AppError('INVALID_QUERY', `${name} may be given once.`);
    }
  }
  const operations = readOperations(parameters.get('operations'));
  const named = readCollections(parameters, operations);
  if (named.size > limit) throw new AppError('INVALID_QUERY', `At most ${limit} collections can be named.`);
  const lastEventId = readLastEventId(request);
  const isWindow = WINDOW_MEMBERS.some((name) => parameters.has(name));
  const isPartial = [operations, ...named.values()].some(({ size }) => size < OPERATIONS.length);
  if (isWindow && isPartial) {
    throw new AppError('INVALID_QUERY', 'Operations cannot be combined with sort, limit, offset or cursor.');
  }
  const common = {
    query: passedOn(parameters),
    positions: isWindow || lastEventId !== undefined || parameters.has('since') || parameters.has('retained'),
  };
  const check = (collection: string, wanted: ReadonlySet<SubscribedOperation>): CheckedSubscription => {
    const resource = collections.get(collection);
    if (resource === undefined) {
      throw new AppError('NOT_FOUND', `There is no collection ${JSON.stringify(collection.slice(0, 100))}.`);
    }
    const query = resource.parseSubscription(identity, common.query, undefined);
    const since = lastEventId === undefined ? {} : { since: lastEventId };
    return { request: { ...common, collection, operations: wanted }, resource, query: { ...query, ...since } };
  };
  if (named.size > 0) return [...named].map(([name, wanted]) => check(name, wanted));
  return [...collections.keys()].flatMap((name) => allowed(() => check(name, operations)));
}

/** Reads `collection=posts`, or `collections=posts:create,update` as some clients write it, with operations each. */
function readCollections(
  parameters: URLSearchParams,
  operations: ReadonlySet<SubscribedOperation>,
): ReadonlyMap<string, ReadonlySet<SubscribedOperation>> {
  const named = new Map<string, ReadonlySet<SubscribedOperation>>();
  for (const name of parameters.getAll('collection')) named.set(name, operations);
  for (const text of parameters.getAll('collections')) {
    const colon = text.indexOf(':');
    if (colon < 0) named.set(text, operations);
    else named.set(text.slice(0, colon), readOperations(text.slice(colon + 1)));
  }
  return named;
}

function passedOn(parameters: URLSearchParams): string {
  return PASSED.flatMap((name) => {
    const value = parameters.get(name);
    return value === null ? [] : [`${name}=${encodeURIComponent(value)}`];
  }).join('&');
}

function readOperations(text: string | null): ReadonlySet<SubscribedOperation> {
  try {
    return parseOperations(text?.split(','));
  } catch (error) {
    if (!(error instanceof GatewayRefusal)) throw error;
    throw new AppError('INVALID_QUERY', 'operations must be create, update and delete, with commas between them.');
  }
}

/** Undefined for an empty one too: an EventSource that has seen no event with an id sends it so. */
function readLastEventId({ headers }: FastifyRequest): number | undefined {
  const given = headers['last-event-id'];
  return typeof given === 'string' && given !== '' ? parsePosition(given) : undefined;
}

function allowed(check: () => CheckedSubscription): CheckedSubscription[] {
  try {
    return [check()];
  } catch (error) {
    if (error instanceof AppError && error.code === 'FORBIDDEN') return [];
    throw error;
  }
}
