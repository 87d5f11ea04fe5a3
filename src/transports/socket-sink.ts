import type { Duplex } from 'node:stream';

const OWNER = Symbol('owner');

/** Writes to a socket. */
export interface SocketOwner {
  /** Called when the socket has room again. */
  drained(): void;
}

type OwnedSocket = Duplex & { [OWNER]?: SocketOwner };

/** Calls `owner.drained` when the socket has room again. One listener function serves all sockets. */
export function watchDrain(socket: Duplex, owner: SocketOwner): void {
  (socket as OwnedSocket)[OWNER] = owner;
  socket.on('drain', onDrain);
}

function onDrain(this: OwnedSocket): void {
  this[OWNER]?.drained();
}
