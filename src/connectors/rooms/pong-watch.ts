/** How often it looks, in times of the timeout. */
const LOOKS = 10;

/**
 * Ends sockets that do not answer a ping in time. The time counts from the ping: whoever is silent because nobody asked
 * lives on, however far the pings are from each other. One timer for all of them.
 */
export class PongWatch<Asked extends { terminate(): void }> {
  readonly #timeout: number;
  readonly #timer: NodeJS.Timeout;
  /** When each was asked, the longest ago first. */
  readonly #asked = new Map<Asked, number>();

  /** `timeout` in milliseconds. */
  constructor(timeout: number) {
    this.#timeout = timeout;
    this.#timer = setInterval(() => this.#look(), Math.max(1, timeout / LOOKS)).unref();
  }

  /** A ping was sent. One that has not answered the last one yet gets no more time. */
  asked(socket: Asked): void {
    if (!this.#asked.has(socket)) this.#asked.set(socket, performance.now());
  }

  /** It has given a sign of life, or is closed. */
  heard(socket: Asked): void {
    this.#asked.delete(socket);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const since = performance.now() - this.#timeout;
    for (const [socket, at] of this.#asked) {
      if (at > since) return;
      this.#asked.delete(socket);
      socket.terminate();
    }
  }
}
