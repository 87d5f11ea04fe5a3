import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { StartError } from '../../config/files/diagnostic.ts';
import { AppError, stoppingError } from '../../errors.ts';
import type { ContractOperation } from '../../openapi/contract-operation.ts';
import { makeAuthentication } from '../../server/auth/authentication.ts';
import { forbiddenOrigin, makeOriginCheck } from '../../server/checks/origin.ts';
import { identityOf, queryOf } from '../../server/request.ts';
import { NEVER_KEPT } from '../../server/response-headers.ts';
import { checkAccess } from '../../transports/routes/context.ts';
import { refuseOthers } from '../../transports/routes/http.ts';
import { METHODS } from '../../transports/routes/route.ts';
import type { ConnectorContext, FlowEvent, Handle, SourceUse } from '../connector.ts';
import { CelError } from '../flows/expressions/cel.ts';
import { type DescribedRequest, describeRequest } from './contract.ts';
import { eventKeyOf } from './event-key.ts';
import { readInput } from './input.ts';
import type { RequestSettings } from './keys.ts';
import { isOperation, parseOperation, pathOf, shapeOf } from './operation.ts';
import { verify } from './signature.ts';

interface RequestSource extends DescribedRequest {
  readonly handle: Handle;
}

type OnRequest = ReturnType<typeof makeAuthentication>;

/** Serves requests that start flows: docs/reference/connectors/http.md. */
export class RequestSources {
  readonly #context: ConnectorContext;
  readonly #sources: RequestSource[] = [];
  readonly #running = new Set<Promise<unknown>>();
  /** Controllers of the requests that wait for an answer. */
  readonly #waiting = new Set<AbortController>();
  #isStopping = false;

  constructor(context: ConnectorContext) {
    this.#context = context;
  }

  listen(source: SourceUse, handle: Handle): void {
    const operation = parseOperation(source.operation, { methods: METHODS, needsPath: true });
    if (!isOperation(operation)) throw new TypeError(`${source.operation} is not an operation`);
    this.#sources.push({ operation, settings: source.settings as RequestSettings, source, handle });
  }

  /** Throws StartError when an address is taken. */
  async register(server: FastifyInstance): Promise<void> {
    if (this.#sources.length === 0) return;
    const { auth } = this.#context;
    const authenticate = auth === undefined ? [] : [makeAuthentication(auth, { ticket: true, token: false })];
    await server.register(async (scope) => {
      scope.removeAllContentTypeParsers();
      // Signatures are over bytes, so the body is parsed after the caller is authenticated.
      scope.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body, done) => {
        const encoding = request.headers['content-encoding'];
        const isPlain = encoding === undefined || encoding === 'identity';
        const message = 'Send the body without a Content-Encoding.';
        done(isPlain ? null : new AppError('UNSUPPORTED_MEDIA_TYPE', message), body);
      });
      const shapes = new Set(this.#sources.map(({ operation }) => shapeOf(operation)));
      for (const shape of shapes) {
        const sources = this.#sources.filter(({ operation }) => shapeOf(operation) === shape);
        this.#serve(scope, sources, authenticate);
      }
    });
  }

  describe(): readonly ContractOperation[] {
    return this.#sources.map(describeRequest);
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.allSettled(this.#running);
  }

  /** Aborts the events of the requests that wait for an answer. */
  abort(): void {
    for (const waiting of this.#waiting) waiting.abort();
  }

  /** Registers all methods of one path. */
  #serve(scope: FastifyInstance, sources: readonly RequestSource[], authenticate: readonly OnRequest[]): void {
    const isAllowedOrigin = makeOriginCheck(this.#context.server.cors);
    for (const source of sources) {
      const checkCaller: OnRequest = (request, _reply, done) => {
        // Browsers send forms of other sites without a preflight, and with the cookies of this site.
        if (request.method !== 'GET' && !isAllowedOrigin(request)) return done(forbiddenOrigin(request));
        try {
          checkAccess(source.settings, identityOf(request), this.#context.auth);
          done();
        } catch (error) {
          done(error as Error);
        }
      };
      const onRequest = [...authenticate, checkCaller];
      const handler = (request: FastifyRequest, reply: FastifyReply) => this.#answer(request, reply, source);
      for (const url of this.#context.pathsOf(pathOf(source.operation))) {
        addFree(scope, source, { url, onRequest, handler });
      }
    }
    const methods = sources.map(({ operation }) => operation.method);
    const [first] = sources;
    if (first === undefined) return;
    for (const url of this.#context.pathsOf(pathOf(first.operation))) refuseOthers(scope, url, methods);
  }

  async #answer(request: FastifyRequest, reply: FastifyReply, source: RequestSource): Promise<FastifyReply> {
    if (this.#isStopping) throw stoppingError();
    const work = this.#run(request, reply, source);
    this.#running.add(work);
    try {
      const result = await work;
      reply.header('cache-control', NEVER_KEPT);
      if (result === undefined || result === null) return reply.code(202).send();
      return reply.header('content-type', 'application/json; charset=utf-8').send(JSON.stringify(result));
    } finally {
      this.#running.delete(work);
    }
  }

  async #run(
    request: FastifyRequest,
    reply: FastifyReply,
    { settings, source, handle }: RequestSource,
  ): Promise<unknown> {
    const body = request.body as Buffer | undefined;
    const { headers } = request;
    const { secret } = settings;
    const message = { headers, body: body ?? Buffer.alloc(0) };
    const webhookId = secret === undefined ? undefined : verify(secret, message, Date.now());
    const params = request.params as Record<string, string>;
    const parts = { method: request.method, headers, body, params, query: queryOf(request) };
    const { input, notes } = readInput(parts, { settings, limits: this.#context.server.limits });
    const identity = identityOf(request);
    const keyed = { operation: source.operation, input, hasHeaders: settings.headers.length > 0, webhookId };
    const { key, digest } = eventKeyOf(request, keyed);
    const event = { input, notes: { ...notes, ...(digest === undefined ? {} : { digest }) }, identity, key };
    const work = () => this.#handle(reply, event, handle);
    return digest === undefined ? work() : this.#context.requestKeys.run(key, digest, work);
  }

  async #handle(reply: FastifyReply, event: Omit<FlowEvent, 'signal'>, handle: Handle): Promise<unknown> {
    const waiting = new AbortController();
    reply.raw.once('close', () => {
      if (!reply.raw.writableFinished) waiting.abort();
    });
    this.#waiting.add(waiting);
    try {
      return await handle({ ...event, signal: waiting.signal });
    } catch (error) {
      if (error instanceof AppError) throw error;
      // The event lacks a value that an expression reads: an error of the sender.
      if (error instanceof CelError) throw new AppError('VALIDATION_ERROR', error.message, { cause: error });
      // Messages of other systems are for the operator.
      this.#context.onError(error);
      throw new AppError('FLOW_FAILED', 'The flow has failed; it has been logged.', { cause: error });
    } finally {
      this.#waiting.delete(waiting);
    }
  }
}

interface RouteAddress {
  readonly url: string;
  readonly onRequest: OnRequest[];
  readonly handler: (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>;
}

const REST = { transport: 'rest' };

function addFree(
  scope: FastifyInstance,
  { operation, source }: RequestSource,
  { url, ...address }: RouteAddress,
): void {
  const { method } = operation;
  const taken = () => {
    const message = `"${source.operation}" is at ${url}, which is taken`;
    return new StartError([sectionOf(source, 'operation').diagnose({ message, hint: 'use another path' })]);
  };
  if (scope.hasRoute({ url, method, constraints: REST })) throw taken();
  try {
    scope.route({ ...address, method: method as 'GET', url, constraints: REST });
  } catch (error) {
    // Thrown for the same address with other names of parameters.
    if ((error as { code?: unknown }).code === 'FST_ERR_DUPLICATED_ROUTE') throw taken();
    throw error;
  }
}

/** Section of a key of a source, or of the source itself where the key is absent. */
export function sectionOf({ section }: Pick<SourceUse, 'section'>, key: string) {
  return section.members.get(key) ?? section;
}
