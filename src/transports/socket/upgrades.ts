import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { releaseSocket } from '../../server/node/open-sockets.ts';

/** Header fields that belong to an upgrade and not to the request that it came with. */
const OF_THE_UPGRADE: ReadonlySet<string> = new Set(['upgrade', 'http2-settings']);

/**
 * The server's upgrade events that are about WebSockets. A request that asks for another protocol, as clients do that
 * would like HTTP/2 without TLS (`Upgrade: h2c`), is answered as if it had not asked (RFC 9110 §7.8), its body included.
 * `mostHeaders`: a request with more header fields is not known whole, and so refused by whoever takes upgrades.
 */
export function webSocketUpgrades(app: FastifyInstance, mostHeaders: number): EventEmitter {
  const { server } = app;
  const upgrades = new EventEmitter();
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    whenAnswered(socket, () => {
      // In HTTP/1.0 nothing is upgraded (RFC 9110 §7.8).
      const isOther = request.httpVersion === '1.0' || !request.headers.upgrade?.toLowerCase().includes('websocket');
      if (!isOther || request.rawHeaders.length > 2 * mostHeaders) {
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

/** Node's own mark, which nothing else tells: the answer that is being written to the socket, of an earlier request. */
interface Answering {
  readonly _httpMessage?: ServerResponse | null;
}

/** Requests may come before the one for the upgrade has its turn; until they are answered, the socket is theirs. */
function whenAnswered(socket: Socket & Answering, goOn: () => void): void {
  if (!socket._httpMessage) {
    goOn();
    return;
  }
  const abandon = () => socket.destroy();
  socket.on('error', abandon);
  const look = () => {
    const answering = socket._httpMessage;
    if (answering) {
      // Node has assigned the socket to the next one by then.
      answering.once('finish', look);
      return;
    }
    socket.off('error', abandon);
    // That of an idle connection, which Node has begun.
    socket.setTimeout(0);
    if (!socket.destroyed && socket.writable) goOn();
  };
  look();
}

/** Node has taken its parser off the socket: the head of the request is written for another one to read. */
function withoutUpgrade({ method, url, httpVersion, rawHeaders }: IncomingMessage): string {
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const [name, value] = [rawHeaders[i] as string, rawHeaders[i + 1] as string];
    const known = name.toLowerCase();
    if (OF_THE_UPGRADE.has(known)) continue;
    lines.push(`${name}: ${known === 'connection' ? otherOptions(value) : value}`);
  }
  return `${lines.join('\r\n')}\r\n\r\n`;
}

function otherOptions(connection: string): string {
  return connection
    .split(',')
    .filter((option) => !OF_THE_UPGRADE.has(option.trim().toLowerCase()))
    .join(',');
}
