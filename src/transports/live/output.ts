import { WriteLock } from '../../hub/fan-out/write-lock.ts';
import type { EndReason, Sink } from '../../hub/subscription.ts';
import type { LiveCodec } from './codec.ts';
import { ChangeDelivery } from './delivery.ts';
import type { Unit } from './encoding.ts';
import type { LoneFrames, LoneRecipient } from './lone-frames.ts';
import type { LiveOutput, LiveSubscription } from './subscriptions/subscription.ts';

/** What carries the messages of a connection: a socket or an event stream. */
export interface Carrier {
  /** Bytes that were written and that the kernel has not accepted yet. */
  readonly pending: number;
  ended(reason: EndReason): void;
  /** Sends a message, whose parts are the ones after the other. */
  carry(parts: readonly Buffer[]): void;
}

/** Way of a WebSocket for frames that are shared with other connections. */
interface FrameCarrier {
  readonly loneFrames: LoneFrames;
  /** Sends whole WebSocket frames. */
  carryFrames(frames: Buffer): void;
}

/** Output of one connection: all of its subscriptions and answers go through it. */
export class ConnectionOutput implements LiveOutput {
  readonly codec: LiveCodec;
  readonly lock = new WriteLock();
  readonly #carrier: Carrier;
  readonly #frames: FrameCarrier | undefined;
  readonly #delivery: ChangeDelivery;
  /** Called for each message of a transaction: true when its commit is sent later. */
  onTransaction: (tx: number) => boolean = () => false;

  constructor(codec: LiveCodec, carrier: Carrier, frames?: FrameCarrier) {
    this.codec = codec;
    this.#carrier = carrier;
    this.#frames = frames;
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

  deliverAlone(recipient: LoneRecipient, bytes: Buffer): boolean {
    const frames = this.#frames?.loneFrames.of(this.codec, bytes, recipient);
    if (frames === undefined) return false;
    this.#delivery.flush();
    this.#frames?.carryFrames(frames);
    return true;
  }

  deliverUnit(subscription: LiveSubscription, unit: Unit): void {
    this.#delivery.addUnit(subscription, unit);
    if (subscription.isAlone) this.#delivery.flush();
  }

  sendTo({ idList }: Pick<LoneRecipient, 'idList'>, body: Buffer): void {
    this.#delivery.flush();
    this.#carrier.carry(this.codec.address(body, idList));
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
