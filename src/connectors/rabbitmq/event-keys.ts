import { createHash, randomUUID } from 'node:crypto';
import type { ConsumeMessage } from 'amqplib';
import { fingerprint } from './message.ts';

/**
 * Keys of the events of one queue. A message with a `message_id` has the same key whenever it is delivered. Without one it
 * has a key of its own, since equal messages are different events; while the server runs, the key is found again when the
 * message was not acknowledged and is redelivered.
 */
export class EventKeys {
  readonly #queue: string;
  readonly #maxOpen: number;
  /** Keys of unacknowledged messages, by fingerprint. */
  #open = new Map<string, string[]>();
  /** Keys of unacknowledged messages of earlier channels, which are redelivered. */
  #lost: [fingerprint: string, key: string][] = [];

  /** `maxOpen`: messages that may be unacknowledged at a time. */
  constructor(queue: string, maxOpen: number) {
    this.#queue = queue;
    this.#maxOpen = maxOpen;
  }

  keyOf(message: ConsumeMessage): string {
    const id: unknown = message.properties.messageId;
    if (typeof id === 'string' && id !== '') {
      return createHash('sha256')
        .update(JSON.stringify([this.#queue, id]))
        .digest('base64url');
    }
    const print = fingerprint(message);
    const key = (message.fields.redelivered ? this.#takeLost(print) : undefined) ?? randomUUID();
    this.#open.set(print, [...(this.#open.get(print) ?? []), key]);
    return key;
  }

  acknowledged(message: ConsumeMessage, key: string): void {
    if (message.properties.messageId) return;
    const print = fingerprint(message);
    const others = (this.#open.get(print) ?? []).filter((other) => other !== key);
    if (others.length > 0) this.#open.set(print, others);
    else this.#open.delete(print);
  }

  /** Called when the channel has closed: unacknowledged messages are redelivered, here or to another consumer. */
  channelClosed(): void {
    const open = [...this.#open].flatMap(([print, keys]) => keys.map((key): [string, string] => [print, key]));
    this.#lost = [...open, ...this.#lost].slice(0, this.#maxOpen);
    this.#open = new Map();
  }

  #takeLost(print: string): string | undefined {
    const index = this.#lost.findIndex(([lost]) => lost === print);
    return index < 0 ? undefined : this.#lost.splice(index, 1)[0]?.[1];
  }
}
