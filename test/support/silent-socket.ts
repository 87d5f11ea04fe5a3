import { WebSocket } from 'ws';
import type { SocketLike } from '../../src/client/connection/environment.ts';

/**
 * As Node 22's own: that a connection could not be opened is told with an error alone. It is never closed, and is said to be
 * connecting all the while.
 */
export class SilentSocket implements SocketLike {
  binaryType = '';
  onopen: SocketLike['onopen'] = null;
  onmessage: SocketLike['onmessage'] = null;
  onclose: SocketLike['onclose'] = null;
  onerror: SocketLike['onerror'] = null;
  #hasFailed = false;
  readonly #socket: WebSocket;

  constructor(url: string, protocols: string[] = []) {
    this.#socket = new WebSocket(url, protocols);
    this.#socket.binaryType = 'arraybuffer';
    this.#socket.onopen = () => this.onopen?.();
    this.#socket.onmessage = (event) => this.onmessage?.(event);
    this.#socket.onerror = () => {
      this.#hasFailed = true;
      this.onerror?.();
    };
    this.#socket.onclose = (event) => {
      if (!this.#hasFailed) this.onclose?.(event);
    };
  }

  get readyState(): number {
    return this.#hasFailed ? WebSocket.CONNECTING : this.#socket.readyState;
  }

  send(data: string | Uint8Array): void {
    this.#socket.send(data);
  }

  close(code?: number, reason?: string): void {
    this.#socket.close(code, reason);
  }
}
