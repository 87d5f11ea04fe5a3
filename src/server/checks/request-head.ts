import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { ServerConfig } from '../../config/config.ts';
import { isLoopback } from '../../config/loopback.ts';
import { AppError } from '../../errors.ts';

const CLOSING = { headers: { connection: 'close' } };

/**
 * Returns the error in the HTTP version or the headers of a request, independent of its URL; undefined when they are valid.
 * By default Node refuses a missing Host and an unknown Expect itself, with an empty response; both are configured to reach
 * this function.
 */
export function findHeaderFault(request: IncomingMessage): AppError | undefined {
  const { httpVersion, headers, rawHeaders } = request;
  // The parser of HTTP/1.1 accepts other versions as well, HTTP/2.0 among them; a real HTTP/2 request has a stream.
  if (httpVersion !== '1.1' && httpVersion !== '1.0' && !('stream' in request)) {
    return badRequest('This version of HTTP is not supported.');
  }
  const fault = findRepeated(rawHeaders);
  if (fault !== undefined) return fault;
  const { host, expect, 'transfer-encoding': coding } = headers;
  if (host === undefined && httpVersion === '1.1') return badRequest('A request has a Host.');
  // The parser finds the end of such a body, and would pass it on as if it were not coded (RFC 9112 §6.1).
  if (coding !== undefined && !isWord(coding, 'chunked')) return badRequest('Transfer-Encoding may only be chunked.');
  if (expect === undefined || httpVersion === '1.0' || isWord(expect, '100-continue')) return undefined;
  // The client may or may not send the body now, so the start of the next request is unknown (RFC 9110 §10.1.1).
  return new AppError('EXPECTATION_FAILED', 'Expect may be 100-continue.', CLOSING);
}

/** Finds repeated headers. Node silently uses the first of them; a proxy in front may have used another (RFC 9112 §3.2). */
function findRepeated(rawHeaders: readonly string[]): AppError | undefined {
  let hosts = 0;
  let types = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++;
    else if (name.length === 12 && name.toLowerCase() === 'content-type') types++;
  }
  if (hosts > 1) return badRequest('A request has one Host.');
  return types > 1 ? badRequest('A request has one Content-Type.') : undefined;
}

function isWord(value: string, word: string): boolean {
  return value === word || value.trim().toLowerCase() === word;
}

function badRequest(message: string): AppError {
  return new AppError('BAD_REQUEST', message, CLOSING);
}

/** Name or address with an optional port: RFC 9110 §7.2. */
const HOST = /^([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/;
/** Accepted spellings of Host that are cached: more than clients use, and a bound for a client that tries them all. */
const MAX_CACHED_HOSTS = 100;

export type HostCheck = (request: IncomingMessage) => boolean;

/**
 * Makes a check that a request names the server by one of its names; undefined where any name is accepted. It stops DNS
 * rebinding, where a page points its own name to this machine: the address is then right, but the name is not. A
 * forwarded name never counts here, since such a page can send that too.
 */
export function makeHostCheck({
  host,
  allowedHosts,
}: Pick<ServerConfig, 'host' | 'allowedHosts'>): HostCheck | undefined {
  if (!isLoopback(host) && allowedHosts.length === 0) return undefined;
  const names = new Set(allowedHosts);
  const known = new Set<string>();
  const accept = (written: string): boolean => {
    const name = HOST.exec(written)?.[1]?.toLowerCase();
    if (name === undefined || !(isLoopback(name) || name === '[::1]' || names.has(name))) return false;
    if (known.size < MAX_CACHED_HOSTS) known.add(written);
    return true;
  };
  return ({ headers, url }) => {
    // HTTP/2 has a field of its own for it, and may have both. Every browser sends at least one.
    const authority = headers[':authority'];
    const { host: written } = headers;
    const accepted =
      (written === undefined || known.has(written) || accept(written)) &&
      (authority === undefined || known.has(String(authority)) || accept(String(authority)));
    // Monitoring calls a server by its address; the response reveals nothing.
    return accepted || isHealth(url);
  };
}

/**
 * Normalizes a request with an absolute URL instead of a path, as clients send it to a proxy: its host replaces the Host
 * header (RFC 9112 §3.2.2), and the URL becomes the path.
 */
export function readAbsoluteForm(request: IncomingMessage): void {
  const [, host, path = ''] = /^https?:\/\/([^/?#]*)(.*)$/i.exec(request.url ?? '') ?? [];
  if (host === undefined) return;
  request.url = path.startsWith('/') ? path : `/${path}`;
  if (request.headers.host !== undefined) request.headers.host = host;
}

const HEALTH = /^(?:\/_)?\/health\/(?:live|ready)$/;

/** True for the URLs of health checks, which reveal nothing but that the process runs. */
export function isHealth(url: string | undefined): boolean {
  return url !== undefined && HEALTH.test(url);
}

export function misdirected(): AppError {
  return new AppError(
    'MISDIRECTED',
    'This server is not called by the name in Host. Names other than localhost are listed in allowed_hosts of config.yaml.',
  );
}

/** Pipelined requests of one connection that wait; a client that sends more is disconnected, so that memory is bounded. */
const MAX_PIPELINED_REQUESTS = 100;

/**
 * Handles requests that are pipelined on one connection one after the other: only safe methods might run in parallel
 * (RFC 9112 §9.3.2). Node gives a response its socket when all responses before it are sent.
 */
export function registerRequestOrder(app: FastifyInstance): void {
  const waiting = new WeakMap<Socket, number>();
  app.addHook('onRequest', ({ raw: { socket } }, { raw }, done) => {
    // Never null in HTTP/2, where streams are independent.
    if (raw.socket !== null) {
      done();
      return;
    }
    const count = (waiting.get(socket) ?? 0) + 1;
    waiting.set(socket, count);
    if (count > MAX_PIPELINED_REQUESTS) {
      socket.destroy();
      return;
    }
    raw.once('socket', () => {
      waiting.set(socket, (waiting.get(socket) ?? 1) - 1);
      done();
    });
  });
}
