import { validateHeaderValue } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../errors.ts';
import { STREAMED } from '../../server/cache-control.ts';

const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': STREAMED,
  'x-accel-buffering': 'no',
};

/** The answer to HEAD: that to GET, without the stream. */
export function answerHead(reply: FastifyReply): void {
  reply.headers(HEADERS).send();
}

/** Throws BAD_REQUEST for a request behind another one that is not answered yet. */
export function checkStreamable(request: FastifyRequest, reply: FastifyReply): void {
  // Its turn would come after the answers before it, but the stream writes to the socket itself.
  if (request.raw.httpVersionMajor < 2 && reply.raw.socket === null) {
    throw new AppError('BAD_REQUEST', 'A stream cannot be asked for behind a request that is not answered yet.');
  }
}

/** Takes the socket from the HTTP server, since its own response would frame every write anew for every client. */
export function startResponse(request: FastifyRequest, reply: FastifyReply): Duplex {
  // Before the route others may have set some, those of CORS for example.
  const headers = { ...textsOf(reply.getHeaders()), ...HEADERS };
  reply.hijack();
  const { raw } = request;
  if (raw.httpVersionMajor >= 2) {
    const { stream } = reply.raw as unknown as import('node:http2').Http2ServerResponse;
    stream.respond({ ...headers, ':status': 200 });
    return stream;
  }
  const framing =
    raw.httpVersion === '1.1' ? 'Transfer-Encoding: chunked\r\nConnection: keep-alive' : 'Connection: close';
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  raw.socket.setKeepAlive(true, 30_000);
  raw.socket.write(`HTTP/1.1 200 OK\r\n${fields.join('')}${framing}\r\n\r\n`);
  return raw.socket;
}

/** What `setHeader` would refuse must not be written either: a line break in a value would begin another header. */
function textsOf(headers: ReturnType<FastifyReply['getHeaders']>): Record<string, string> {
  const known = Object.entries(headers).filter(([, value]) => value !== undefined);
  for (const [name, value] of known) validateHeaderValue(name, String(value));
  return Object.fromEntries(known.map(([name, value]) => [name, String(value)]));
}
