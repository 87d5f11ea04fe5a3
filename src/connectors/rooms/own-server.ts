import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { ServerConfig } from '../../config/config.ts';
import { StartError } from '../../config/files/diagnostic.ts';
import { diagnoseFile } from '../../config/files/source.ts';
import { isSecure } from '../../config/loopback.ts';
import { createHttpServer } from '../../server/http-server.ts';
import { closeAllSockets, closeIdleSockets } from '../../server/node/open-sockets.ts';
import { registerNotFound } from '../../server/not-found.ts';
import type { Lifecycle } from '../../server/operations/health.ts';
import type { Log } from '../../server/operations/log.ts';

/** Milliseconds between two searches for idle connections, while the server stops. */
const IDLE_CHECK_MS = 50;

export interface OwnServerOptions {
  /** Name of the connector, for the log. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** Path at which streams are opened. */
  readonly path: string;
  readonly config: ServerConfig;
  readonly dataDir: string;
  readonly log: Log;
}

/** A port of a connector's own, with the same checks, limits and TLS as that of the server. */
export class OwnServer {
  readonly app: FastifyInstance;
  readonly #options: OwnServerOptions;
  readonly #lifecycle: Lifecycle;

  private constructor(app: FastifyInstance, lifecycle: Lifecycle, options: OwnServerOptions) {
    this.app = app;
    this.#lifecycle = lifecycle;
    this.#options = options;
  }

  static async create(options: OwnServerOptions): Promise<OwnServer> {
    const { host, port, config, dataDir, log, path } = options;
    const lifecycle: Lifecycle = { ready: true, stopping: false };
    const app = await createHttpServer({ ...config, host, port }, { dataDir, lifecycle, log });
    registerNotFound(app, [], new Map(), { streams: path });
    return new OwnServer(app, lifecycle, options);
  }

  /** Throws StartError when the port is taken. */
  async listen(): Promise<void> {
    const { name, host, port, path, config, log } = this.#options;
    try {
      await this.app.listen({ host, port });
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const taken = code === 'EADDRINUSE';
      const what = taken ? `port ${port} on ${host} is taken` : `cannot listen on ${host}:${port}: ${message}`;
      throw new StartError([diagnoseFile(`connectors.${name}`, what, 'set another port')]);
    }
    const { port: taken } = this.app.server.address() as AddressInfo;
    const scheme = isSecure(config) ? 'https' : 'http';
    const url = `${scheme}://${host.includes(':') ? `[${host}]` : host}:${taken}${path}`;
    log.info({ connector: name, url }, 'connector listens');
  }

  /** Accepts nothing more. Resolves when all of its connections have closed. */
  async stop(): Promise<void> {
    this.#lifecycle.stopping = true;
    // A connection that was answering a request becomes idle only now.
    const idle = setInterval(() => closeIdleSockets(this.app), IDLE_CHECK_MS);
    try {
      await this.app.close();
    } finally {
      clearInterval(idle);
    }
  }

  abort(): void {
    closeAllSockets(this.app);
  }
}
