import type { FastifyReply, FastifyRequest } from 'fastify';
import { ConnectionGuard } from '../../connection-guard.ts';
import { Heartbeat } from '../../heartbeat.ts';
import { checkStreamable, startResponse } from '../../stream/response.ts';
import type { TransportContext } from '../../transport.ts';
import type { RouteScope } from '../context.ts';
import type { RouteHookRun } from '../hook-run.ts';
import type { SseRoute } from '../route.ts';
import { openRoute } from './opening.ts';
import { RouteStream, type RouteStreamOptions } from './stream.ts';

export interface ServedStream {
  readonly route: SseRoute;
  readonly scope: RouteScope;
}

/** Opens the streams of sse routes and keeps them. */
export class RouteStreams {
  readonly #context: TransportContext;
  readonly #gate: ConnectionGuard;
  readonly #streams: Heartbeat<RouteStream>;
  readonly #running = new Set<Promise<void>>();

  constructor(context: TransportContext) {
    this.#context = context;
    this.#gate = new ConnectionGuard(context.admission);
    this.#streams = new Heartbeat(context.config.channels.ssePingInterval, (stream) => stream.ping());
  }

  get size(): number {
    return this.#streams.size;
  }

  stop(): void {
    this.#gate.close();
    this.#streams.stop();
    for (const stream of this.#streams.members()) stream.stop();
  }

  abort(): void {
    for (const stream of this.#streams.members()) stream.destroy();
  }

  async settled(): Promise<void> {
    await Promise.all(this.#running);
  }

  /** Everything that can be refused is refused before the stream begins, as a plain HTTP error. */
  async open(request: FastifyRequest, reply: FastifyReply, { route, scope }: ServedStream): Promise<FastifyReply> {
    const { clientBuffer, slowClientTimeout } = this.#context.config.channels;
    const { raw } = request;
    await openRoute(request, {
      ...{ route, scope, gate: this.#gate },
      check: () => checkStreamable(request, reply),
      isGone: () => raw.destroyed || raw.socket.destroyed,
      open: (opened) => this.#start(request, reply, { route, scope, ...opened, clientBuffer, slowClientTimeout }),
    });
    return reply;
  }

  #start(
    request: FastifyRequest,
    reply: FastifyReply,
    { hooks, ...options }: RouteStreamOptions & { readonly hooks: RouteHookRun },
  ): void {
    const { admission } = this.#context;
    const connections = options.scope.auth?.connections;
    const place = admission.enter(request);
    const isChunked = request.raw.httpVersion === '1.1';
    const output = startResponse(request, reply);
    const stream = new RouteStream(output, isChunked, options);
    stream.slot = this.#streams.add(stream);
    connections?.add(stream);
    output.on('error', () => {});
    output.once('close', () => {
      stream.leave();
      connections?.remove(stream);
      this.#streams.remove(stream, stream.slot);
      admission.leave(place);
    });
    const running = stream
      .run()
      .then(() => hooks.cleanup())
      .catch(options.scope.onError);
    this.#running.add(running);
    void running.finally(() => this.#running.delete(running));
  }
}
