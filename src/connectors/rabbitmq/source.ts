import type { Channel, ConsumeMessage } from 'amqplib';
import { SERVER } from '../../auth/identity.ts';
import type { ValueLimits } from '../../resources/body/values.ts';
import type { Handle, SourceUse } from '../connector.ts';
import type { BrokerConnection } from './broker-connection.ts';
import { EventKeys } from './event-keys.ts';
import type { QueueSettings } from './keys.ts';
import { readMessage } from './message.ts';
import { closeQuietly, ReconnectingChannel } from './reconnecting-channel.ts';

/** Where messages come from. */
export interface Queue {
  readonly name: string;
  /** Undefined for a queue that is somebody else's. */
  readonly binding: { readonly exchange: string; readonly pattern: string } | undefined;
}

export interface ConsumerOptions {
  readonly link: BrokerConnection;
  readonly queue: Queue;
  readonly handle: Handle;
  readonly prefetch: number;
  readonly declare: boolean;
  readonly metadata: string | undefined;
  readonly limits: ValueLimits;
  readonly delays: { readonly delay: number; readonly maxDelay: number };
  readonly onTrouble: (reason: string) => void;
  /** Failures of flows that nobody keeps. */
  readonly onError: (error: unknown) => void;
}

/**
 * Takes the messages of one queue, one after the other: the next is begun when flows are done with the one before, so that
 * their order holds. A message is acknowledged when it has been handled, and comes again when not.
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
      open: () => options.link.channel(),
      prepare: (channel) => this.#consume(channel),
      onClosed: () => this.#keys.channelClosed(),
      onTrouble: options.onTrouble,
      ...options.delays,
    });
  }

  start(): void {
    this.#channel.start();
  }

  /** No message is begun any more; resolves when the one at work is done. The others go back to the queue. */
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
      // The broker has ended it: the queue is gone.
      if (message === null) void closeQuietly(channel);
      else this.#work = this.#work.then(() => this.#take(channel, message));
    });
  }

  /** What a closed channel has brought comes again on another one. */
  async #take(channel: Channel, message: ConsumeMessage): Promise<void> {
    if (this.#isStopping || this.#closed.has(channel)) return;
    const { handle, limits, metadata, onError } = this.#options;
    const key = this.#keys.keyOf(message);
    try {
      const { input, notes } = readMessage(message, { limits, metadata });
      await handle({ input, notes, identity: SERVER, key, signal: this.#abort.signal });
    } catch (error) {
      if (!this.#isStopping) onError(error);
      // All that is not acknowledged comes again, in its order; to send back this one alone would let others pass it.
      await closeQuietly(channel);
      return;
    }
    try {
      channel.ack(message);
      this.#keys.acknowledged(message, key);
      this.#channel.worked();
    } catch {
      // The channel has closed meanwhile: the message comes again, with the same key.
    }
  }
}

/** Brokers have those of their own already. */
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
