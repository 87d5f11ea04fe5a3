import type { FastifyInstance } from 'fastify';
import type { AppFlows } from '../connectors/flows/app-flows.ts';
import { closeAllSockets, closeIdleSockets } from '../server/node/open-sockets.ts';
import type { Lifecycle } from '../server/operations/health.ts';
import type { Log } from '../server/operations/log.ts';
import type { Door } from '../transports/transport.ts';
import type { OpenApp } from './open-app.ts';

/** Milliseconds between looks for connections that have nothing to do any more, while the server stops. */
const IDLE_CHECK = 50;

export interface Running {
  readonly log: Log;
  readonly server: FastifyInstance;
  readonly doors: readonly Door[];
  readonly opened: readonly OpenApp[];
  readonly flows: readonly AppFlows[];
  /** Milliseconds. */
  readonly timeout: number;
}

/** Runs the start backwards: what is at work is finished, but not longer than `timeout`. */
export async function stop(
  lifecycle: Lifecycle,
  { log, server, doors, opened, flows, timeout }: Running,
): Promise<void> {
  if (lifecycle.stopping) return;
  lifecycle.stopping = true;
  const { ready } = lifecycle;
  if (ready) log.info('stopping');
  const all = [...doors, ...flows];
  for (const door of all) door.stop();
  for (const { application } of opened) application.streams.stop();
  const deadline = setTimeout(() => {
    for (const door of all) door.abort();
    closeAllSockets(server);
  }, timeout);
  // A connection that was answering a request becomes idle only now, and its client may keep it for long.
  const idle = setInterval(() => closeIdleSockets(server), IDLE_CHECK);
  await server.close();
  clearInterval(idle);
  await Promise.all(all.map((door) => door.settled?.()));
  clearTimeout(deadline);
  for (const one of flows) await one.close();
  for (const { application, auth, hooks } of opened.toReversed()) {
    auth?.close();
    await hooks?.close();
    await application.close();
  }
  if (ready) log.info('stopped');
}
