import type { AddressInfo } from 'node:net';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import type { FastifyInstance } from 'fastify';
import { describeAuth } from '../../config/auth.ts';
import type { ServerConfig } from '../../config/config.ts';
import { formatHost, isLoopback, isSecure, isUnspecified, localHostOf } from '../../config/loopback.ts';
import { describeSurprises } from '../../config/notices.ts';
import type { Log } from '../../server/operations/log.ts';
import { consoleUrlOf, describeOmitted } from '../console-page.ts';
import { ControlServer } from '../control/server.ts';
import type { OpenApp } from '../open-app.ts';
import type { RunningServer } from './running-server.ts';

/** Interfaces of containers, virtual machines and tunnels: other devices of the same network rarely reach them. */
const VIRTUAL = /^(?:br-|cni|docker|flannel|ham|lxc|tailscale|tap|tun|utun|vbox|veth|virbr|vmnet|vnic|wg|zt)/i;

interface Listening {
  readonly config: ServerConfig;
  readonly opened: readonly OpenApp[];
  readonly log: Log;
}

/** Listens for clients, and for the commands of this machine. */
export async function listen(server: FastifyInstance, { config, opened, log }: Listening): Promise<void> {
  try {
    const control = await ControlServer.open(opened, config);
    server.addHook('onClose', () => control.close());
  } catch (error) {
    log.warn({ err: error }, 'import and seed cannot reach this server');
  }
  await server.listen({ host: config.host, port: config.port });
}

/** Returns the URLs of a listening server and of its console, with the actual port. */
export function addressesOf(
  server: FastifyInstance,
  opened: readonly OpenApp[],
  config: ServerConfig,
): Pick<RunningServer, 'url' | 'networkUrls' | 'consoleUrl'> {
  const { port } = server.server.address() as AddressInfo;
  const urlOf = (host: string) => `${isSecure(config) ? 'https' : 'http'}://${formatHost(host)}:${port}`;
  const url = urlOf(localHostOf(config.host));
  return { url, networkUrls: networkHosts(config.host).map(urlOf), consoleUrl: consoleUrlOf(url, opened, config) };
}

/** Returns the hosts by which other machines reach a server that listens on `host`, the likeliest one first. */
export function networkHosts(host: string, interfaces = networkInterfaces()): readonly string[] {
  if (isLoopback(host)) return [];
  if (!isUnspecified(host)) return [host];
  const named = Object.entries(interfaces).toSorted(([one], [other]) => rank(one) - rank(other));
  const found = named.flatMap(([, addresses = []]) => addresses.filter(isReachable));
  const byFamily = (family: string) => found.flatMap((one) => (one.family === family ? [one.address] : []));
  const short = byFamily('IPv4');
  return short.length === 0 && host.includes(':') ? byFamily('IPv6') : short;
}

function rank(name: string): number {
  return VIRTUAL.test(name) ? 1 : 0;
}

/** False for loopback, and for addresses of one link, which a browser cannot open or no router has given. */
function isReachable({ internal, address }: NetworkInterfaceInfo): boolean {
  return !internal && !/^(?:169\.254\.|fe80:)/i.test(address);
}

export interface Announcement {
  readonly url: string;
  readonly config: ServerConfig;
  readonly opened: readonly OpenApp[];
  readonly notices: readonly string[];
}

/** Writes to the log what an operator should know: where the server listens, what is off, and what is open. */
export function announce(log: Log, { url, config, opened, notices }: Announcement): void {
  for (const notice of [...notices, ...describeSurprises(config)]) log.warn(notice);
  const omitted = describeOmitted(opened, config);
  if (omitted !== undefined) log.warn(omitted);
  for (const { config: app, application } of opened) {
    for (const { name, switchedOff } of application.plan.tables) {
      for (const { transport, by } of switchedOff) {
        log.info({ app: app.appId, table: name, transport, by }, 'transport is off');
      }
    }
  }
  const open = opened.filter(({ auth }) => auth === undefined).map(({ config: app }) => app.appId);
  for (const { config: app, auth } of opened) {
    if (auth !== undefined) log.info({ app: app.appId, auth: describeAuth(auth.config) }, 'authentication is on');
  }
  if (open.length > 0) {
    const message = 'authentication is off: anyone who can reach this address can use the public API';
    log.warn({ host: config.host, apps: open }, message);
  }
  // The URL is for clients on this machine.
  const listensOn = isUnspecified(config.host) ? { host: config.host } : {};
  log.info({ url, ...listensOn, apps: opened.map(({ config: app }) => app.appId) }, 'listening');
}
