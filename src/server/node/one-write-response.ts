import { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { lingeringOf } from '../connection/lingering.ts';

/** Node's own way to hand a piece of an answer to the socket; `callback` is called when the socket is through with it. */
type Send = (data: unknown, encoding: unknown, callback: unknown, byteLength?: number) => boolean;

interface Internals {
  readonly _headerSent: boolean;
  readonly _send: Send;
}

const { _send: send } = ServerResponse.prototype as unknown as Internals;

/**
 * An answer that the socket gets as one piece, as by itself since Node 24. Before, Node ends each with an empty piece, to be
 * told when all is written, and two pieces take the long way to the kernel: an eighth of what it costs to send a short
 * answer. Where Node does not end answers like that, nothing is other than it was.
 */
export class OneWriteResponse extends ServerResponse {
  /** Node calls it when the answer is written, and closes the connection after it unless that goes on. */
  override detachSocket(socket: Socket): void {
    super.detachSocket(socket);
    if (!this.req.complete) lingeringOf(socket)?.answered(this.req, socket);
  }

  _send(data: unknown, encoding: unknown, callback: unknown, byteLength?: number): boolean {
    const { socket } = this;
    const isEnd = data === '' && typeof callback === 'function' && (this as unknown as Internals)._headerSent;
    // Without a socket it is not its turn yet: other answers of this connection are before it.
    if (!isEnd || socket === null || socket.destroyed) return send.call(this, data, encoding, callback, byteLength);
    process.nextTick(finish, this, callback as () => void);
    return true;
  }
}

/** What the kernel has not taken yet is not written: then Node's way is the one to hear of it. */
function finish(response: ServerResponse, callback: () => void): void {
  if (response.socket === null || response.socket.writableLength === 0) callback();
  else send.call(response, '', 'latin1', callback);
}
