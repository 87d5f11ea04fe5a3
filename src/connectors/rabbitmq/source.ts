import type { Channel, ConsumeMessage } from 'amqplib';
import { SERVER } from '../../auth/identity.ts';
import type { ValueLimits } from '../../resources/body/values.ts';
import type { Handle, SourceUse } from '../connector.ts';
import type { BrokerConnection } from './broker-connection.ts';
import { EventKeys } from './event-keys.ts';
import type { QueueSettings } from './keys.ts';
import { readMessage } from './message.ts';
import { closeQuietly, ReconnectingChannel } from './reconnecting-channel.ts';

/** Queue that messages come from. */
export interface Queue {
  readonly name: string;
  /** Undefined for an existing queue, which is used as it is. */
  readonly binding: { readonly exchange: string; readonly pattern: string } | undefined;
}

export interface ConsumerOptions {
  readonly connection: BrokerConnection;
  readonly queue: Queue;
  readonly handle: Handle;
  readonly prefetch: number;
  readonly declare: boolean;
  readonly metadata: string | undefined;
  readonly limits: ValueLimits;
  readonly delays: { readonly delay: number; readonly maxDelay: number };
  readonly onTrouble: (reason: string) => void;
  /** Reports failures of flows whose event could not be stored. */
  readonly onError: (error: unknown) => void;
}

/**
 * Handles the messages of one queue one after the other, in their order: the next one starts when the flows have finished
 * with the one before. A message is acknowledged when it has been handled, and redelivered otherwise.
 */
export class Consumer {
  readonly #options: ConsumerOptions;
  readonly #channel: ReconnectingChannel<Channel>;
  readonly #keys: EventKeys;
  readonly #abort = new AbortController();
  readonly #closed = new WeakSet<Channel>();
  #work: Promise<void> = Promise.resolve();
  #isStopping = false;

  constructor(options: ConsumerOptions) {
    this.#options = options;
    this.#keys = new EventKeys(options.queue.name, options.prefetch);
    this.#channel = new ReconnectingChannel({
      open: () => options.connection.channel(),
      prepare: (channel) => this.#consume(channel),
      onClosed: () => this.#keys.channelClosed(),
      onTrouble: options.onTrouble,
      ...options.delays,
    });
  }

  start(): void {
    this.#channel.start();
  }

  /** Starts no further message; resolves when the current one is done. The others go back to the queue. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#channel.stop();
    await this.#work;
    const channel = this.#channel.current;
    if (channel !== undefined) await closeQuietly(channel);
  }

  abort(): void {
    this.#abort.abort();
  }

  async #consume(channel: Channel): Promise<void> {
    const { queue, declare, prefetch } = this.#options;
    if (queue.binding === undefined || !declare) {
      await channel.checkQueue(queue.name);
    } else {
      const { exchange, pattern } = queue.binding;
      await declareExchange(channel, exchange);
      await channel.assertQueue(queue.name, { durable: true });
      await channel.bindQueue(queue.name, exchange, pattern);
    }
    channel.once('close', () => this.#closed.add(channel));
    await channel.prefetch(prefetch);
    await channel.consume(queue.name, (message) => {
      // The broker has cancelled the consumer: the queue was deleted.
      if (message === null) void closeQuietly(channel);
      else this.#work = this.#work.then(() => this.#handle(channel, message));
    });
  }

  /** Handles a message, unless its channel has closed: then the message is redelivered on another one. */
  async #handle(channel: Channel, message: ConsumeMessage): Promise<void> {
    if (this.#isStopping || this.#closed.has(channel)) return;
    const { handle, limits, metadata, onError } = this.#options;
    const key = this.#keys.keyOf(message);
    try {
      const { input, notes } = readMessage(message, { limits, metadata });
      await handle({ input, notes, identity: SERVER, key, signal: this.#abort.signal });
    } catch (error) {
      if (!this.#isStopping) onError(error);
      // Closing redelivers all unacknowledged messages in order; a `nack` of this one would let others overtake it.
      await closeQuietly(channel);
      return;
    }
    try {
      channel.ack(message);
      this.#keys.acknowledged(message, key);
      this.#channel.worked();
    } catch {
      // The channel has closed meanwhile: the message is redelivered, with the same key.
    }
  }
}

/** Declares a topic exchange; only checks the predefined ones of brokers. */
export async function declareExchange(channel: Channel, exchange: string): Promise<void> {
  if (exchange.startsWith('amq.')) await channel.checkExchange(exchange);
  else await channel.assertExchange(exchange, 'topic', { durable: true });
}

interface QueueDefaults {
  readonly appId: string;
  readonly name: string;
  readonly exchange: string;
}

/** Queue of a source: the one that it names, or an own one that is bound to the exchange. */
export function queueOf(
  { operation, settings }: Pick<SourceUse, 'operation' | 'settings'>,
  defaults: QueueDefaults,
): Queue {
  const { queue, exchange } = settings as QueueSettings;
  if (queue !== undefined) return { name: queue, binding: undefined };
  const binding = { exchange: exchange ?? defaults.exchange, pattern: operation };
  return { name: `${defaults.appId}.${defaults.name}.${operation}`, binding };
}
