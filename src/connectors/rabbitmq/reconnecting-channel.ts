import type { Channel } from 'amqplib';

export interface ReconnectingChannelOptions<C extends Channel> {
  /** Waits for the connection. */
  readonly open: () => Promise<C>;
  /** Gets a new channel ready; rejects when that fails. */
  readonly prepare: (channel: C) => Promise<void>;
  readonly onClosed: () => void;
  /** Told once for each different reason, until the channel has worked again. */
  readonly onTrouble: (reason: string) => void;
  /** Milliseconds, doubled with each attempt. */
  readonly delay: number;
  readonly maxDelay: number;
}

/** A channel that is opened again whenever it has closed: brokers close one for every mistake. */
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

  /** The channel while it is open and ready. */
  get current(): C | undefined {
    return this.#current;
  }

  start(): void {
    this.#ended ??= this.#run();
  }

  /** It has done what it is for: the next attempt is a first one again. */
  worked(): void {
    this.#attempts = 0;
    this.#trouble = undefined;
  }

  /** No channel is opened any more. */
  stop(): void {
    this.#isStopping = true;
    this.#wake?.();
  }

  /** Resolves after `stop` when nothing is left; the connection has to be closed, too. */
  ended(): Promise<void> {
    return this.#ended ?? Promise.resolve();
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      try {
        await this.#live();
      } catch (error) {
        this.#tell(error);
      }
      this.#options.onClosed();
      if (!this.#isStopping) await this.#pause();
    }
  }

  /** From opening to closing. */
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

  #tell(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    if (this.#isStopping || reason === this.#trouble) return;
    this.#trouble = reason;
    this.#options.onTrouble(reason);
  }

  async #pause(): Promise<void> {
    const { delay, maxDelay } = this.#options;
    const wait = Math.min(delay * 2 ** Math.min(this.#attempts++, 20), Math.max(delay, maxDelay));
    await new Promise<void>((resolve) => {
      // Servers that lost the same broker do not all come back at once.
      const timer = setTimeout(resolve, wait * (0.75 + Math.random() / 2));
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Closes a channel whatever state it is in. */
export async function closeQuietly(channel: Channel): Promise<void> {
  // Of a connection that is lost meanwhile the driver does not tell who waits for the broker's answer.
  const closed = new Promise<void>((resolve) => channel.once('close', resolve));
  try {
    await Promise.race([channel.close(), closed]);
  } catch {
    // It is closed already.
  }
}
