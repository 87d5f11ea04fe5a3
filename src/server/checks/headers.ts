import type { IncomingMessage } from 'node:http';
import { AppError } from '../../errors.ts';

const CLOSING = { headers: { connection: 'close' } };

/**
 * What is wrong with the version or the header fields of a request, whatever it asks for; undefined when nothing is. Node refuses a
 * missing Host and an unknown Expect by itself, with an empty answer, unless it is told to leave them to this.
 */
export function findHeaderFault(request: IncomingMessage): AppError | undefined {
  const { httpVersion, headers, rawHeaders } = request;
  // The parser of HTTP/1.1 takes other versions as well, HTTP/2.0 among them; a real one has its stream.
  if (httpVersion !== '1.1' && httpVersion !== '1.0' && !('stream' in request)) {
    return badRequest('This is not a version of HTTP that is spoken here.');
  }
  const fault = findRepeated(rawHeaders);
  if (fault !== undefined) return fault;
  const { host, expect, 'transfer-encoding': coding } = headers;
  if (host === undefined && httpVersion === '1.1') return badRequest('A request has a Host.');
  // The parser has found where such a body ends, and would give it to us as if it were not coded (RFC 9112 §6.1).
  if (coding !== undefined && !isWord(coding, 'chunked'))
    return badRequest('A body may be chunked, and not coded besides.');
  if (expect === undefined || httpVersion === '1.0' || isWord(expect, '100-continue')) return undefined;
  // Whether the body comes now is the client's secret, so that the next request cannot be found (RFC 9110 §10.1.1).
  return new AppError('EXPECTATION_FAILED', 'Expect may be 100-continue.', CLOSING);
}

/** Node takes the first of each and says nothing; a proxy before it may have taken another one (RFC 9112 §3.2). */
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
