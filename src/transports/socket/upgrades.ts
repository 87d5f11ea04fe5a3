import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { AppError } from '../../errors.ts';
import { releaseSocket } from '../../server/node/open-sockets.ts';

/** Header fields that belong to an upgrade and not to the request that it came with. */
const UPGRADE_FIELDS: ReadonlySet<string> = new Set(['upgrade', 'http2-settings']);

/**
 * Emits the upgrade events of the server that are for WebSockets. A request for another protocol, such as HTTP/2 without
 * TLS (`Upgrade: h2c`), is answered as if it had no `Upgrade` (RFC 9110 §7.8), its body included. A request with more
 * than `maxHeaders` header fields is not completely known here: it is passed on, and refused by the WebSocket handler.
 */
export function webSocketUpgrades(app: FastifyInstance, maxHeaders: number): EventEmitter {
  const { server } = app;
  const upgrades = new EventEmitter();
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    whenAnswered(socket, () => {
      // In HTTP/1.0 nothing is upgraded (RFC 9110 §7.8).
      const isOther = request.httpVersion === '1.0' || !request.headers.upgrade?.toLowerCase().includes('websocket');
      if (!isOther || request.rawHeaders.length > 2 * maxHeaders) {
        releaseSocket(app, socket);
        upgrades.emit('upgrade', request, socket, head);
        return;
      }
      socket.unshift(Buffer.concat([Buffer.from(withoutUpgrade(request), 'latin1'), head]));
      // Behind TLS on a shared port that is not the one which listens.
      const { server: own = server } = socket as Socket & { readonly server?: EventEmitter };
      own.emit('encrypted' in socket ? 'secureConnection' : 'connection', socket);
    });
  });
  return upgrades;
}

/** Private member of Node, for lack of a public one: the answer to an earlier request that is being written. */
interface AnsweringSocket {
  readonly _httpMessage?: ServerResponse | null;
}

/** Waits until earlier requests on the socket are answered: until then it is theirs. */
function whenAnswered(socket: Socket & AnsweringSocket, proceed: () => void): void {
  if (!socket._httpMessage) {
    proceed();
    return;
  }
  const abandon = () => socket.destroy();
  socket.on('error', abandon);
  const check = () => {
    const answering = socket._httpMessage;
    if (answering) {
      // By then, Node has assigned the socket to the next answer.
      answering.once('finish', check);
      return;
    }
    socket.off('error', abandon);
    // Ends the timeout of an idle connection that Node has started.
    socket.setTimeout(0);
    if (!socket.destroyed && socket.writable) proceed();
  };
  check();
}

/** Writes the head of the request again, for a new parser: Node has taken its own off the socket. */
function withoutUpgrade({ method, url, httpVersion, rawHeaders }: IncomingMessage): string {
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const [name, value] = [rawHeaders[i] as string, rawHeaders[i + 1] as string];
    const known = name.toLowerCase();
    if (UPGRADE_FIELDS.has(known)) continue;
    lines.push(`${name}: ${known === 'connection' ? otherOptions(value) : value}`);
  }
  return `${lines.join('\r\n')}\r\n\r\n`;
}

function otherOptions(connection: string): string {
  return connection
    .split(',')
    .filter((option) => !UPGRADE_FIELDS.has(option.trim().toLowerCase()))
    .join(',');
}

/** A key is 16 bytes in base64, RFC 6455 §4.1. */
const KEY = /^[+/0-9A-Za-z]{22}==$/;

/** Checks a handshake by RFC 6455 §4.2.1. Throws AppError with the right status, before any 101. */
export function checkHandshake({ method, headers }: IncomingMessage): void {
  if (method !== 'GET') {
    throw new AppError('METHOD_NOT_ALLOWED', 'A WebSocket is opened with GET.', { headers: { allow: 'GET' } });
  }
  if (!/(?:^|,)\s*upgrade\s*(?:,|$)/i.test(headers.connection ?? '')) {
    throw new AppError('BAD_REQUEST', 'Connection: Upgrade is missing; a proxy may have removed it.');
  }
  const version = headers['sec-websocket-version'];
  if (version === undefined) throw new AppError('BAD_REQUEST', 'Sec-WebSocket-Version is missing.');
  if (version !== '13') {
    const expected = { 'sec-websocket-version': '13', upgrade: 'websocket' };
    throw new AppError('UPGRADE_REQUIRED', 'Only WebSocket version 13 is supported.', { headers: expected });
  }
  if (!KEY.test(headers['sec-websocket-key'] ?? '')) {
    throw new AppError('BAD_REQUEST', 'Sec-WebSocket-Key must be 16 bytes in base64.');
  }
}
