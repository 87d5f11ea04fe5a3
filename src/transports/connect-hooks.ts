import type { FastifyRequest } from 'fastify';
import type { Identity } from '../auth/identity.ts';
import type { Peer, RealtimeConnection, RealtimeHooks } from '../hooks/realtime-hooks.ts';
import type { TableResource } from '../resources/table/resource.ts';
import type { RecordKey } from '../store/store.ts';
import type { ConnectionGuard } from './connection-guard.ts';

export interface Opening {
  readonly hooks: RealtimeHooks;
  readonly peer: Peer & { readonly collection: string };
  readonly id: RecordKey | undefined;
  /** The client has gone away meanwhile. */
  isGone(): boolean;
  readonly request: FastifyRequest;
  readonly gate: ConnectionGuard;
}

/** Asks the hooks about a channel before it is opened. Throws AppError when they refuse; undefined when nobody waits. */
export async function runConnectHooks({
  hooks,
  peer,
  id,
  isGone,
  request,
  gate,
}: Opening): Promise<RealtimeConnection | undefined> {
  const connection = await hooks.connect(peer);
  try {
    if (!isGone()) await connection.subscribe(peer.collection, id ?? null);
    gate.readmit(request);
  } catch (error) {
    connection.closed();
    throw error;
  }
  if (!isGone()) return connection;
  connection.closed();
  return undefined;
}

export function peerOf({ table }: TableResource, identity: Identity, transport: string): Opening['peer'] {
  const { exportName, name, access } = table;
  return { identity, transport, collection: exportName ?? name, accountClaim: access?.account?.claim };
}
