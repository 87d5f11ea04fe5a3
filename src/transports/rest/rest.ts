import type { FastifyInstance } from 'fastify';
import { Content } from '../../server/content/content.ts';
import { endpointsOf } from '../endpoint.ts';
import type { MountedApp, Transport, TransportContext, TransportFactory } from '../transport.ts';
import { registerCollection } from './collection.ts';
import { registerRecord } from './record.ts';

/** Serves tables and records over REST. */
export const createRestTransport: TransportFactory = (context) => new RestTransport(context);

class RestTransport implements Transport {
  readonly name = 'rest';
  readonly #context: TransportContext;

  constructor(context: TransportContext) {
    this.#context = context;
  }

  register(app: FastifyInstance, apps: readonly MountedApp[]): void {
    const { compression, limits } = this.#context.config;
    const content = new Content(compression);
    for (const endpoint of endpointsOf(apps, 'rest')) {
      registerCollection(app, endpoint, { content, maxQuery: Math.min(limits.query, limits.body) });
      registerRecord(app, endpoint, { content, maxIdLength: limits.id });
    }
  }

  status() {
    return { connections: 0 };
  }

  /** Does nothing: requests in flight finish, and the server accepts no new ones. */
  stop(): void {}

  abort(): void {}
}
