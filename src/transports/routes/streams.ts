import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError, stoppingError } from '../../errors.ts';
import { Heartbeat } from '../heartbeat.ts';
import { checkStreamable, startResponse } from '../sse/response.ts';
import type { TransportContext } from '../transport.ts';
import { makeContext, type RouteScope } from './context.ts';
import { toFailure } from './failures.ts';
import { HookRun } from './hook-run.ts';
import type { SseRoute } from './route.ts';
import { RouteStream, type RouteStreamOptions } from './sse-stream.ts';

export interface ServedStream {
  readonly route: SseRoute;
  readonly scope: RouteScope;
}

/** Opens the streams of sse routes and keeps them. */
export class StreamDoor {
  readonly #context: TransportContext;
  readonly #streams: Heartbeat<RouteStream>;
  readonly #running = new Set<Promise<void>>();
  #stopping = false;

  constructor(context: TransportContext) {
    this.#context = context;
    this.#streams = new Heartbeat(context.config.channels.ssePingInterval, (stream) => stream.ping());
  }

  get size(): number {
    return this.#streams.size;
  }

  stop(): void {
    this.#stopping = true;
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
    const { admission, config } = this.#context;
    const abort = new AbortController();
    let hooks: HookRun | undefined;
    try {
      checkStreamable(request, reply);
      admission.check(request);
      const context = await makeContext(request, route, { scope, signal: abort.signal });
      hooks = new HookRun(route.hooks, context, scope.onError);
      await hooks.before();
      this.#checkStill(request);
      admission.check(request);
      const { clientBuffer, slowClientTimeout } = config.channels;
      this.#start(request, reply, { route, scope, context, abort, clientBuffer, slowClientTimeout, hooks });
      return reply;
    } catch (error) {
      await hooks?.cleanup();
      throw toFailure(error, scope);
    }
  }

  /** Much may have happened while hooks and schemas were at work. */
  #checkStill({ raw }: FastifyRequest): void {
    if (this.#stopping) throw stoppingError();
    if (raw.destroyed || raw.socket.destroyed) throw new AppError('BAD_REQUEST', 'The connection was closed.');
  }

  #start(
    request: FastifyRequest,
    reply: FastifyReply,
    { hooks, ...options }: RouteStreamOptions & { readonly hooks: HookRun },
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
