import { createHash, randomUUID } from 'node:crypto';
import type { ConsumeMessage } from 'amqplib';
import { fingerprint } from './message.ts';

/**
 * Keys of the events of one queue. A message with a `message_id` has the same key whenever it comes. One without has a
 * key of its own, for two that are alike are two; it is known again when it was not acknowledged and comes once more,
 * as long as the server runs.
 */
export class EventKeys {
  readonly #queue: string;
  readonly #most: number;
  /** Keys of messages that are not acknowledged, by fingerprint. */
  #open = new Map<string, string[]>();
  /** Those of earlier channels: their messages come again. */
  #lost: [fingerprint: string, key: string][] = [];

  /** `most`: messages that may be open at a time. */
  constructor(queue: string, most: number) {
    this.#queue = queue;
    this.#most = most;
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

  /** The channel has closed: what was not acknowledged comes again, here or elsewhere. */
  channelClosed(): void {
    const open = [...this.#open].flatMap(([print, keys]) => keys.map((key): [string, string] => [print, key]));
    this.#lost = [...open, ...this.#lost].slice(0, this.#most);
    this.#open = new Map();
  }

  #takeLost(print: string): string | undefined {
    const index = this.#lost.findIndex(([lost]) => lost === print);
    return index < 0 ? undefined : this.#lost.splice(index, 1)[0]?.[1];
  }
}
