import type { Identity } from '../auth/identity.ts';
import { AppError } from '../errors.ts';
import type { ConnectionDescription, ListedConnection, ListedSubscription } from '../server/limits/connection-list.ts';
import type { AdminApp } from './admin-hooks.ts';
import { publicName } from './parameters.ts';

/** Connections that an answer has. */
const MAX_CONNECTIONS = 1000;
/** Subscriptions and rooms of one connection that an answer names. */
const MAX_NAMES = 20;
/** Characters of a query that an answer has. */
const MAX_QUERY_CHARS = 500;
/** Query parameters that are credentials, or say where a subscription begins. */
const OMITTED: ReadonlySet<string> = new Set(['token', 'ticket', 'since', 'retained', 'stream']);

interface Progress {
  /** `behind`: the subscription reads from the log, since its client is slow or has just come. */
  readonly state: 'live' | 'behind';
  /** Position up to which everything was written; null while a snapshot is sent. */
  readonly position: number | null;
  /** Newest position of the log minus `position`. */
  readonly lag: number | null;
}

/** Lists the open connections of an application, the oldest first, without the one with the id `own`. */
export function listConnections(app: AdminApp, own?: string): object {
  const { head } = app.application.feed;
  const open = [...openOf(app)].filter(({ id }) => id !== own).sort((a, b) => a.openedAt - b.openedAt);
  return {
    connections: open.slice(0, MAX_CONNECTIONS).map((connection) => describe(connection, head)),
    open: open.length,
    head,
  };
}

/** Ends a connection as if its caller had lost its access. Throws NOT_FOUND. */
export function endConnection(app: AdminApp, id: string): void {
  const connection = [...openOf(app)].find((open) => open.id === id);
  if (connection === undefined) throw new AppError('NOT_FOUND', 'There is no such connection; it may have closed.');
  connection.end();
}

function* openOf({ admission, config: { appId } }: AdminApp): Iterable<ListedConnection> {
  for (const group of admission.groups) yield* group.of(appId);
}

function describe(connection: ListedConnection, head: number): object {
  const { id, carrier, openedAt, identity, pending } = connection;
  const { transport, ...rest } = connection.describe();
  return {
    id,
    transport,
    carrier,
    ...describeChannels(rest, head),
    caller: describeCaller(identity),
    opened_at: new Date(openedAt).toISOString(),
    buffered: pending,
  };
}

function describeChannels(
  { listens, rooms, path }: Omit<ConnectionDescription, 'transport'>,
  head: number,
): Readonly<Record<string, unknown>> {
  if (path !== undefined) return { path };
  const names = [...(rooms ?? [])];
  const all = [...(listens ?? [])].map((listed) => ({ listed, progress: progressOf(listed, head) }));
  const channels = [
    ...all.slice(0, MAX_NAMES).map(({ listed, progress }) => ({ ...nameOf(listed), ...progress })),
    ...names.slice(0, MAX_NAMES).map((room) => ({ room })),
  ];
  return {
    ...(listens === undefined ? {} : { subscriptions: all.length }),
    ...(rooms === undefined ? {} : { rooms: names.length }),
    ...(all.length === 0 ? {} : summarize(all.map(({ progress }) => progress))),
    channels,
  };
}

function progressOf({ resource, subscription }: ListedSubscription, head: number): Progress {
  const position = resource.positionOf(subscription) ?? null;
  const state = subscription.state === 'live' ? 'live' : 'behind';
  return { state, position, lag: position === null ? null : Math.max(0, head - position) };
}

/** Position and state of a connection: those of the subscription that is furthest behind. */
function summarize(all: readonly Progress[]): Progress {
  const state = all.every((progress) => progress.state === 'live') ? 'live' : 'behind';
  const known = all.flatMap(({ position, lag }) => (position === null || lag === null ? [] : [{ position, lag }]));
  if (known.length < all.length) return { state, position: null, lag: null };
  return {
    state,
    position: Math.min(...known.map(({ position }) => position)),
    lag: Math.max(...known.map(({ lag }) => lag)),
  };
}

function nameOf({ resource, rawQuery, subscription: { id } }: ListedSubscription): object {
  const query = selecting(rawQuery);
  return { table: publicName(resource.table), ...(id === undefined ? {} : { id }), ...(query === '' ? {} : { query }) };
}

/** Leaves out what does not select records, however its name is written. */
function selecting(rawQuery: string): string {
  const shown = rawQuery.split('&').filter((part) => {
    const [name = ''] = new URLSearchParams(part).keys();
    return !OMITTED.has(name);
  });
  return shown.join('&').slice(0, MAX_QUERY_CHARS);
}

function describeCaller(identity: Identity): object | null {
  if (identity.type !== 'principal') return null;
  const { sub, roles, isView } = identity;
  return { sub, roles, ...(isView && { view: true }) };
}
