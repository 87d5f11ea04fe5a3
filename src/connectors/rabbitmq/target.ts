import { createHash } from 'node:crypto';
import type { ConfirmChannel, Options } from 'amqplib';
import { type Delivery, PermanentError } from '../connector.ts';
import type { BrokerConnection } from './broker-connection.ts';
import { isName, type PublishSettings } from './keys.ts';
import { ReconnectingChannel } from './reconnecting-channel.ts';
import { declareExchange } from './source.ts';

export interface PublisherOptions {
  readonly link: BrokerConnection;
  /** Empty for the exchange of all brokers that leads to queues by their names. */
  readonly exchange: string;
  readonly declare: boolean;
  /** Milliseconds for a confirmation. */
  readonly timeout: number;
  readonly delays: { readonly delay: number; readonly maxDelay: number };
  readonly onTrouble: (reason: string) => void;
}

export interface Outgoing {
  readonly routingKey: string;
  readonly content: Buffer;
  /** `messageId` is there, by which the broker's answers are told apart. */
  readonly options: Options.Publish & { readonly messageId: string };
  readonly signal: AbortSignal;
}

/** Sends messages to one exchange, and knows of each whether the broker has taken it. */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #channel: ReconnectingChannel<ConfirmChannel>;
  /** Messages that nobody has confirmed yet, and those of them that came back. */
  readonly #returned = new Map<string, boolean>();

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#channel = new ReconnectingChannel({
      open: () => options.link.confirmChannel(),
      prepare: (channel) => this.#prepare(channel),
      onClosed: () => undefined,
      onTrouble: options.onTrouble,
      ...options.delays,
    });
  }

  start(): void {
    this.#channel.start();
  }

  stop(): void {
    this.#channel.stop();
  }

  /**
   * Resolves when the broker has confirmed the message. Rejects at once when the connection is away, and when the message
   * was refused, got into no queue though it is mandatory, or was not confirmed in time; then it may have been sent.
   */
  async publish({ routingKey, content, options, signal }: Outgoing): Promise<void> {
    const channel = this.#channel.current;
    if (channel === undefined) throw new Error('the broker is away');
    signal.throwIfAborted();
    const { exchange, timeout } = this.#options;
    const { messageId } = options;
    this.#returned.set(messageId, false);
    try {
      await new Promise<void>((resolve, reject) => {
        const leave = () => reject(new Error('nobody waits for the confirmation any more'));
        const timer = setTimeout(() => reject(new Error(`the broker has not confirmed within ${timeout} ms`)), timeout);
        signal.addEventListener('abort', leave);
        const settle = (failure: unknown) => {
          clearTimeout(timer);
          signal.removeEventListener('abort', leave);
          if (failure === null || failure === undefined) resolve();
          else reject(new Error('the broker has not taken the message', { cause: failure }));
        };
        try {
          channel.publish(exchange, routingKey, content, options, settle);
        } catch (error) {
          settle(error);
        }
      });
      if (this.#returned.get(messageId)) throw new Error('the message got into no queue');
      this.#channel.worked();
    } finally {
      this.#returned.delete(messageId);
    }
  }

  async #prepare(channel: ConfirmChannel): Promise<void> {
    const { exchange, declare } = this.#options;
    if (exchange !== '') await (declare ? declareExchange(channel, exchange) : channel.checkExchange(exchange));
    // It comes before the confirmation of the same message.
    channel.on('return', ({ properties }) => {
      const id = String(properties.messageId);
      if (this.#returned.has(id)) this.#returned.set(id, true);
    });
  }
}

interface PublishedDelivery {
  readonly delivery: Delivery;
  readonly settings: Pick<PublishSettings, 'persistent' | 'headers' | 'mandatory'>;
  readonly routingKey: unknown;
}

/** Publishes the output of a flow. Throws PermanentError for an invalid routing key. */
export async function publishDelivery(
  publisher: Publisher,
  { delivery, settings, routingKey }: PublishedDelivery,
): Promise<undefined> {
  const { output, key, signal } = delivery;
  if (typeof routingKey !== 'string' || !isName(routingKey)) {
    throw new PermanentError('`target` does not give a routing key: a string of 1 to 255 bytes');
  }
  const { persistent, headers, mandatory } = settings;
  await publisher.publish({
    routingKey,
    content: Buffer.from(JSON.stringify(output)),
    options: {
      messageId: messageIdOf(key),
      contentType: 'application/json',
      timestamp: Math.floor(Date.now() / 1000),
      persistent,
      mandatory,
      headers,
    },
    signal,
  });
}

/** Message id: equal when a flow repeats an event, so that consumers can recognise duplicates. */
function messageIdOf(key: string): string {
  return isName(key) ? key : createHash('sha256').update(key).digest('base64url');
}
