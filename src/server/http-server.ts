import type { ServerOptions as HttpOptions, ServerResponse } from 'node:http';
import type { Http2SecureServer } from 'node:http2';
import Fastify, {
  type FastifyHttpOptions,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type RawServerDefault,
} from 'fastify';
import type { ServerConfig } from '../config/config.ts';
import { sharesPort } from '../config/tls.ts';
import { AppError, stoppingError } from '../errors.ts';
import { registerBodyParsers } from './body.ts';
import { findHeaderFault } from './checks/headers.ts';
import { isHealth, makeHostCheck, misdirected, readAbsoluteForm } from './checks/host.ts';
import { trackMethods } from './checks/known-methods.ts';
import { forbiddenOrigin, isOwnBehindTls, makeOriginCheck, mayOpenStream } from './checks/origin.ts';
import { answerAll, refuseConnection } from './checks/refuse-connection.ts';
import { registerRequestOrder } from './checks/request-order.ts';
import { continueWhenRead } from './connection/expect-continue.ts';
import { Lingering } from './connection/lingering.ts';
import { limitSecure, secureOptions } from './connection/secure-server.ts';
import { SharedPort } from './connection/shared-port.ts';
import { loadTls, type TlsFiles } from './connection/tls.ts';
import { registerCors } from './cors.ts';
import { LoopWatch } from './limits/loop-watch.ts';
import { registerRateLimits } from './limits/rate-limits.ts';
import { OneWriteResponse } from './node/one-write-response.ts';
import { OpenSockets } from './node/open-sockets.ts';
import type { Lifecycle } from './operations/health.ts';
import { describeRequest, type Log } from './operations/log.ts';
import { registerOptions } from './options.ts';
import { makeErrorHandler } from './problems.ts';
import { transportConstraint } from './transport-constraint.ts';

/** Bytes that Node buffers of a socket before it says that it is full. */
const HIGH_WATER_MARK = 64 * 1024;

const NO_QUERY = Object.freeze({});

type Options = FastifyHttpOptions<RawServerDefault>;

/** HTTP/1.1, or over TLS HTTP/2 with HTTP/1.1 beside it. Both look alike to the routes. */
function create(options: Options, http: HttpOptions, tls: TlsFiles | undefined): FastifyInstance {
  if (tls === undefined) return Fastify({ ...options, http });
  const app = Fastify({ ...options, http2: true, https: secureOptions(http, tls) } as unknown as Options);
  limitSecure(app.server as unknown as Http2SecureServer, http);
  return app;
}

/** Keeps account of the sockets of a server. */
function track(app: FastifyInstance, lingering: Lingering, isSecure: boolean): OpenSockets {
  const sockets = new OpenSockets(app, lingering);
  lingering.serve(app.server);
  if (isSecure) sockets.trackSecure(app.server);
  else sockets.trackPlain(app.server);
  return sockets;
}

export interface HttpServerOptions {
  /** Where a self-signed certificate is kept. */
  readonly dataDir: string;
  readonly lifecycle: Lifecycle;
  readonly log: Log;
}

/** The HTTP server without any table: limits, errors, bodies. */
export async function createHttpServer(
  config: ServerConfig,
  { dataDir, lifecycle, log }: HttpServerOptions,
): Promise<FastifyInstance> {
  const { limits } = config;
  const handleError = makeErrorHandler(log);
  const tls = config.tls === undefined || config.tls === false ? undefined : await loadTls(config.tls, dataDir);
  const lingering = new Lingering(limits);
  const server = {
    maxHeaderSize: limits.headers,
    headersTimeout: limits.headersTimeout,
    requestTimeout: limits.requestTimeout,
    keepAliveTimeout: limits.keepAlive,
    connectionsCheckingInterval: Math.min(1000, limits.headersTimeout),
    // Above the client buffer it would never be reported as full, and so never as drained either.
    highWaterMark: Math.min(HIGH_WATER_MARK, config.channels.clientBuffer),
    noDelay: true,
    // Answered by `findHeaderFault`, with a problem.
    requireHostHeader: false,
    ServerResponse: OneWriteResponse as unknown as typeof ServerResponse,
  };
  const shared = sharesPort(config)
    ? new SharedPort({
        http: server,
        load: () => loadTls('auto', dataDir),
        onError: (error) => log.error({ err: error }, 'cannot speak TLS'),
        created: (secure) => {
          lingering.serve(secure);
          sockets.trackSecure(secure);
        },
      })
    : undefined;
  const options: Options = {
    // Fastify's own logging would cost every request a logger of its own.
    logger: false,
    // Nobody asks for the ids of requests.
    genReqId: () => '',
    bodyLimit: limits.body,
    keepAliveTimeout: limits.keepAlive,
    requestTimeout: limits.requestTimeout,
    trustProxy: config.trustProxy && isNearest,
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    routerOptions: {
      maxParamLength: limits.url,
      constraints: { transport: transportConstraint },
      // Nobody asks Fastify for it: conditions of lists are more than names and values.
      querystringParser: () => NO_QUERY,
    },
    frameworkErrors: ((error, request, reply) => {
      if (request.raw.headers.upgrade !== undefined) closeAfterAnswer(request, reply, lingering);
      handleError(error, request, reply);
    }) as NonNullable<Options['frameworkErrors']>,
    clientErrorHandler: (error, socket) => {
      if (!shared?.take(error, socket)) refuseConnection(error, socket, lingering);
    },
  };
  const app = create(options, server, tls);
  const sockets = track(app, lingering, tls !== undefined);
  shared?.attach(app);
  // Node drops what is beyond its limit without a word; one more than ours shows that there was more.
  app.server.maxHeadersCount = limits.headerCount + 1;
  // With a body it would be refused for that, before anybody sees that nothing here takes it.
  app.addHttpMethod('QUERY', { hasBody: false, overrideExisting: true });
  answerAll(app, lingering);
  continueWhenRead(app.server);
  trackMethods(app);
  app.decorateRequest('identity', null);
  registerBodyParsers(app, limits);
  app.setErrorHandler(handleError);
  registerRequestOrder(app);
  registerFirstChecks(app, config, { lifecycle, log, lingering });
  await registerCors(app, config.cors);
  registerOptions(app);
  registerRateLimits(app, config);
  if (config.logging.requests) logRequests(app, log);
  return app;
}

/** What every request has to pass, in this order; docs/security.md tells what comes before and after it. */
function registerFirstChecks(
  app: FastifyInstance,
  { limits, cors, ...config }: ServerConfig,
  { lifecycle, log, lingering }: Pick<HttpServerOptions, 'lifecycle' | 'log'> & { readonly lingering: Lingering },
): void {
  const warnOfProxy = makeProxyWarning(log);
  const isOurName = makeHostCheck(config);
  const isAllowedOrigin = makeOriginCheck(cors);
  const loop = limits.eventLoopDelay === 0 ? undefined : new LoopWatch(limits.eventLoopDelay);
  app.addHook('onClose', async () => loop?.stop());
  app.addHook('onRequest', (request, reply, done) => {
    if (request.raw.url?.startsWith('/') === false) readAbsoluteForm(request.raw);
    const { url, headers, rawHeaders } = request.raw;
    if (headers.upgrade !== undefined) closeAfterAnswer(request, reply, lingering);
    const fault = findHeaderFault(request.raw);
    if (lifecycle.stopping) done(stoppingError(LAST_ANSWER));
    else if (loop?.isBehind && !isHealth(url)) done(behindError());
    else if (rawHeaders.length > 2 * limits.headerCount) done(tooManyHeaders(limits.headerCount));
    else if (fault !== undefined) done(fault);
    else if ((url as string).length > limits.url) done(urlTooLong(limits.url));
    else if (isOurName?.(request.raw) === false) done(misdirected());
    else if (headers.origin !== undefined && mayOpenStream(request) && !isAllowedOrigin(request)) {
      warnOfProxy(request);
      done(forbiddenOrigin(request));
    } else done();
  });
}

/** Once: whoever runs the server is to know; that a page sends it again says nothing new. */
function makeProxyWarning(log: Log): (request: FastifyRequest) => void {
  let isTold = false;
  return (request) => {
    if (isTold || !isOwnBehindTls(request)) return;
    isTold = true;
    log.warn(
      "refused a stream to a page of this server's own name under https; if a proxy in front ends TLS, set trust_proxy: true",
    );
  };
}

/** Only the proxy that is connected to us is believed, not what it was told by others: it appends what it knows. */
function isNearest(_address: string, hop: number): boolean {
  return hop === 0;
}

function logRequests(app: FastifyInstance, log: Log): void {
  app.addHook('onResponse', (request, reply, done) => {
    const duration = Math.round(reply.elapsedTime * 1000) / 1000;
    log.info({ ...describeRequest(request), status: reply.statusCode, duration }, 'request');
    done();
  });
}

const LAST_ANSWER = { headers: { 'retry-after': '1', connection: 'close' } };

function tooManyHeaders(limit: number): AppError {
  return new AppError('HEADERS_TOO_LARGE', `A request may have ${limit} header fields at most.`);
}

function behindError(): AppError {
  return new AppError('OVERLOADED', 'The server is behind with its work.', { headers: { 'retry-after': '2' } });
}

function urlTooLong(limit: number): AppError {
  return new AppError('URL_TOO_LONG', `The URL may have ${limit} bytes at most.`);
}

/**
 * Node has taken the HTTP parser off the socket of an upgrade request: if it is answered instead of upgraded, nobody
 * else would ever close it.
 */
function closeAfterAnswer(request: FastifyRequest, reply: FastifyReply, lingering: Lingering): void {
  const { socket } = request.raw;
  reply.header('connection', 'close');
  reply.raw.once('finish', () => lingering.close(socket));
}
