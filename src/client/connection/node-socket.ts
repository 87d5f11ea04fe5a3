import { TablecastError } from '../error.ts';
import type { SocketLike } from './environment.ts';

/** Resolves with the WebSocket class of the package `ws`, since Node before 22 has none. Throws NO_WEBSOCKET. */
export async function nodeSocketClass(): Promise<new (url: string, protocols?: string[]) => SocketLike> {
  try {
    return (await import('ws')).WebSocket as unknown as new (
      url: string,
      protocols?: string[],
    ) => SocketLike;
  } catch (cause) {
    const message = 'There is no WebSocket here: pass one as the option WebSocket, or install the package ws.';
    throw new TablecastError('NO_WEBSOCKET', message, { cause });
  }
}
