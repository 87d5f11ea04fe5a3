import type { FastifyInstance } from 'fastify';
import type { AppFlows } from '../connectors/flows/app-flows.ts';
import type { RoomsHandle } from '../hub/rooms/rooms.ts';
import type { TransportName } from '../schema/plan.ts';
import type { ProjectApp } from '../schema/project-app.ts';
import { TRANSPORT_LOADERS } from '../transports/index.ts';
import type { Route } from '../transports/routes/route.ts';
import type { Door, Endpoint, Transport, TransportContext } from '../transports/transport.ts';
import type { OpenApp } from './open-app.ts';

/** First segments of URLs of the server itself. */
const SERVER_NAMES = ['auth', 'health', 'metrics', 'socket.io'];

export type RoutesByApp = ReadonlyMap<string, readonly Route[]>;

export interface DoorsContext extends TransportContext {
  readonly routes: RoutesByApp;
  /** Their connectors are at hand in routes. */
  readonly flows: readonly AppFlows[];
  /** Clients are told what went wrong in a handler. */
  readonly showsDetails: boolean;
}

/** All ways in for clients of tables and routes. */
export async function registerDoors(
  server: FastifyInstance,
  opened: readonly OpenApp[],
  context: DoorsContext,
): Promise<Door[]> {
  return [
    ...(await registerTransports(server, opened, context)),
    ...(await registerGateway(server, opened, context)),
    ...(await registerRoutes(server, opened, context)),
  ];
}

async function registerTransports(
  server: FastifyInstance,
  opened: readonly OpenApp[],
  context: TransportContext,
): Promise<Transport[]> {
  const transports: Transport[] = [];
  for (const name of Object.keys(TRANSPORT_LOADERS) as TransportName[]) {
    const endpoints = opened.flatMap((app) => endpointsOf(app, name));
    if (endpoints.length === 0) continue;
    const create = await TRANSPORT_LOADERS[name]();
    const transport = create(context);
    await transport.register(server, endpoints);
    transports.push(transport);
  }
  return transports;
}

function endpointsOf({ config, application, auth, hooks }: OpenApp, transport: TransportName): Endpoint[] {
  const { resources, planTag } = application;
  return [...resources]
    .filter(([, { table }]) => table.transports.has(transport))
    .map(([name, resource]) => ({
      path: `/${config.appId}/${name}`,
      resource,
      planTag,
      auth,
      hooks: hooks?.realtime,
    }));
}

/** The multiplexed protocol. With one application it is found without the application's name, too. */
async function registerGateway(
  server: FastifyInstance,
  opened: readonly OpenApp[],
  context: TransportContext,
): Promise<Door[]> {
  const served = opened.filter(({ config: app }) => app.realtime.enabled);
  if (served.length === 0) return [];
  const { Gateway } = await import('../transports/multiplex/multiplex.ts');
  const gateway = new Gateway(context);
  const applications = served.map(({ config: { appId, realtime }, application: { resources }, auth, hooks }) => {
    const path = `/${appId}${realtime.path}`;
    return { paths: opened.length === 1 ? [path, realtime.path] : [path], resources, auth, hooks: hooks?.realtime };
  });
  await gateway.register(server, applications);
  return [gateway];
}

/** Nothing of it is loaded where no application has routes. */
export async function loadRoutes(apps: readonly ProjectApp[], dir: string): Promise<RoutesByApp> {
  if (apps.every(({ config: { routes } }) => routes.length === 0)) return new Map();
  const { loadAllRoutes } = await import('../transports/routes/load.ts');
  return loadAllRoutes(apps, dir);
}

/** Routes in code. With one application they are found without the application's name, too. */
async function registerRoutes(
  server: FastifyInstance,
  opened: readonly OpenApp[],
  { routes: byApp, flows, ...context }: DoorsContext,
): Promise<Door[]> {
  if (byApp.size === 0) return [];
  const { Routes } = await import('../transports/routes/routes.ts');
  const door = new Routes(context);
  const applications = opened.map(({ config: { appId, routesPrefix }, application: { resources }, auth }) => {
    const isFree = opened.length === 1 && ![appId, ...SERVER_NAMES].includes(routesPrefix.split('/')[1] as string);
    const prefixes = [`/${appId}${routesPrefix}`, ...(isFree ? [routesPrefix] : [])];
    return { prefixes, routes: byApp.get(appId) ?? [], resources, auth, rooms: roomsOf(appId, flows) };
  });
  await door.register(server, applications);
  return [door];
}

/** Connectors of the application that have rooms, by name. */
function roomsOf(appId: string, flows: readonly AppFlows[]): ReadonlyMap<string, RoomsHandle> {
  const own = flows.find((one) => one.appId === appId)?.connectors ?? [];
  return new Map(own.flatMap(({ name, rooms }) => (rooms === undefined ? [] : [[name, rooms] as const])));
}
