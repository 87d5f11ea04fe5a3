// Private Node API: replaces `_read` of a request. It stays until Node has an event for the first read of a body; its
// `checkContinue` event comes before the request is handled.

import type { IncomingMessage, Server, ServerResponse } from 'node:http';

/**
 * Sends `100 Continue` when the body of a request is first read, and not before: a request that is refused for its headers
 * is then refused without its body. Node would send it before any check has run.
 */
export function continueWhenRead(server: Server): void {
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    if (hasBody(request)) sendWhenRead(request, response);
    server.emit('request', request, response);
  });
}

function hasBody({ headers, httpVersionMajor }: IncomingMessage): boolean {
  const { 'content-length': length = '0', 'transfer-encoding': coding } = headers;
  return length !== '0' || coding !== undefined || httpVersionMajor > 1;
}

function sendWhenRead(request: IncomingMessage, response: ServerResponse): void {
  const { shouldKeepAlive } = response;
  // A client that gets a response instead may or may not send the body, so the start of the next request is unknown
  // (RFC 9110 §10.1.1).
  response.shouldKeepAlive = false;
  const read = request._read;
  request._read = (size) => {
    request._read = read;
    // Node also reads what the handler has left unread.
    if (!response.headersSent) {
      response.writeContinue();
      response.shouldKeepAlive = shouldKeepAlive;
    }
    read.call(request, size);
  };
}
