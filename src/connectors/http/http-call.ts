import http, { type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import https from 'node:https';
import { type AddressGuard, AddressRefusedError } from './address-guard.ts';

/** Bytes of the header fields of an answer. */
const MAX_HEADERS = 16 * 1024;

export interface HttpCall {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface ExchangeOptions {
  readonly guard: AddressGuard;
  /** Milliseconds for all of it. */
  readonly timeout: number;
  /** Bytes of the answer's body. */
  readonly maxResponse: number;
  readonly signal: AbortSignal;
}

export interface HttpReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Undefined when it was longer than allowed. */
  readonly body: Buffer | undefined;
}

/**
 * Sends one request over a connection of its own, and follows no redirect. Rejects with AddressRefusedError for an
 * address that is not allowed, with other errors when there was no answer, or none in time.
 */
export async function callHttp(
  url: URL,
  { method, headers, body }: HttpCall,
  options: ExchangeOptions,
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
      maxHeaderSize: MAX_HEADERS,
    });
    const end = (error: Error) => request.destroy(error);
    const timer = setTimeout(() => end(new Error(`no answer within ${timeout} ms`)), timeout);
    const leave = () => end(new Error('nobody waits for the answer any more'));
    signal.addEventListener('abort', leave);
    request.once('close', () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', leave);
      // After an answer or an error this means nothing any more.
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

async function readBody(response: IncomingMessage, most: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    // Leaving the loop closes the connection.
    if (length > most) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
