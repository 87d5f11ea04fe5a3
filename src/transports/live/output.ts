import { WriteLock } from '../../hub/fan-out/write-lock.ts';
import type { EndReason, Sink } from '../../hub/subscription.ts';
import type { LiveCodec } from './codec.ts';
import { ChangeDelivery } from './delivery.ts';
import { LONE_FRAMES, type Unit } from './encoding.ts';
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
  /** Called for each message of a transaction: true when its commit is sent later. */
  onTransaction: (tx: number) => boolean = () => false;

  constructor(codec: LiveCodec, carrier: Carrier) {
    this.codec = codec;
    this.#carrier = carrier;
    this.#delivery = new ChangeDelivery(codec, (body, idList, tx) => this.#sendChange(body, idList, tx));
  }

  get pending(): number {
    return this.#carrier.pending + this.#delivery.bytes;
  }

  ended(reason: EndReason): void {
    this.#carrier.ended(reason);
  }

  /** Takes changes of several subscriptions. */
  write(bytes: Buffer, subscriptions: readonly Sink[]): void {
    this.#delivery.addAll(subscriptions as readonly LiveSubscription[], bytes);
  }

  deliver(subscription: LiveSubscription, bytes: Buffer): void {
    this.#delivery.add(subscription, bytes);
  }

  deliverAlone(subscription: LiveSubscription, bytes: Buffer): boolean {
    if (this.#carrier.carryFrames === undefined) return false;
    const frames = LONE_FRAMES.of(this.codec, bytes, subscription);
    if (frames === undefined) return false;
    this.#delivery.flush();
    this.#carrier.carryFrames(frames);
    return true;
  }

  deliverUnit(subscription: LiveSubscription, unit: Unit): void {
    this.#delivery.addUnit(subscription, unit);
    if (subscription.isAlone) this.#delivery.flush();
  }

  sendTo(subscription: LiveSubscription, body: Buffer): void {
    this.#delivery.flush();
    this.#carrier.carry(this.codec.address(body, subscription.idList));
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

  #sendChange(body: Buffer, idList: Buffer, tx: number): void {
    const isOpen = tx !== 0 && this.onTransaction(tx);
    this.#carrier.carry(this.codec.address(body, idList, isOpen));
  }
}
