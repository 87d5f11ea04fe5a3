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
import { sharesPort } from '../config/loopback.ts';
import { AppError, stoppingError } from '../errors.ts';
import { registerBodyParsers } from './body.ts';
import { trackMethods } from './checks/known-methods.ts';
import { forbiddenOrigin, isOwnBehindTls, makeOriginCheck, mayOpenStream } from './checks/origin.ts';
import { answerAll, refuseConnection } from './checks/refuse-connection.ts';
import {
  findHeaderFault,
  isHealth,
  makeHostCheck,
  misdirected,
  readAbsoluteForm,
  registerRequestOrder,
} from './checks/request-head.ts';
import { registerCors, registerOptions } from './cors.ts';
import { LoopWatch } from './limits/loop-watch.ts';
import { registerRateLimits } from './limits/rate-limits.ts';
import { continueWhenRead } from './node/expect-continue.ts';
import { Lingering } from './node/lingering.ts';
import { OneWriteResponse } from './node/one-write-response.ts';
import { OpenSockets } from './node/open-sockets.ts';
import { limitSecure, secureOptions } from './node/secure-server.ts';
import { SharedPort } from './node/shared-port.ts';
import type { Lifecycle } from './operations/health.ts';
import { describeRequest, type Log } from './operations/log.ts';
import { makeErrorHandler } from './problems.ts';
import { transportConstraint } from './request.ts';
import { loadTls, type TlsFiles } from './tls.ts';

/** Bytes that Node buffers of a socket before `write` returns false. */
const MAX_SOCKET_BUFFER_BYTES = 64 * 1024;

const NO_QUERY = Object.freeze({});

// Bodies and answers are checked and written by the tables and routes themselves. Without these two, Fastify loads a JSON
// Schema compiler for each direction, which takes a seventh of the start.
const NO_SCHEMA_COMPILERS = { buildValidator: refuseSchema, buildSerializer: refuseSchema };

function refuseSchema(): never {
  throw new Error('a Fastify route has a schema; routes here check their requests themselves');
}

type FastifyOptions = FastifyHttpOptions<RawServerDefault>;

/** Creates a server for HTTP/1.1, or with TLS for HTTP/2 and HTTP/1.1. Routes do not see the difference. */
function create(options: FastifyOptions, http: HttpOptions, tls: TlsFiles | undefined): FastifyInstance {
  if (tls === undefined) return Fastify({ ...options, http });
  const app = Fastify({ ...options, http2: true, https: secureOptions(http, tls) } as unknown as FastifyOptions);
  limitSecure(app.server as unknown as Http2SecureServer, http);
  return app;
}

/** Tracks the open sockets of a server. */
function track(app: FastifyInstance, lingering: Lingering, isSecure: boolean): OpenSockets {
  const sockets = new OpenSockets(app, lingering);
  lingering.serve(app.server);
  if (isSecure) sockets.trackSecure(app.server);
  else sockets.trackPlain(app.server);
  return sockets;
}

export interface HttpServerOptions {
  /** Absolute path of the folder in which a self-signed certificate is stored. */
  readonly dataDir: string;
  readonly lifecycle: Lifecycle;
  readonly log: Log;
}

/** Creates the HTTP server without any routes: limits, checks, error handling, bodies. */
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
    // Above the client buffer, Node would never report the socket as full, and so never as drained either.
    highWaterMark: Math.min(MAX_SOCKET_BUFFER_BYTES, config.channels.clientBuffer),
    noDelay: true,
    // `findHeaderFault` answers it, with problem details.
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
  const options: FastifyOptions = {
    // Fastify's own logging would create a logger for every request.
    logger: false,
    // Request ids are not used.
    genReqId: () => '',
    bodyLimit: limits.body,
    keepAliveTimeout: limits.keepAlive,
    requestTimeout: limits.requestTimeout,
    trustProxy: config.trustProxy && isNearest,
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    schemaController: { compilersFactory: NO_SCHEMA_COMPILERS },
    routerOptions: {
      maxParamLength: limits.url,
      constraints: { transport: transportConstraint },
      // `request.query` is not used: conditions of lists are more than names and values.
      querystringParser: () => NO_QUERY,
    },
    frameworkErrors: ((error, request, reply) => {
      if (request.raw.headers.upgrade !== undefined) closeAfterAnswer(request, reply, lingering);
      handleError(error, request, reply);
    }) as NonNullable<FastifyOptions['frameworkErrors']>,
    clientErrorHandler: (error, socket) => {
      if (!shared?.take(error, socket)) refuseConnection(error, socket, lingering);
    },
  };
  const app = create(options, server, tls);
  const sockets = track(app, lingering, tls !== undefined);
  shared?.attach(app);
  // Node silently drops headers beyond its limit; one more than the configured limit shows that there were more.
  app.server.maxHeadersCount = limits.headerCount + 1;
  app.addHttpMethod('QUERY', { hasBody: true, overrideExisting: true });
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

/** Registers the checks that every request has to pass, in this order; docs/explanation/security.md lists all of them. */
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

/** Makes a function that warns the operator of a missing `trust_proxy`, once for all requests. */
function makeProxyWarning(log: Log): (request: FastifyRequest) => void {
  let hasWarned = false;
  return (request) => {
    if (hasWarned || !isOwnBehindTls(request)) return;
    hasWarned = true;
    log.warn(
      "refused a stream to a page of this server's own name under https; if a proxy in front terminates TLS, set trust_proxy: true",
    );
  };
}

/** Trusts only the proxy that is connected: the addresses before its own entry come from clients. */
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
  return new AppError('HEADERS_TOO_LARGE', `A request may have at most ${limit} header fields.`);
}

function behindError(): AppError {
  return new AppError('OVERLOADED', 'The server is overloaded.', { headers: { 'retry-after': '2' } });
}

function urlTooLong(limit: number): AppError {
  return new AppError('URL_TOO_LONG', `The URL may have ${limit} bytes at most.`);
}

/**
 * Closes the connection of an upgrade request that is answered instead of upgraded. Node has removed the HTTP parser from
 * its socket, so that nothing else would ever close it.
 */
function closeAfterAnswer(request: FastifyRequest, reply: FastifyReply, lingering: Lingering): void {
  const { socket } = request.raw;
  reply.header('connection', 'close');
  reply.raw.once('finish', () => lingering.close(socket));
}
