import type { FastifyReply, FastifyRequest } from 'fastify';
import { Connections } from '../../connections.ts';
import { checkStreamable, hasGone, startResponse } from '../../stream/response.ts';
import type { TransportContext } from '../../transport.ts';
import type { RouteScope } from '../context.ts';
import type { SseRoute } from '../route.ts';
import { type OpenedRoute, openRoute, RunningHandlers } from './opening.ts';
import { RouteStream } from './stream.ts';

export interface ServedStream {
  readonly route: SseRoute;
  readonly scope: RouteScope;
}

/** Opens the streams of sse routes and keeps them. */
export class RouteStreams {
  readonly #context: TransportContext;
  readonly #connections: Connections<RouteStream>;
  readonly #handlers = new RunningHandlers();

  constructor(context: TransportContext) {
    this.#context = context;
    this.#connections = new Connections(context.admission, { interval: context.config.channels.ssePingInterval });
  }

  get size(): number {
    return this.#connections.size;
  }

  stop(): void {
    this.#connections.stop();
  }

  abort(): void {
    this.#connections.abort();
  }

  /** Resolves when the handlers and hooks of closed streams have ended. */
  settled(): Promise<void> {
    return this.#handlers.settled();
  }

  /** Refuses whatever can be refused before the stream begins, as a plain HTTP error. */
  async open(request: FastifyRequest, reply: FastifyReply, { route, scope }: ServedStream): Promise<FastifyReply> {
    await openRoute(request, {
      ...{ route, scope, guard: this.#connections },
      check: () => checkStreamable(request, reply),
      isGone: () => request.raw.destroyed || hasGone(request, reply),
      open: (opened) => this.#start(request, reply, { route, scope, ...opened }),
    });
    return reply;
  }

  #start(request: FastifyRequest, reply: FastifyReply, opened: ServedStream & OpenedRoute): void {
    const { scope, hooks } = opened;
    const { clientBuffer, slowClientTimeout } = this.#context.config.channels;
    const isChunked = request.raw.httpVersion === '1.1';
    const output = startResponse(request, reply);
    const stream = new RouteStream(output, isChunked, { ...opened, clientBuffer, slowClientTimeout });
    this.#connections.open(stream, { request, registry: scope.auth?.connections, appId: scope.appId });
    this.#handlers.add(stream.run(), { hooks, onError: scope.onError });
  }
}
