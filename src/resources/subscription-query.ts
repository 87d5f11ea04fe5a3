import type { Limits } from '../config/config.ts';
import { AppError } from '../errors.ts';
import type { ResetReason } from '../hub/encode.ts';
import type { Selection } from '../hub/selection.ts';
import { both, type Filter, LIST_PARAMETERS, type ListQuery, parseQueryFor, type ReadPolicy } from '../query/index.ts';
import type { TablePlan } from '../schema/plan.ts';
import type { RecordKey, RelatedReader } from '../store/store.ts';
import { makeSelection } from './selections.ts';

/** Checked query of a subscription. */
export interface SubscriptionQuery {
  readonly id?: RecordKey;
  readonly selection: Selection;
  readonly since?: number;
  /** Reason for which the subscription begins with a `reset` and the full state. */
  readonly reset?: ResetReason;
  readonly retained: boolean;
  /** Other tables whose records are included. */
  readonly related: ReadonlySet<TablePlan>;
  /** True with `echo=false`: leaves out the subscriber's own writes. */
  readonly suppressEcho: boolean;
  /** Client id of the sender: each `ref` of the same client is applied once. */
  readonly client?: string;
}

const RESERVED: ReadonlySet<string> = new Set([
  ...LIST_PARAMETERS,
  'stream',
  'since',
  'retained',
  'echo',
  'delta',
  'client',
]);

/** Parameters that make a subscription follow a window of the list. */
const WINDOW_PARAMETERS = ['sort', 'limit', 'offset', 'cursor'];

/** The unreserved characters of RFC 3986 §2.3, which need no encoding in a URL. */
const CLIENT = /^[A-Za-z0-9\-._~]{1,128}$/;

interface SubscriptionScope {
  readonly table: TablePlan;
  readonly id: RecordKey | undefined;
  readonly limits: Limits;
  readonly store: Pick<RelatedReader, 'related'>;
  /** Read policy of the subscriber; undefined when it can read everything. */
  readonly view?: ReadPolicy | undefined;
  /** Filter of the records that the subscriber may subscribe to. */
  readonly subscribable?: Filter | undefined;
}

/**
 * Parses the raw query string of a channel's URL: the list's filter and `select`, and the subscription's own
 * parameters. Throws INVALID_QUERY or INVALID_POSITION.
 */
export function parseSubscription(rawQuery: string, scope: SubscriptionScope): SubscriptionQuery {
  const { table, id, limits, store, view, subscribable } = scope;
  const read = parseQueryFor(rawQuery, { table, limits, reserved: RESERVED, view });
  const query =
    subscribable === undefined || subscribable === read.sees
      ? read
      : { ...read, sees: both(read.sees, subscribable) as Filter };
  const { others } = query;
  const isWindow =
    id === undefined && query.aggregate === undefined && WINDOW_PARAMETERS.some((name) => query.given.has(name));
  const retained = parseSwitch(others, 'retained') ?? (id !== undefined || isWindow || query.aggregate !== undefined);
  const suppressEcho = parseSwitch(others, 'echo') === false;
  checkStream(query, id);
  const isCounted = query.aggregate !== undefined || query.count;
  if (suppressEcho && isCounted)
    throw refuse('echo=false cannot be combined with aggregate or count: totals have every change.');
  if (isWindow) checkWindow(query, limits, suppressEcho);
  const delta = parseSwitch(others, 'delta') ?? false;
  if (delta && query.aggregate !== undefined)
    throw refuse('delta and aggregate cannot be combined: a result is always sent whole.');
  if (delta && query.select !== undefined && query.select.relations.length > 0) {
    throw new AppError('INVALID_QUERY', 'delta and relations in select cannot be combined.');
  }
  const selection = makeSelection(query, { table, store, delta, isWindow });
  checkFollowable(selection);
  const since = others.get('since');
  const client = others.get('client');
  return {
    ...(id === undefined ? {} : { id }),
    selection,
    ...(since === undefined ? {} : { since: parsePosition(since) }),
    retained,
    suppressEcho,
    ...(client === undefined ? {} : { client: checkClient(client) }),
    related: query.related,
  };
}

/** Parses the raw query string of a record's URL, which may only select fields. Throws INVALID_QUERY. */
export function parseRecordQuery(
  rawQuery: string,
  scope: Pick<SubscriptionScope, 'table' | 'limits' | 'view'>,
): ListQuery {
  const query = parseQueryFor(rawQuery, { ...scope, reserved: LIST_PARAMETERS });
  if (query.filter !== undefined || [...query.given].some((name) => name !== 'select')) {
    throw new AppError('INVALID_QUERY', 'A record accepts no query parameter except select.');
  }
  return query;
}

/** Parses a seq that a client sends back. Throws INVALID_POSITION for text that cannot be one. */
export function parsePosition(text: string): number {
  const seq = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(seq)) return seq;
  throw new AppError('INVALID_POSITION', 'A position is the seq of a frame: an integer of at most 16 digits.');
}

/** Checks the id that a client gave itself. Throws INVALID_QUERY. */
export function checkClient(text: string): string {
  if (CLIENT.test(text)) return text;
  throw new AppError(
    'INVALID_QUERY',
    'client is an id that the client has generated: 1 to 128 of A-Z a-z 0-9 - . _ ~. A field of that name is reached with filter=.',
  );
}

function parseSwitch(others: ReadonlyMap<string, string>, name: string): boolean | undefined {
  const value = others.get(name);
  if (value === undefined) return undefined;
  if (value === 'true' || value === 'false') return value === 'true';
  throw new AppError('INVALID_QUERY', `${name} must be true or false.`);
}

/** Refuses relations over hidden fields, which are not in the changes that a stream follows. */
function checkFollowable({ dependent }: Selection): void {
  for (const { path } of dependent?.dependencies ?? []) {
    const hidden = path.find(({ from, to }) => from?.hidden === true || to?.hidden === true);
    if (hidden !== undefined) {
      const { name, from, to } = hidden;
      throw new AppError(
        'INVALID_QUERY',
        `${name} follows the hidden field ${(from ?? to)?.name}: a list can show it, and a stream cannot follow it.`,
      );
    }
  }
}

/** Refuses parameters that only make sense for a list, or for a query over several tables. */
function checkStream({ given }: ListQuery, id: RecordKey | undefined): void {
  const [name] =
    id === undefined ? [] : ['aggregate', 'count', 'sort', 'offset', 'cursor'].filter((it) => given.has(it));
  if (name !== undefined) throw refuse(`${name} is for the channel of a table; this is the channel of one record.`);
}

function checkWindow({ offset, limit }: ListQuery, limits: Limits, suppressEcho: boolean): void {
  if (offset + limit > limits.window) {
    throw refuse(
      `offset and limit of a stream are at most ${limits.window} together (limits.window); a cursor leads further.`,
    );
  }
  if (suppressEcho) {
    throw refuse(
      'echo=false cannot be combined with sort, limit, offset or cursor: a change has the index of its record.',
    );
  }
}

function refuse(message: string): AppError {
  return new AppError('INVALID_QUERY', message);
}
