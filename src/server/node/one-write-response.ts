// Private Node API: overrides `_send` and `detachSocket` of ServerResponse. `_send` can go when Node 24.21 is the
// oldest version that is supported, since it ends responses like that itself and 24.18 does not; `detachSocket` stays as long as lingering.ts.

import { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { lingeringOf } from './lingering.ts';

/** Signature of Node's `_send`, which passes a piece of a response to the socket; `callback` runs when it is written. */
type Send = (data: unknown, encoding: unknown, callback: unknown, byteLength?: number) => boolean;

interface Internals {
  readonly _headerSent: boolean;
  readonly _send: Send;
}

const { _send: send } = ServerResponse.prototype as unknown as Internals;

/**
 * Response that is written to the socket in one piece, as by Node 24.21 itself. Older versions end each response with an empty
 * piece, to learn when everything is written, and two pieces take the slow path to the kernel: an eighth of the cost of a
 * short response (row "GET by id" of bench/README.md). Where Node does not end responses like that, nothing changes.
 */
export class OneWriteResponse extends ServerResponse {
  /** Called by Node when the response is written, before it closes the connection or continues with the next request. */
  override detachSocket(socket: Socket): void {
    super.detachSocket(socket);
    if (!this.req.complete) lingeringOf(socket)?.answered(this.req, socket);
  }

  _send(data: unknown, encoding: unknown, callback: unknown, byteLength?: number): boolean {
    const { socket } = this;
    const isEnd = data === '' && typeof callback === 'function' && (this as unknown as Internals)._headerSent;
    // Without a socket, other responses of this connection come first.
    if (!isEnd || socket === null || socket.destroyed) return send.call(this, data, encoding, callback, byteLength);
    process.nextTick(finish, this, callback as () => void);
    return true;
  }
}

/** Calls `callback` when everything is written. What the kernel has not accepted yet is waited for in Node's own way. */
function finish(response: ServerResponse, callback: () => void): void {
  if (response.socket === null || response.socket.writableLength === 0) callback();
  else send.call(response, '', 'latin1', callback);
}
