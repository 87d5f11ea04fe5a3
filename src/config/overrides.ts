import type { AppConfig, ServerConfig } from './config.ts';
import { StartError } from './files/diagnostic.ts';
import { diagnoseFile } from './files/source.ts';
import { isLoopback } from './loopback.ts';

/** Options of the command line that override config.yaml. */
export interface Overrides {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  /** The format of the log. */
  readonly logFormat?: ServerConfig['logging']['format'] | undefined;
}

/** Applies the options of the command line. Throws a StartError for a host that config.yaml may not name either. */
export function overrideServer(
  server: ServerConfig,
  apps: readonly Pick<AppConfig, 'appId' | 'auth'>[],
  { host, port, logFormat }: Overrides,
): ServerConfig {
  const open = apps.find(({ auth }) => auth === undefined);
  if (host !== undefined && !isLoopback(host) && open !== undefined) {
    const message = `${host} can be reached from other machines, and authentication is off`;
    const hint = `configure \`auth\` in the config.yaml of ${open.appId}, or write \`auth: none\` there to confirm that the API is public`;
    throw new StartError([diagnoseFile('--host', message, hint)]);
  }
  return {
    ...server,
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port }),
    ...(logFormat === undefined ? {} : { logging: { ...server.logging, format: logFormat } }),
  };
}
