import type { Channel } from 'amqplib';

export interface ReconnectingChannelOptions<C extends Channel> {
  /** Opens a channel when there is a connection. */
  readonly open: () => Promise<C>;
  /** Prepares a new channel; rejects when that fails. */
  readonly prepare: (channel: C) => Promise<void>;
  readonly onClosed: () => void;
  /** Called once for each different reason, until the channel has worked again. */
  readonly onTrouble: (reason: string) => void;
  /** Milliseconds before the first attempt, doubled with each one up to `maxDelay`. */
  readonly delay: number;
  readonly maxDelay: number;
}

/** A channel that is reopened whenever it has closed: brokers close a channel for every error. */
export class ReconnectingChannel<C extends Channel> {
  readonly #options: ReconnectingChannelOptions<C>;
  #current: C | undefined;
  #attempts = 0;
  #trouble: string | undefined;
  #isStopping = false;
  #wake: (() => void) | undefined;
  #ended: Promise<void> | undefined;

  constructor(options: ReconnectingChannelOptions<C>) {
    this.#options = options;
  }

  /** Channel while it is open and prepared. */
  get current(): C | undefined {
    return this.#current;
  }

  start(): void {
    this.#ended ??= this.#run();
  }

  /** Called after a success: the next delay is the first one again. */
  worked(): void {
    this.#attempts = 0;
    this.#trouble = undefined;
  }

  /** Stops reopening the channel. */
  stop(): void {
    this.#isStopping = true;
    this.#wake?.();
  }

  /** Resolves after `stop` and after the connection was closed. */
  ended(): Promise<void> {
    return this.#ended ?? Promise.resolve();
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      try {
        await this.#live();
      } catch (error) {
        this.#report(error);
      }
      this.#options.onClosed();
      if (!this.#isStopping) await this.#pause();
    }
  }

  /** Opens a channel; resolves when it has closed. */
  async #live(): Promise<void> {
    const channel = await this.#options.open();
    const closed = new Promise<void>((resolve) => channel.once('close', resolve));
    let reason: Error | undefined;
    channel.on('error', (error) => {
      reason = error;
    });
    try {
      await this.#options.prepare(channel);
      if (this.#isStopping) return;
      this.#current = channel;
      await closed;
    } finally {
      this.#current = undefined;
      await closeQuietly(channel);
    }
    if (reason !== undefined) throw reason;
  }

  #report(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    if (this.#isStopping || reason === this.#trouble) return;
    this.#trouble = reason;
    this.#options.onTrouble(reason);
  }

  async #pause(): Promise<void> {
    const { delay, maxDelay } = this.#options;
    const wait = Math.min(delay * 2 ** Math.min(this.#attempts++, 20), Math.max(delay, maxDelay));
    await new Promise<void>((resolve) => {
      // Jitter: servers that lost the same broker do not all reconnect at once.
      const timer = setTimeout(resolve, wait * (0.75 + Math.random() / 2));
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Closes a channel in any state, without throwing. */
export async function closeQuietly(channel: Channel): Promise<void> {
  // When the connection is lost meanwhile, the driver never settles the promise of `close`.
  const closed = new Promise<void>((resolve) => channel.once('close', resolve));
  try {
    await Promise.race([channel.close(), closed]);
  } catch {
    // The channel is already closed.
  }
}
