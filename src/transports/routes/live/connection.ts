import { randomUUID } from 'node:crypto';
import type { LiveContext } from '../context.ts';
import type { RouteConnection } from '../define.ts';

/** The socket behind the connection of a handler. */
export interface HandlerSocket {
  readonly pending: number;
  send(message: unknown): boolean;
  untilDrained(): Promise<void>;
  close(code: number, reason: string): void;
}

/** Makes the connection that a handler gets: one object with the context of the hooks, so that all see changed rights. */
export function makeRouteConnection(socket: HandlerSocket, context: LiveContext): RouteConnection {
  const connection = Object.assign(context, {
    id: randomUUID(),
    buffered: 0,
    send: (message: unknown) => socket.send(message),
    drained: () => socket.untilDrained(),
    close: (code = 1000, reason = '') => socket.close(code, reason),
  });
  return Object.defineProperty(connection, 'buffered', { get: () => socket.pending, enumerable: true });
}
