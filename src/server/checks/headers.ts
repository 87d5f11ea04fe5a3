import type { IncomingMessage } from 'node:http';
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
