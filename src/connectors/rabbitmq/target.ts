import { createHash } from 'node:crypto';
import type { ConfirmChannel, Options } from 'amqplib';
import { type Delivery, PermanentError } from '../connector.ts';
import type { BrokerConnection } from './broker-connection.ts';
import { isName, type PublishSettings } from './keys.ts';
import { ReconnectingChannel } from './reconnecting-channel.ts';
import { declareExchange } from './source.ts';

export interface PublisherOptions {
  readonly connection: BrokerConnection;
  /** Empty for the default exchange, which routes to queues by name. */
  readonly exchange: string;
  readonly declare: boolean;
  /** Milliseconds to wait for a confirmation. */
  readonly timeout: number;
  readonly delays: { readonly delay: number; readonly maxDelay: number };
  readonly onTrouble: (reason: string) => void;
}

export interface OutgoingMessage {
  readonly routingKey: string;
  readonly content: Buffer;
  /** `messageId` is required: it identifies the broker's answers. */
  readonly options: Options.Publish & { readonly messageId: string };
  readonly signal: AbortSignal;
}

/** Publishes messages to one exchange, with confirmations of the broker. */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #channel: ReconnectingChannel<ConfirmChannel>;
  /** Unconfirmed messages by id; true for a message that was returned. */
  readonly #returned = new Map<string, boolean>();

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#channel = new ReconnectingChannel({
      open: () => options.connection.confirmChannel(),
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
   * Resolves when the broker has confirmed the message. Rejects at once without a connection, and when the message was
   * refused, reached no queue though it is mandatory, or was not confirmed in time; then it may have been sent.
   */
  async publish({ routingKey, content, options, signal }: OutgoingMessage): Promise<void> {
    const channel = this.#channel.current;
    if (channel === undefined) throw new Error('the broker is unavailable');
    signal.throwIfAborted();
    const { exchange, timeout } = this.#options;
    const { messageId } = options;
    this.#returned.set(messageId, false);
    try {
      await new Promise<void>((resolve, reject) => {
        const cancel = () => reject(new Error('the delivery was cancelled'));
        const timer = setTimeout(() => reject(new Error(`the broker has not confirmed within ${timeout} ms`)), timeout);
        signal.addEventListener('abort', cancel);
        const settle = (failure: unknown) => {
          clearTimeout(timer);
          signal.removeEventListener('abort', cancel);
          if (failure === null || failure === undefined) resolve();
          else reject(new Error('the broker has refused the message', { cause: failure }));
        };
        try {
          channel.publish(exchange, routingKey, content, options, settle);
        } catch (error) {
          settle(error);
        }
      });
      if (this.#returned.get(messageId)) throw new Error('the message reached no queue');
      this.#channel.worked();
    } finally {
      this.#returned.delete(messageId);
    }
  }

  async #prepare(channel: ConfirmChannel): Promise<void> {
    const { exchange, declare } = this.#options;
    if (exchange !== '') await (declare ? declareExchange(channel, exchange) : channel.checkExchange(exchange));
    // A return arrives before the confirmation of the same message.
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
