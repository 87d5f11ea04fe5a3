// Private Node behaviour: sets the limits of HTTP/1.1 as properties of an HTTP/2 server, where Node's HTTP/1.1 code reads
// them. It stays until `createSecureServer` accepts them as options.

import type { ServerOptions as HttpOptions, IncomingMessage, ServerResponse } from 'node:http';
import type { Http2SecureServer, Http2ServerResponse, SecureServerOptions } from 'node:http2';
import type { TlsFiles } from '../tls.ts';

/** Properties that Node reads from a server for HTTP/1.1, and does not set from the options of an HTTP/2 server. */
const READ_OF_SERVER = ['headersTimeout', 'requestTimeout', 'keepAliveTimeout', 'maxHeaderSize'] as const;

/** Makes options for HTTP/2 with HTTP/1.1 (WebSockets need it). The handshake has the time limit of the headers. */
export function secureOptions(http: HttpOptions, tls: TlsFiles): SecureServerOptions {
  return {
    ...http,
    ...tls,
    allowHTTP1: true,
    Http1ServerResponse: http.ServerResponse as unknown as typeof ServerResponse,
    handshakeTimeout: http.headersTimeout,
  } as SecureServerOptions;
}

/** Applies the limits of HTTP/1.1 to HTTP/1.1 over TLS, and ends HTTP/2 uploads after an early response. */
export function limitSecure(server: Http2SecureServer, http: HttpOptions): void {
  for (const name of READ_OF_SERVER) Object.assign(server, { [name]: http[name] });
  Object.assign(server, { connectionsCheckingInterval: http.connectionsCheckingInterval });
  server.on('request', endUpload);
}

/**
 * Asks the client not to send the rest of a body whose response is complete (RFC 9113 §8.1). Node does so only when nothing
 * of the body was read.
 */
function endUpload(request: unknown, response: unknown): void {
  if ((request as IncomingMessage).httpVersionMajor < 2) return;
  const { stream } = response as Http2ServerResponse;
  stream.once('finish', () => {
    if (!(request as IncomingMessage).complete) setImmediate(() => stream.close());
  });
}
