import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { RealtimeConnection, RealtimeHooks } from '../../hooks/realtime-hooks.ts';
import { parseKey } from '../../resources/key.ts';
import { parsePosition, type SubscriptionQuery } from '../../resources/subscription-query.ts';
import type { TableResource } from '../../resources/table/resource.ts';
import { identityOf, queryOf } from '../../server/request.ts';
import type { Awaitable } from '../../store/store.ts';
import { peerOf, runConnectHooks } from '../connect-hooks.ts';
import { Connections } from '../connections.ts';
import { type Endpoint, endpointsOf, tableUrls } from '../endpoint.ts';
import { answerHead, checkStreamable, hasGone, startResponse } from '../stream/response.ts';
import type { MountedApp, Transport, TransportContext, TransportFactory } from '../transport.ts';
import { SseStream } from './stream.ts';

/** Creates the transport for Server-Sent Events (WHATWG HTML §9.2) on the URLs of tables and records. */
export const createSseTransport: TransportFactory = (context) => new SseTransport(context);

interface CheckedRequest {
  readonly endpoint: Endpoint;
  readonly query: SubscriptionQuery;
  /** The connection as hooks of the application see it. */
  readonly realtime?: RealtimeConnection;
}

interface HookedRequest extends CheckedRequest {
  readonly hooks: RealtimeHooks;
}

class SseTransport implements Transport {
  readonly name = 'sse';
  readonly #context: TransportContext;
  readonly #connections: Connections<SseStream>;

  constructor(context: TransportContext) {
    this.#context = context;
    this.#connections = new Connections(context.admission, { interval: context.config.channels.ssePingInterval });
  }

  register(app: FastifyInstance, apps: readonly MountedApp[]): void {
    for (const endpoint of endpointsOf(apps, 'sse')) {
      for (const url of [...tableUrls(endpoint), `${endpoint.path}/:id`]) {
        const options = { constraints: { transport: 'sse' }, exposeHeadRoute: false };
        app.get(url, options, (request, reply) => this.#open(request, reply, endpoint));
        app.head(url, options, (request, reply) => {
          this.#parse(request, endpoint.resource);
          answerHead(reply);
        });
      }
    }
  }

  status() {
    return { connections: this.#connections.size };
  }

  stop(): void {
    this.#connections.stop();
  }

  abort(): void {
    this.#connections.abort();
  }

  #open(request: FastifyRequest, reply: FastifyReply, endpoint: Endpoint): Awaitable<void> {
    checkStreamable(request, reply);
    this.#connections.admit(request);
    const query = this.#parse(request, endpoint.resource);
    if (endpoint.hooks === undefined) this.#start(request, reply, { endpoint, query });
    else return this.#runHooks(request, reply, { endpoint, query, hooks: endpoint.hooks });
  }

  async #runHooks(request: FastifyRequest, reply: FastifyReply, { hooks, ...checked }: HookedRequest): Promise<void> {
    const realtime = await runConnectHooks({
      hooks,
      peer: peerOf(checked.endpoint.resource, identityOf(request), 'sse'),
      id: checked.query.id,
      isGone: () => hasGone(request, reply),
      request,
      guard: this.#connections,
    });
    if (realtime === undefined) reply.hijack();
    else this.#start(request, reply, { ...checked, realtime });
  }

  #start(request: FastifyRequest, reply: FastifyReply, { endpoint, query, realtime }: CheckedRequest): void {
    const { resource, auth, appId } = endpoint;
    const isChunked = request.raw.httpVersion === '1.1';
    const output = startResponse(request, reply);
    const stream = new SseStream(output, isChunked, {
      identity: identityOf(request),
      resource,
      rawQuery: queryOf(request),
      realtime,
    });
    this.#connections.open(stream, { request, registry: auth?.connections, appId });
    stream.subscribe(query);
  }

  /** Refuses whatever can be refused before the stream begins, as a plain HTTP error. */
  #parse(request: FastifyRequest, resource: TableResource): SubscriptionQuery {
    const { id: segment } = request.params as { id?: string };
    const id = segment === undefined ? undefined : parseKey(resource.table, segment, this.#context.config.limits.id);
    const query = resource.parseSubscription(identityOf(request), queryOf(request), id);
    const lastEventId = request.headers['last-event-id'];
    // An EventSource that has seen no event with an id sends an empty one.
    if (typeof lastEventId !== 'string' || lastEventId === '') return query;
    return { ...query, since: parsePosition(lastEventId) };
  }
}
