import { validateHeaderValue } from 'node:http';
import type { Http2ServerResponse } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../errors.ts';
import { STREAMED } from '../../server/response-headers.ts';

const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': STREAMED,
  'x-accel-buffering': 'no',
};

/**
 * The connection ends with the stream. A client that kept it for another request would lose that request when both
 * cross, so the time that it may keep it is zero (`Keep-Alive` of RFC 2068 §19.7.1.1; Node's clients follow it).
 */
const CHUNKED = 'Transfer-Encoding: chunked\r\nConnection: keep-alive\r\nKeep-Alive: timeout=0';

/** Answers HEAD as GET is answered, without the stream. */
export function answerHead(reply: FastifyReply): void {
  reply.headers(HEADERS).send();
}

/** Throws BAD_REQUEST for a request behind another one that is not answered yet. */
export function checkStreamable(request: FastifyRequest, reply: FastifyReply): void {
  // A response waits for those before it, but the stream writes to the socket itself.
  if (request.raw.httpVersionMajor < 2 && reply.raw.socket === null) {
    throw new AppError(
      'BAD_REQUEST',
      'A stream cannot be requested while an earlier request of the connection has no response.',
    );
  }
}

/** True when the client has closed its connection, or its stream of HTTP/2. */
export function hasGone(request: FastifyRequest, reply: FastifyReply): boolean {
  return outputOf(request, reply).destroyed;
}

/**
 * Takes the socket from the HTTP server, whose own response would frame every write again for every client. Throws
 * BAD_REQUEST when the client has gone: the end of such a stream would never be reported.
 */
export function startResponse(request: FastifyRequest, reply: FastifyReply): Duplex {
  const output = outputOf(request, reply);
  if (output.destroyed) throw new AppError('BAD_REQUEST', 'The connection was closed.');
  // Some were set before the route, those of CORS for example.
  const headers = { ...toTexts(reply.getHeaders()), ...HEADERS };
  reply.hijack();
  const { raw } = request;
  if (raw.httpVersionMajor >= 2) {
    (output as Http2ServerResponse['stream']).respond({ ...headers, ':status': 200 });
    return output;
  }
  const framing = raw.httpVersion === '1.1' ? CHUNKED : 'Connection: close';
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  raw.socket.setKeepAlive(true, 30_000);
  output.write(`HTTP/1.1 200 OK\r\n${fields.join('')}${framing}\r\n\r\n`);
  return output;
}

/** The socket of the request; its own stream in HTTP/2, where many requests share a socket. */
function outputOf({ raw }: FastifyRequest, reply: FastifyReply): Duplex {
  return raw.httpVersionMajor < 2 ? raw.socket : (reply.raw as unknown as Http2ServerResponse).stream;
}

/** Throws for a value that `setHeader` would refuse: a line break in it would begin another header field. */
function toTexts(headers: ReturnType<FastifyReply['getHeaders']>): Record<string, string> {
  const known = Object.entries(headers).filter(([, value]) => value !== undefined);
  for (const [name, value] of known) validateHeaderValue(name, String(value));
  return Object.fromEntries(known.map(([name, value]) => [name, String(value)]));
}
