import type { FastifyInstance } from 'fastify';
import type { RoomsHandle } from '../hub/rooms/rooms.ts';
import type { MountedApp, Transport, TransportContext } from '../transports/transport.ts';
import type { OpenApp } from './open-app.ts';
import { TRANSPORTS } from './transports.ts';

/** Registers every transport that an application has something for. */
export async function mountTransports(
  server: FastifyInstance,
  opened: readonly OpenApp[],
  context: TransportContext,
): Promise<Transport[]> {
  const apps = opened.map(toMountedApp);
  const mounted: Transport[] = [];
  for (const { accepts, load } of Object.values(TRANSPORTS)) {
    const accepted = apps.filter(accepts);
    if (accepted.length === 0) continue;
    const create = await load();
    const transport = create(context);
    mounted.push(transport);
    await transport.register(server, accepted);
  }
  return mounted;
}

function toMountedApp({ config, application, auth, hooks, routes, flows, isOnly }: OpenApp): MountedApp {
  const { resources, planTag } = application;
  const rooms = new Map(flows?.connectors.flatMap(roomsOf));
  return { config, resources, planTag, auth, hooks: hooks?.realtime, routes, rooms, connectors: flows, isOnly };
}

function roomsOf({ name, rooms }: { name: string; rooms?: RoomsHandle }): (readonly [string, RoomsHandle])[] {
  return rooms === undefined ? [] : [[name, rooms]];
}
