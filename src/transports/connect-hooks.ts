import type { FastifyRequest } from 'fastify';
import type { Identity } from '../auth/identity.ts';
import type { Peer, RealtimeConnection, RealtimeHooks } from '../hooks/realtime-hooks.ts';
import type { TableResource } from '../resources/table/resource.ts';
import type { RecordKey } from '../store/store.ts';
import type { ConnectionGuard } from './connections.ts';

export interface HookedOpening {
  readonly hooks: RealtimeHooks;
  readonly peer: Peer & { readonly collection: string };
  readonly id: RecordKey | undefined;
  /** True when the client has gone meanwhile. */
  isGone(): boolean;
  readonly request: FastifyRequest;
  readonly guard: ConnectionGuard;
}

/**
 * Runs the hooks for a channel before it is opened. Throws AppError when they refuse it; undefined when the client has
 * gone meanwhile.
 */
export async function runConnectHooks({
  hooks,
  peer,
  id,
  isGone,
  request,
  guard,
}: HookedOpening): Promise<RealtimeConnection | undefined> {
  const connection = await hooks.connect(peer);
  try {
    if (!isGone()) await connection.subscribe(peer.collection, id ?? null);
    guard.readmit(request);
  } catch (error) {
    connection.closed();
    throw error;
  }
  if (!isGone()) return connection;
  connection.closed();
  return undefined;
}

/** Describes the caller of a table to hooks. */
export function peerOf({ table }: TableResource, identity: Identity, transport: string): HookedOpening['peer'] {
  const { exportName, name, access } = table;
  return { identity, transport, collection: exportName ?? name, accountClaim: access?.account?.claim };
}
