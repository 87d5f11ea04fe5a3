import { WriteLock } from '../../hub/fan-out/write-lock.ts';
import type { EndReason } from '../../hub/subscription.ts';
import type { LiveCodec } from './codec.ts';
import { ChangeDelivery } from './delivery.ts';
import type { LiveOutput, LiveSubscription } from './subscription.ts';

/** What carries the messages of a connection: a socket or an event stream. */
export interface Carrier {
  /** Bytes that were written and that the kernel has not accepted yet. */
  readonly pending: number;
  ended(reason: EndReason): void;
  /** Sends whole WebSocket frames; undefined where there are none. */
  readonly carryFrames?: (frames: Buffer) => void;
  /** Sends a message, whose parts are the ones after the other. */
  carry(parts: readonly Buffer[]): void;
}

/** Output of one connection: all of its subscriptions and answers go through it. */
export class ConnectionOutput implements LiveOutput {
  readonly codec: LiveCodec;
  readonly lock = new WriteLock();
  readonly #carrier: Carrier;
  readonly #delivery: ChangeDelivery;

  constructor(codec: LiveCodec, carrier: Carrier) {
    this.codec = codec;
    this.#carrier = carrier;
    this.#delivery = new ChangeDelivery(codec, (parts) => carrier.carry(parts));
  }

  get passesFrames(): boolean {
    return this.#carrier.carryFrames !== undefined;
  }

  get pending(): number {
    return this.#carrier.pending + this.#delivery.bytes;
  }

  ended(reason: EndReason): void {
    this.#carrier.ended(reason);
  }

  pass(frames: Buffer): void {
    this.#carrier.carryFrames?.(frames);
  }

  deliver(subscription: LiveSubscription, message: Buffer): void {
    if (subscription.isAlone) this.#carrier.carry([message]);
    else this.#delivery.add(subscription, message);
  }

  send(message: Buffer): void {
    this.#delivery.flush();
    this.#carrier.carry([message]);
  }

  flush(): void {
    this.#delivery.flush();
  }

  /** Drops what waits: the connection has closed. */
  close(): void {
    this.#delivery.clear();
  }
}
