import type { ServerOptions as HttpOptions, IncomingMessage, ServerResponse } from 'node:http';
import type { Http2SecureServer, Http2ServerResponse, SecureServerOptions } from 'node:http2';
import type { TlsFiles } from './tls.ts';

/** What Node reads of a server that speaks HTTP/1.1, and does not take from the options of one that also speaks HTTP/2. */
const READ_OF_SERVER = ['headersTimeout', 'requestTimeout', 'keepAliveTimeout', 'maxHeaderSize'] as const;

/** HTTP/2 with HTTP/1.1 beside it (WebSockets need that). `handshakeTimeout` is that of the header fields, too. */
export function secureOptions(http: HttpOptions, tls: TlsFiles): SecureServerOptions {
  return {
    ...http,
    ...tls,
    allowHTTP1: true,
    Http1ServerResponse: http.ServerResponse as unknown as typeof ServerResponse,
    handshakeTimeout: http.headersTimeout,
  } as SecureServerOptions;
}

/** Has HTTP/1.1 over TLS keep the limits of HTTP/1.1, and early answers end the uploads of HTTP/2. */
export function limitSecure(server: Http2SecureServer, http: HttpOptions): void {
  for (const name of READ_OF_SERVER) Object.assign(server, { [name]: http[name] });
  Object.assign(server, { connectionsCheckingInterval: http.connectionsCheckingInterval });
  server.on('request', endUpload);
}

/**
 * Asks the client not to send the rest of a body whose answer is complete (RFC 9113 §8.1). Node does it where nothing of
 * the body was read.
 */
function endUpload(request: unknown, response: unknown): void {
  if ((request as IncomingMessage).httpVersionMajor < 2) return;
  const { stream } = response as Http2ServerResponse;
  stream.once('finish', () => {
    if (!(request as IncomingMessage).complete) setImmediate(() => stream.close());
  });
}
