import type { ServerConfig } from './config.ts';
import { StartError } from './diagnostic.ts';
import { isLoopback } from './loopback.ts';
import { diagnoseFile } from './source.ts';

/** What the command line says instead of config.yaml. */
export interface Overrides {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
}

/** Throws a StartError for a host that config.yaml would not be allowed to name either. */
export function overrideServer(server: ServerConfig, { host, port }: Overrides): ServerConfig {
  if (host !== undefined && !isLoopback(host) && server.auth === undefined) {
    const message = `${host} can be reached from other machines, and nobody is asked who they are`;
    throw new StartError([
      diagnoseFile('--host', message, 'write `auth: none` in config.yaml to say that this is meant'),
    ]);
  }
  return { ...server, ...(host === undefined ? {} : { host }), ...(port === undefined ? {} : { port }) };
}
