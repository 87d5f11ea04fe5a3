import { connect, type Socket } from 'node:net';

/** A connection over which these bytes were sent; what comes back is left unread. */
export function openRaw(port: number, bytes: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('error', reject);
    socket.write(bytes, () => resolve(socket));
  });
}
