import type { MessageListener, ServerMessages } from '../../src/store/server-messages.ts';

/** Messages between servers of one process, of which some are lost where a test says so. */
export class ServerNetwork {
  readonly #servers = new Set<NetworkServer>();
  /** Returns true for a message that is lost. */
  loses: (text: string) => boolean = () => false;

  join(name: string): NetworkServer {
    const server = new NetworkServer(name, (topic, text) => {
      for (const other of this.#servers) if (other !== server && !this.loses(text)) other.receive(topic, text, name);
    });
    this.#servers.add(server);
    return server;
  }

  /** Cuts a server off, as if its process had died. */
  cut(server: NetworkServer): void {
    this.#servers.delete(server);
    server.isCut = true;
  }
}

export class NetworkServer implements ServerMessages {
  readonly server: string;
  isCut = false;
  readonly #forward: (topic: string, text: string) => void;
  readonly #listeners = new Map<string, Set<MessageListener>>();

  constructor(server: string, forward: (topic: string, text: string) => void) {
    this.server = server;
    this.#forward = forward;
  }

  send(topic: string, text: string): void {
    if (!this.isCut) this.#forward(topic, text);
  }

  listen(topic: string, listener: MessageListener): () => void {
    const listeners = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  receive(topic: string, text: string, from: string): void {
    for (const listener of this.#listeners.get(topic) ?? []) listener(text, from);
  }
}
