import type { LiveCodec } from './codec.ts';

/** Turns of the event loop for which a message waits for other subscriptions of its connection that receive the same one. */
const MAX_PASSES = 16;
/** Bytes of messages that wait; beyond it they are sent at once. */
const MAX_WAITING_BYTES = 64 * 1024;

/** Subscription as the delivery sees it. */
export interface Recipient {
  readonly encodedId: Buffer;
  /** Bytes of the head of its messages. */
  readonly headLength: number;
}

/** Change that waits, and the subscriptions that receive it. */
interface WaitingChange {
  readonly seq: number;
  readonly order: number;
  /** The message as it came first. */
  readonly message: Buffer;
  readonly rest: Buffer;
  readonly ids: Buffer[];
}

/**
 * Changes of one connection with several subscriptions on a table: one that several of them receive with the same content is
 * one message with all their ids. It waits until a turn of the event loop brings no more of them, in the order of the log.
 */
export class ChangeDelivery {
  readonly #codec: LiveCodec;
  readonly #write: (parts: readonly Buffer[]) => void;
  #waiting: WaitingChange[] = [];
  #byContent = new Map<string, WaitingChange>();
  /** Newest waiting change of each subscription. */
  #latest = new Map<Recipient, WaitingChange>();
  #bytes = 0;
  #passes = 0;
  #hasGrown = false;
  #timer: NodeJS.Immediate | undefined;
  readonly #tick = (): void => this.#advance();

  /** `write` is called with the parts of each message. */
  constructor(codec: LiveCodec, write: (parts: readonly Buffer[]) => void) {
    this.#codec = codec;
    this.#write = write;
  }

  /** Bytes of the messages that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds a change that one subscription receives. */
  add(recipient: Recipient, message: Buffer): void {
    const rest = message.subarray(recipient.headLength);
    const content = rest.toString('latin1');
    const latest = this.#latest.get(recipient);
    let change = this.#byContent.get(content);
    if (change === undefined || !isAfter(change, latest)) {
      change = { seq: this.#seqOf(rest), order: this.#waiting.length, message, rest, ids: [] };
      this.#waiting.push(change);
      this.#byContent.set(content, change);
      this.#bytes += message.length;
    }
    change.ids.push(recipient.encodedId);
    this.#latest.set(recipient, change);
    this.#hasGrown = true;
    if (this.#bytes > MAX_WAITING_BYTES) this.flush();
    else this.#timer ??= setImmediate(this.#tick);
  }

  /** Sends what waits. */
  flush(): void {
    clearImmediate(this.#timer);
    this.#timer = undefined;
    this.#passes = 0;
    if (this.#waiting.length === 0) return;
    const changes = this.#waiting.toSorted((one, other) => one.seq - other.seq || one.order - other.order);
    this.clear();
    for (const { message, rest, ids } of changes) {
      this.#write(ids.length === 1 ? [message] : [this.#codec.withIds(message, ids), rest]);
    }
  }

  /** Drops what waits. */
  clear(): void {
    this.#waiting = [];
    this.#byContent = new Map();
    this.#latest = new Map();
    this.#bytes = 0;
  }

  #advance(): void {
    this.#timer = undefined;
    this.#passes++;
    if (!this.#hasGrown || this.#passes >= MAX_PASSES) {
      this.flush();
      return;
    }
    this.#hasGrown = false;
    this.#timer = setImmediate(this.#tick);
  }

  /** Reads the digits of `seq`, the first member of every change. */
  #seqOf(rest: Buffer): number {
    let seq = 0;
    for (let at = this.#codec.seqOffset; ; at++) {
      const digit = (rest[at] ?? 0) - 0x30;
      if (digit < 0 || digit > 9) return seq;
      seq = seq * 10 + digit;
    }
  }
}

/** True when a subscription whose newest waiting change is `latest` may receive this one after it. */
function isAfter({ seq, order }: WaitingChange, latest: WaitingChange | undefined): boolean {
  return latest === undefined || seq > latest.seq || (seq === latest.seq && order > latest.order);
}
