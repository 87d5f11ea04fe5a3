import type { Http2ServerResponse } from 'node:http2';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { RealtimeConnection, RealtimeHooks } from '../../hooks/realtime-hooks.ts';
import { parseKey } from '../../resources/key.ts';
import { parsePosition, type SubscriptionQuery } from '../../resources/subscription-query.ts';
import type { TableResource } from '../../resources/table/resource.ts';
import { identityOf } from '../../server/auth/identity-of.ts';
import { queryOf } from '../../server/query-of.ts';
import type { Awaitable } from '../../store/store.ts';
import { peerOf, runConnectHooks } from '../connect-hooks.ts';
import { ConnectionGuard } from '../connection-guard.ts';
import { type Endpoint, endpointsOf, tableUrls } from '../endpoint.ts';
import { Heartbeat } from '../heartbeat.ts';
import { answerHead, checkStreamable, startResponse } from '../stream/response.ts';
import type { MountedApp, Transport, TransportContext, TransportFactory } from '../transport.ts';
import { SseStream } from './stream.ts';

/** Server-Sent Events (WHATWG HTML §9.2) on the URLs of tables and records. */
export const createSseTransport: TransportFactory = (context) => new SseTransport(context);

interface Accepted {
  readonly endpoint: Endpoint;
  readonly query: SubscriptionQuery;
  /** As the application's hooks know it. */
  readonly realtime?: RealtimeConnection;
}

interface Asked extends Accepted {
  readonly hooks: RealtimeHooks;
}

class SseTransport implements Transport {
  readonly name = 'sse';
  readonly #context: TransportContext;
  readonly #gate: ConnectionGuard;
  readonly #streams: Heartbeat<SseStream>;

  constructor(context: TransportContext) {
    this.#context = context;
    this.#gate = new ConnectionGuard(context.admission);
    this.#streams = new Heartbeat(context.config.channels.ssePingInterval, (stream) => stream.ping());
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
    return { connections: this.#streams.size };
  }

  stop(): void {
    this.#gate.close();
    this.#streams.stop();
    for (const stream of this.#streams.members()) stream.stop();
  }

  abort(): void {
    for (const stream of this.#streams.members()) stream.destroy();
  }

  #open(request: FastifyRequest, reply: FastifyReply, endpoint: Endpoint): Awaitable<void> {
    checkStreamable(request, reply);
    this.#gate.admit(request);
    const query = this.#parse(request, endpoint.resource);
    if (endpoint.hooks === undefined) this.#start(request, reply, { endpoint, query });
    else return this.#ask(request, reply, { endpoint, query, hooks: endpoint.hooks });
  }

  async #ask(request: FastifyRequest, reply: FastifyReply, { hooks, ...accepted }: Asked): Promise<void> {
    const { socket } = request.raw;
    // Of HTTP/2 the socket is that of many requests.
    const channel = request.raw.httpVersionMajor < 2 ? socket : (reply.raw as unknown as Http2ServerResponse).stream;
    const isGone = () => channel.destroyed;
    const realtime = await runConnectHooks({
      hooks,
      peer: peerOf(accepted.endpoint.resource, identityOf(request), 'sse'),
      id: accepted.query.id,
      isGone,
      request,
      gate: this.#gate,
    });
    if (realtime === undefined) reply.hijack();
    else this.#start(request, reply, { ...accepted, realtime });
  }

  #start(request: FastifyRequest, reply: FastifyReply, { endpoint, query, realtime }: Accepted): void {
    const { resource, auth } = endpoint;
    const { admission } = this.#context;
    const place = admission.enter(request);
    const isChunked = request.raw.httpVersion === '1.1';
    const output = startResponse(request, reply);
    const stream = new SseStream(output, isChunked, {
      identity: identityOf(request),
      resource,
      rawQuery: queryOf(request),
    });
    stream.slot = this.#streams.add(stream);
    auth?.connections.add(stream);
    output.on('error', () => {});
    output.once('close', () => {
      if (stream.subscription !== undefined) resource.unsubscribe(stream.subscription);
      auth?.connections.remove(stream);
      this.#streams.remove(stream, stream.slot);
      admission.leave(place);
      realtime?.closed();
    });
    stream.connected();
    stream.subscription = resource.subscribe(query, stream.encoding, stream);
  }

  /** Everything that can be refused is refused before the stream begins, as a plain HTTP error. */
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
