import type { FastifyInstance } from 'fastify';
import type {
  MountedApp,
  MountedConnectors,
  MountedParts,
  Transport,
  TransportFactory,
  TransportStatus,
} from '../transports/transport.ts';

/** Creates one transport for the connectors of all applications: rooms, and requests that start flows. */
export const createConnectorsTransport: TransportFactory = () => new ConnectorsTransport();

class ConnectorsTransport implements Transport {
  readonly name = 'connectors';
  readonly #connectors: MountedConnectors[] = [];

  async register(server: FastifyInstance, apps: readonly MountedApp[]): Promise<void> {
    for (const { connectors } of apps) {
      if (connectors === undefined) continue;
      this.#connectors.push(connectors);
      await connectors.register(server);
    }
  }

  async start(): Promise<void> {
    for (const one of this.#connectors) await one.start();
  }

  status(): TransportStatus {
    return { connections: this.parts().reduce((sum, [, { connections }]) => sum + connections, 0) };
  }

  parts(): MountedParts {
    return this.#connectors.flatMap((one) => one.parts());
  }

  stop(): void {
    for (const one of this.#connectors) one.stop();
  }

  abort(): void {
    for (const one of this.#connectors) one.abort();
  }

  async settled(): Promise<void> {
    await Promise.all(this.#connectors.map((one) => one.settled?.()));
  }
}
