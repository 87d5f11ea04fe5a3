import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { StartError } from '../../config/files/diagnostic.ts';
import { AppError, stoppingError } from '../../errors.ts';
import type { ContractOperation } from '../../openapi/contract-operation.ts';
import { makeAuthentication } from '../../server/auth/authentication.ts';
import { identityOf } from '../../server/auth/identity-of.ts';
import { NEVER_KEPT } from '../../server/cache-control.ts';
import { listMethods } from '../../server/checks/known-methods.ts';
import { forbiddenOrigin, makeOriginCheck } from '../../server/checks/origin.ts';
import { queryOf } from '../../server/query-of.ts';
import { checkAccess } from '../../transports/routes/context.ts';
import { METHODS } from '../../transports/routes/route.ts';
import type { ConnectorContext, FlowEvent, Handle, SourceUse } from '../connector.ts';
import { CelError } from '../flows/expressions/cel.ts';
import { describeRequest } from './contract.ts';
import { eventKeyOf } from './event-key.ts';
import { readInput } from './input.ts';
import type { RequestSettings } from './keys.ts';
import { type HttpOperation, isOperation, parseOperation, pathOf, shapeOf } from './operation.ts';
import { verify } from './signature.ts';

interface Place {
  readonly operation: HttpOperation;
  readonly settings: RequestSettings;
  readonly source: SourceUse;
  readonly handle: Handle;
}

type OnRequest = ReturnType<typeof makeAuthentication>;

/** Requests that flows begin with: docs/connectors-http.md. */
export class Requests {
  readonly #context: ConnectorContext;
  readonly #places: Place[] = [];
  readonly #atWork = new Set<Promise<unknown>>();
  /** Of those who wait for an answer. */
  readonly #waiting = new Set<AbortController>();
  #isStopping = false;

  constructor(context: ConnectorContext) {
    this.#context = context;
  }

  listen(source: SourceUse, handle: Handle): void {
    const operation = parseOperation(source.operation, { methods: METHODS, needsPath: true });
    if (!isOperation(operation)) throw new TypeError(`${source.operation} is no operation`);
    this.#places.push({ operation, settings: source.settings as RequestSettings, source, handle });
  }

  /** Throws StartError when an address is taken. */
  async register(server: FastifyInstance): Promise<void> {
    if (this.#places.length === 0) return;
    const { auth } = this.#context;
    const authenticate = auth === undefined ? [] : [makeAuthentication(auth, { ticket: true, token: false })];
    await server.register(async (scope) => {
      scope.removeAllContentTypeParsers();
      // Signatures are over bytes; what they are is looked at when it is known who has sent them.
      scope.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body, done) => {
        const encoding = request.headers['content-encoding'];
        const isPlain = encoding === undefined || encoding === 'identity';
        const message = 'Send the body without a Content-Encoding.';
        done(isPlain ? null : new AppError('UNSUPPORTED_MEDIA_TYPE', message), body);
      });
      const shapes = new Set(this.#places.map(({ operation }) => shapeOf(operation)));
      for (const shape of shapes) {
        const places = this.#places.filter(({ operation }) => shapeOf(operation) === shape);
        this.#serve(scope, places, authenticate);
      }
    });
  }

  describe(): readonly ContractOperation[] {
    return this.#places.map(describeRequest);
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.allSettled(this.#atWork);
  }

  /** Those who are at work are told that nobody waits any more. */
  abort(): void {
    for (const waiting of this.#waiting) waiting.abort();
  }

  /** All methods of one path. */
  #serve(scope: FastifyInstance, places: readonly Place[], authenticate: readonly OnRequest[]): void {
    const isAllowedOrigin = makeOriginCheck(this.#context.server.cors);
    for (const place of places) {
      const checkCaller: OnRequest = (request, _reply, done) => {
        // A page may send a form anywhere without asking, and with what the browser knows of that place.
        if (request.method !== 'GET' && !isAllowedOrigin(request)) return done(forbiddenOrigin(request));
        try {
          checkAccess(place.settings, identityOf(request), this.#context.auth);
          done();
        } catch (error) {
          done(error as Error);
        }
      };
      const onRequest = [...authenticate, checkCaller];
      const handler = (request: FastifyRequest, reply: FastifyReply) => this.#answer(request, reply, place);
      for (const url of this.#context.pathsOf(pathOf(place.operation))) {
        addFree(scope, place, { url, onRequest, handler });
      }
    }
    const methods = places.map(({ operation }) => operation.method);
    const [first] = places;
    if (first === undefined) return;
    for (const url of this.#context.pathsOf(pathOf(first.operation))) answerOthers(scope, url, methods);
  }

  async #answer(request: FastifyRequest, reply: FastifyReply, place: Place): Promise<FastifyReply> {
    if (this.#isStopping) throw stoppingError();
    const work = this.#run(request, reply, place);
    this.#atWork.add(work);
    try {
      const result = await work;
      reply.header('cache-control', NEVER_KEPT);
      if (result === undefined || result === null) return reply.code(202).send();
      return reply.header('content-type', 'application/json; charset=utf-8').send(JSON.stringify(result));
    } finally {
      this.#atWork.delete(work);
    }
  }

  async #run(request: FastifyRequest, reply: FastifyReply, { settings, source, handle }: Place): Promise<unknown> {
    const body = request.body as Buffer | undefined;
    const { headers } = request;
    const { secret } = settings;
    const message = { headers, body: body ?? Buffer.alloc(0) };
    const webhookId = secret === undefined ? undefined : verify(secret, message, Date.now());
    const params = request.params as Record<string, string>;
    const parts = { method: request.method, headers, body, params, query: queryOf(request) };
    const { input, notes } = readInput(parts, { settings, limits: this.#context.server.limits });
    const identity = identityOf(request);
    const said = { operation: source.operation, input, hasHeaders: settings.headers.length > 0, webhookId };
    const { key, digest } = eventKeyOf(request, said);
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
      // What the flow reads of the event is not in it: the sender's mistake and not ours.
      if (error instanceof CelError) throw new AppError('VALIDATION_ERROR', error.message, { cause: error });
      // What other systems have said is for whoever runs the server.
      this.#context.onError(error);
      throw new AppError('FLOW_FAILED', 'The flow has failed; it has been logged.', { cause: error });
    } finally {
      this.#waiting.delete(waiting);
    }
  }
}

interface Address {
  readonly url: string;
  readonly onRequest: OnRequest[];
  readonly handler: (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>;
}

const REST = { transport: 'rest' };

function addFree(scope: FastifyInstance, { operation, source }: Place, { url, ...address }: Address): void {
  const { method } = operation;
  const taken = () => {
    const message = `"${source.operation}" is at ${url}, where something else is`;
    return new StartError([sectionOf(source, 'operation').diagnose({ message, hint: 'take another path' })]);
  };
  if (scope.hasRoute({ url, method, constraints: REST })) throw taken();
  try {
    scope.route({ ...address, method: method as 'GET', url, constraints: REST });
  } catch (error) {
    // The same address with parameters of other names.
    if ((error as { code?: unknown }).code === 'FST_ERR_DUPLICATED_ROUTE') throw taken();
    throw error;
  }
}

/** Other methods are told which ones there are. */
function answerOthers(scope: FastifyInstance, url: string, taken: readonly string[]): void {
  const allow = listMethods([...taken, ...(taken.includes('GET') ? ['HEAD'] : [])]);
  const others = METHODS.filter(
    (method) => !taken.includes(method) && !scope.hasRoute({ url, method: method as 'GET', constraints: REST }),
  );
  const handler = (request: FastifyRequest) => {
    throw new AppError('METHOD_NOT_ALLOWED', `${request.method} is not for this address; it takes ${allow}.`, {
      headers: { allow },
    });
  };
  if (others.length === 0) return;
  const config = { refuses: true };
  scope.route({ method: others, url, constraints: REST, config, exposeHeadRoute: false, handler });
}

/** Where a key of a source is written, or the source itself. */
export function sectionOf({ section }: Pick<SourceUse, 'section'>, key: string) {
  return section.members.get(key) ?? section;
}
