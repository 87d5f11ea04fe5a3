import type { FastifyInstance } from 'fastify';
import { closeAllSockets, closeIdleSockets } from '../../server/node/open-sockets.ts';
import type { Lifecycle } from '../../server/operations/health.ts';
import type { Log } from '../../server/operations/log.ts';
import type { NamedPart } from '../../transports/transport.ts';
import type { OpenApp } from '../open-app.ts';

/** Interval at which connections that became idle are closed while the server stops. */
const IDLE_CHECK_INTERVAL_MS = 50;

export interface Running {
  readonly log: Log;
  readonly server: FastifyInstance;
  readonly transports: readonly NamedPart[];
  readonly opened: readonly OpenApp[];
  /** Milliseconds after which open requests and connections are cut off. */
  readonly timeout: number;
}

/** Stops everything in the reverse order of the start: running requests are finished within `timeout`. */
export async function shutDown(
  lifecycle: Lifecycle,
  { log, server, transports, opened, timeout }: Running,
): Promise<void> {
  if (lifecycle.stopping) return;
  lifecycle.stopping = true;
  const { ready } = lifecycle;
  if (ready) log.info('stopping');
  for (const transport of transports) transport.stop();
  for (const { application } of opened) application.streams.stop();
  const deadline = setTimeout(() => {
    for (const transport of transports) transport.abort();
    closeAllSockets(server);
  }, timeout);
  // A connection becomes idle when its running request ends, and its client may keep it open for long.
  const idle = setInterval(() => closeIdleSockets(server), IDLE_CHECK_INTERVAL_MS);
  await server.close();
  clearInterval(idle);
  await Promise.all(transports.map((transport) => transport.settled?.()));
  clearTimeout(deadline);
  for (const app of opened.toReversed()) await app.close();
  if (ready) log.info('stopped');
}
