import type { AppError } from '../../../errors.ts';
import { WriteLock } from '../../../hub/fan-out/write-lock.ts';
import type { EndReason, SharedSink, Sink, Subscription } from '../../../hub/subscription.ts';
import type { TableResource } from '../../../resources/table/resource.ts';
import type { RecordKey } from '../../../store/store.ts';
import type { LiveCodec, LiveId } from '../codec.ts';
import { areChanges, makePage, splitUnits, type Unit } from '../encoding.ts';
import type { LoneRecipient } from '../lone-frames.ts';
import { type Credit, CreditBalance } from './credit.ts';

/** Output of a connection, as its subscriptions see it. */
export interface LiveOutput extends SharedSink {
  readonly codec: LiveCodec;
  readonly pending: number;
  /** Lock of all subscriptions of the connection. */
  readonly lock: WriteLock;
  /** Called for each message of a transaction: true when its commit is sent later. */
  onTransaction: (tx: number) => boolean;
  ended(reason: EndReason): void;
  /** Sends changes, with the same ones of other subscriptions. */
  deliver(subscription: LiveSubscription, bytes: Buffer): void;
  /** Sends changes that no other subscription receives at once. False where it cannot, or where they are more than changes. */
  deliverAlone(recipient: LoneRecipient, bytes: Buffer): boolean;
  /** Sends one change, with the same one of other subscriptions. */
  deliverUnit(subscription: LiveSubscription, unit: Unit): void;
  /** Sends a message to one subscription after everything that was delivered. */
  sendTo(recipient: Pick<LoneRecipient, 'idList'>, body: Buffer): void;
  /** Sends a message after everything that was delivered. */
  send(message: Buffer): void;
  /** Sends what was delivered and waits. */
  flush(): void;
}

export interface LiveSubscriptionOptions {
  readonly id: LiveId;
  readonly resource: TableResource;
  /** Key of the record; undefined for a table. */
  readonly key: RecordKey | undefined;
  /** Query as in the URL of a channel. */
  readonly rawQuery: string;
  readonly credit: Credit;
  readonly output: LiveOutput;
  /** Called when the query is refused from now on: this subscription ends, and the connection goes on. */
  readonly refused: (subscription: LiveSubscription, error: AppError) => void;
}

/** Lock of the connection for a subscription that first waits for credit: it must not hold up the others. */
class CreditLock extends WriteLock {
  readonly #lock: WriteLock;
  readonly #credited: () => Promise<void> | undefined;

  constructor(lock: WriteLock, credited: () => Promise<void> | undefined) {
    super();
    this.#lock = lock;
    this.#credited = credited;
  }

  override enter(): Promise<void> | undefined {
    return this.#credited()?.then(() => this.#lock.enter()) ?? this.#lock.enter();
  }

  override leave(): void {
    this.#lock.leave();
  }
}

/**
 * One subscription of a connection: the sink of a subscription of the hub. Without credit it counts as full, so that it lags
 * and goes on from the log; what the hub had written by then waits here.
 */
export class LiveSubscription implements Sink {
  readonly id: LiveId;
  readonly resource: TableResource;
  readonly key: RecordKey | undefined;
  readonly rawQuery: string;
  readonly encodedId: Buffer;
  readonly idList: Buffer;
  readonly writeLock: WriteLock;
  readonly shared: SharedSink;
  /** True when it is the only subscription of the connection. */
  isAlone = false;
  subscription: Subscription | undefined;
  readonly #output: LiveOutput;
  readonly #refused: LiveSubscriptionOptions['refused'];
  readonly #credit: CreditBalance;
  #held: Unit[] = [];
  #isClosed = false;
  #waiting: (() => void)[] = [];

  constructor({ id, resource, key, rawQuery, credit, output, refused }: LiveSubscriptionOptions) {
    this.id = id;
    this.resource = resource;
    this.key = key;
    this.rawQuery = rawQuery;
    this.#credit = new CreditBalance(credit);
    this.#output = output;
    this.#refused = refused;
    this.shared = output;
    this.encodedId = output.codec.encodeId(id);
    this.idList = output.codec.idList([this.encodedId]);
    this.writeLock = new CreditLock(output.lock, () => this.#credited());
  }

  /** Unlimited while there is no credit: the hub writes nothing to a full sink. */
  get pending(): number {
    return this.isStarved ? Number.POSITIVE_INFINITY : this.#output.pending;
  }

  get takesShared(): boolean {
    return !this.isAlone && this.#credit.isUnlimited && this.#held.length === 0;
  }

  write(bytes: Buffer): void {
    if (this.#credit.isUnlimited && this.#held.length === 0) {
      if (this.isAlone && this.#output.deliverAlone(this, bytes)) return;
      if (areChanges(bytes)) {
        this.#output.deliver(this, bytes);
        if (this.isAlone) this.#output.flush();
        return;
      }
    }
    this.#held.push(...splitUnits(bytes));
    this.#pump();
  }

  ended(reason: EndReason, error?: AppError): void {
    if (reason === 'refused' && error !== undefined) this.#refused(this, error);
    else this.#output.ended(reason);
  }

  drained(): void {
    this.subscription?.drained();
  }

  /** Adds credit; what is not mentioned stays as it is. */
  grant(credit: Credit): void {
    this.#credit.grant(credit);
    this.#pump();
  }

  close(): void {
    this.#isClosed = true;
    this.#held = [];
    if (this.subscription !== undefined) this.resource.unsubscribe(this.subscription);
    this.#wake();
  }

  /** True while it waits for credit. */
  get isStarved(): boolean {
    if (this.#credit.isUnlimited && this.#held.length === 0) return false;
    return !this.#isClosed && (!this.#credit.allows || this.#held.length > 0);
  }

  #credited(): Promise<void> | undefined {
    return this.isStarved ? new Promise((resolve) => this.#waiting.push(resolve)) : undefined;
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Sends what is held, as far as the credit goes. Records that come together are one message. */
  #pump(): void {
    let sent = 0;
    for (; sent < this.#held.length; sent++) {
      const unit = this.#held[sent] as Unit;
      if (!this.#credit.allows) break;
      if (unit.kind === 'control') {
        this.#output.sendTo(this, unit.body);
      } else if (unit.kind === 'record') {
        const page = this.#takePage(sent);
        this.#output.sendTo(this, makePage(this.#output.codec, page));
        sent += page.length - 1;
      } else {
        this.#spend(unit);
        this.#output.deliverUnit(this, unit);
      }
    }
    if (sent > 0) this.#held = this.#held.slice(sent);
    if (!this.isStarved) this.#wake();
  }

  /** Records from this one on that the credit covers; each counts as a message. */
  #takePage(from: number): Buffer[] {
    const records: Buffer[] = [];
    for (let at = from; this.#held[at]?.kind === 'record' && this.#credit.allows; at++) {
      const unit = this.#held[at] as Unit;
      this.#spend(unit);
      records.push(unit.body);
    }
    return records;
  }

  #spend({ kind, body }: Unit): void {
    this.#credit.spend(kind === 'change' ? body.length + this.idList.length : body.length);
  }
}
