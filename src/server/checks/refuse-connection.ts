import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { AppError, makeProblem } from '../../errors.ts';
import type { Lingering } from '../node/lingering.ts';
import { RECORD_METHODS } from '../not-found.ts';
import { PROBLEM_TYPE, toAppError } from '../problems.ts';

/** Answers bytes that are not valid HTTP with a plain response, and closes the connection. */
export function refuseConnection(error: Error & { code?: string }, socket: Duplex, lingering: Lingering): void {
  if (socket.destroyed) return;
  const isOfHttp = error instanceof AppError || /^(?:HPE|ERR_HTTP)_/.test(error.code ?? '');
  const isAnswered = lingering.has(socket);
  if (!isOfHttp || (isAnswered && error.code === 'ERR_HTTP_REQUEST_TIMEOUT')) {
    socket.destroy();
    return;
  }
  // The client would take a second response for the response to its next request.
  if (isAnswered) lingering.close(socket);
  if (isAnswered || !socket.writable) return;
  const failure = toAppError(error);
  const problem = makeProblem(failure);
  const body = JSON.stringify(problem);
  const headers = { ...failure.headers, ...lengthOf(body), Connection: 'close' };
  socket.write(head(`${problem.status} ${problem.title}`, headers) + body);
  lingering.close(socket);
}

/**
 * Answers the requests that Node would answer itself, with a bare status or not at all: a request with an unknown `Expect`
 * takes the path of every request and is refused there, CONNECT is refused here.
 */
export function answerAll({ server }: FastifyInstance, lingering: Lingering): void {
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    server.emit('request', request, response);
  });
  server.on('connect', (_request: IncomingMessage, answer: Duplex | ServerResponse) => {
    const failure = new AppError('METHOD_NOT_ALLOWED', 'CONNECT is not supported: this server is not a proxy.', {
      headers: { allow: RECORD_METHODS },
    });
    // In HTTP/2 it is one stream of the connection; the others continue.
    if ('writeHead' in answer) refuseStream(failure, answer);
    else {
      answer.on('error', () => answer.destroy());
      refuseConnection(failure, answer, lingering);
    }
  });
}

function refuseStream(failure: AppError, response: ServerResponse): void {
  const body = JSON.stringify(makeProblem(failure));
  response.writeHead(failure.status, { ...failure.headers, ...lengthOf(body) }).end(body);
}

function lengthOf(body: string): Readonly<Record<string, string | number>> {
  return { 'Content-Type': PROBLEM_TYPE, 'Content-Length': Buffer.byteLength(body) };
}

function head(status: string, headers: Readonly<Record<string, string | number>>): string {
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status}\r\n${fields.join('')}\r\n`;
}
