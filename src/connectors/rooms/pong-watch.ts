/** Looks at the clock within one timeout. */
const CHECKS_PER_TIMEOUT = 10;

/**
 * Ends sockets that do not answer a ping in time. The time counts from the ping, so a socket that was not pinged is
 * never ended, however long the interval of pings is. One timer serves all of them.
 */
export class PongWatch<Pinged extends { abort(): void }> {
  readonly #timeout: number;
  readonly #timer: NodeJS.Timeout;
  /** Time of the first unanswered ping of each, oldest first. */
  readonly #pinged = new Map<Pinged, number>();

  /** `timeout` in milliseconds. */
  constructor(timeout: number) {
    this.#timeout = timeout;
    this.#timer = setInterval(() => this.#endSilent(), Math.max(1, timeout / CHECKS_PER_TIMEOUT)).unref();
  }

  /** Notes that a ping was sent. A socket that has not answered the last one gets no more time. */
  pinged(socket: Pinged): void {
    if (!this.#pinged.has(socket)) this.#pinged.set(socket, performance.now());
  }

  /** Notes a sign of life, or that the socket has closed. */
  heard(socket: Pinged): void {
    this.#pinged.delete(socket);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #endSilent(): void {
    const since = performance.now() - this.#timeout;
    for (const [socket, at] of this.#pinged) {
      if (at > since) return;
      this.#pinged.delete(socket);
      socket.abort();
    }
  }
}
