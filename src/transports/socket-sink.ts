import type { Duplex } from 'node:stream';
import type { Subscription } from '../hub/subscription.ts';

const OWNER = Symbol('subscription owner');

/** What has a subscription and writes to a socket. */
export interface SocketOwner {
  subscription: Subscription | undefined;
}

type OwnedSocket = Duplex & { [OWNER]?: SocketOwner };

/** Tells the owner's subscription when the socket has room again. One listener function serves all sockets. */
export function watchDrain(socket: Duplex, owner: SocketOwner): void {
  (socket as OwnedSocket)[OWNER] = owner;
  socket.on('drain', onDrain);
}

function onDrain(this: OwnedSocket): void {
  this[OWNER]?.subscription?.drained();
}
