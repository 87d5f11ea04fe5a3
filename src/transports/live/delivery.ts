import type { LiveCodec } from './codec.ts';
import { splitUnits, type Unit } from './encoding.ts';

/** Turns of the event loop for which a message waits for other subscriptions of its connection that receive the same one. */
const MAX_PASSES = 16;
/** Bytes of messages that wait; beyond it they are sent at once. */
const MAX_WAITING_BYTES = 64 * 1024;

/** Subscription as the delivery sees it. */
export interface Recipient {
  readonly encodedId: Buffer;
}

/** Bytes of the hub that several subscriptions receive. */
interface SharedChanges {
  readonly units: () => readonly Unit[];
  readonly recipients: Recipient[];
}

/** Change that is about to be sent, and the subscriptions that receive it. */
interface WaitingChange {
  readonly unit: Unit;
  recipients: readonly Recipient[];
}

/** Sends a message. `tx`: mark of its transaction, 0 without one. */
type SendChange = (body: Buffer, idList: Buffer, tx: number) => void;

/**
 * Changes of one connection with several subscriptions: one that several of them receive with the same content is one message
 * with all their ids. It waits until a turn of the event loop brings no more of them, in the order of the log. Subscriptions
 * that share a group of the hub are handed over with the bytes, so that each of them costs a pointer in a list.
 */
export class ChangeDelivery {
  readonly #codec: LiveCodec;
  readonly #send: SendChange;
  #batches = new Map<Buffer, SharedChanges>();
  #bytes = 0;
  #passes = 0;
  #hasGrown = false;
  #timer: NodeJS.Immediate | undefined;
  /** Recipients of the last message, and their ids: mostly those of the next one. */
  #recipients: readonly Recipient[] = [];
  #idList: Buffer = Buffer.alloc(0);
  readonly #tick = (): void => this.#advance();

  constructor(codec: LiveCodec, send: SendChange) {
    this.#codec = codec;
    this.#send = send;
  }

  /** Bytes of the messages that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds bytes of the hub that one subscription receives, which are changes alone. */
  add(recipient: Recipient, bytes: Buffer): void {
    this.addAll([recipient], bytes);
  }

  /** Adds bytes of the hub that several subscriptions receive, which are changes alone. */
  addAll(recipients: readonly Recipient[], bytes: Buffer): void {
    this.#addTo(bytes, recipients, () => splitUnits(bytes));
  }

  /** Adds one change that one subscription receives. */
  addUnit(recipient: Recipient, unit: Unit): void {
    this.#addTo(unit.body, [recipient], () => [unit]);
  }

  /** Sends what waits. */
  flush(): void {
    clearImmediate(this.#timer);
    this.#timer = undefined;
    this.#passes = 0;
    if (this.#batches.size === 0) return;
    const batches = [...this.#batches.values()];
    this.clear();
    const changes = mergeBatches(batches);
    for (const { unit, recipients } of changes) this.#send(unit.body, this.#idListOf(recipients), unit.tx);
  }

  /** Drops what waits. */
  clear(): void {
    this.#batches = new Map();
    this.#bytes = 0;
  }

  #addTo(bytes: Buffer, recipients: readonly Recipient[], units: SharedChanges['units']): void {
    let batch = this.#batches.get(bytes);
    if (batch === undefined) {
      batch = { units, recipients: [] };
      this.#batches.set(bytes, batch);
      this.#bytes += bytes.length;
    }
    for (const recipient of recipients) batch.recipients.push(recipient);
    this.#hasGrown = true;
    if (this.#bytes > MAX_WAITING_BYTES) this.flush();
    else this.#timer ??= setImmediate(this.#tick);
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

  #idListOf(recipients: readonly Recipient[]): Buffer {
    const known = this.#recipients;
    const isKnown = known.length === recipients.length && recipients.every((one, index) => one === known[index]);
    if (!isKnown) {
      this.#recipients = recipients;
      this.#idList = this.#codec.idList(recipients.map(({ encodedId }) => encodedId));
    }
    return this.#idList;
  }
}

/** Returns the changes of all batches in the order of the log; those with the same content are one. */
function mergeBatches(batches: readonly SharedChanges[]): readonly WaitingChange[] {
  const [only, other] = batches;
  if (only !== undefined && other === undefined) {
    return only.units().map((unit) => ({ unit, recipients: only.recipients }));
  }
  const bySeq = new Map<number, WaitingChange[]>();
  for (const { units, recipients } of batches) {
    let last = { seq: -1, index: -1 };
    for (const unit of units()) {
      const { seq, body } = unit;
      const same = bySeq.get(seq) ?? [];
      bySeq.set(seq, same);
      // Frames of one change keep their order: this one may only join a message after the one before it.
      const from = last.seq === seq ? last.index + 1 : 0;
      let index = same.findIndex((change, at) => at >= from && change.unit.body.equals(body));
      const known = same[index];
      if (known === undefined) index = same.push({ unit, recipients }) - 1;
      else known.recipients = [...known.recipients, ...recipients];
      last = { seq, index };
    }
  }
  const changes = [...bySeq.values()].sort((one, two) => seqOf(one) - seqOf(two));
  return changes.flat();
}

function seqOf([first]: readonly WaitingChange[]): number {
  return (first as WaitingChange).unit.seq;
}
