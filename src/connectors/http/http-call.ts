import http, { type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import https from 'node:https';
import { type AddressGuard, AddressRefusedError } from './address-guard.ts';

/** Bound of the header fields of an answer. */
const MAX_HEADER_BYTES = 16 * 1024;

export interface HttpCall {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface HttpCallOptions {
  readonly guard: AddressGuard;
  /** Milliseconds, from the look-up of the name to the end of the answer. */
  readonly timeout: number;
  /** Bound of the answer's body in bytes. */
  readonly maxResponse: number;
  readonly signal: AbortSignal;
}

export interface HttpReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Undefined for a body that is longer than allowed. */
  readonly body: Buffer | undefined;
}

/**
 * Sends one request over a connection of its own, without following redirects. Rejects with AddressRefusedError for an
 * address that is not allowed, with another error when there is no complete answer in time.
 */
export async function callHttp(
  url: URL,
  { method, headers, body }: HttpCall,
  options: HttpCallOptions,
): Promise<HttpReply> {
  const { guard, timeout, maxResponse, signal } = options;
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (!guard.allowsHost(host)) throw new AddressRefusedError(host);
  signal.throwIfAborted();
  const { request: open } = url.protocol === 'https:' ? https : http;
  return new Promise<HttpReply>((resolve, reject) => {
    const request = open(url, {
      method,
      headers: { ...headers, 'content-length': body.length },
      lookup: guard.lookup,
      agent: false,
      maxHeaderSize: MAX_HEADER_BYTES,
    });
    const end = (error: Error) => request.destroy(error);
    const timer = setTimeout(() => end(new Error(`no answer within ${timeout} ms`)), timeout);
    const cancel = () => end(new Error('the delivery was cancelled'));
    signal.addEventListener('abort', cancel);
    request.once('close', () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', cancel);
      // Has no effect after an answer or an error.
      reject(new Error('the connection was closed before the answer was complete'));
    });
    request.on('error', reject);
    request.once('response', (response) => {
      readBody(response, maxResponse).then(
        (read) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: read }),
        reject,
      );
    });
    request.end(body);
  });
}

async function readBody(response: IncomingMessage, maxBytes: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    // Leaving the loop closes the connection.
    if (length > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
