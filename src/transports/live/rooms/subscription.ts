import { AppError } from '../../../errors.ts';
import type { WriteLock } from '../../../hub/fan-out/write-lock.ts';
import type { EndReason, Sink } from '../../../hub/subscription.ts';
import type { LiveId } from '../codec.ts';
import { splitUnits } from '../encoding.ts';
import { type Credit, CreditBalance } from '../subscriptions/credit.ts';
import type { LiveOutput } from '../subscriptions/subscription.ts';
import type { JoinedRoom } from './service.ts';

export interface RoomSubscriptionOptions {
  readonly id: LiveId;
  /** Name of the room; undefined for what is sent to all clients of the connector and to its user. */
  readonly room: string | undefined;
  readonly credit: Credit;
  readonly output: LiveOutput;
  /** Called when the client is not a member any more. */
  readonly ended: (subscription: RoomSubscription, error: AppError) => void;
}

/** Message that waits for credit; a list of members needs none. */
interface HeldMessage {
  readonly body: Buffer;
  readonly isFree: boolean;
}

/**
 * Membership of one connection in a room, under the id of the client. Without credit it counts as full: the room keeps some
 * messages for it, and beyond that the membership ends, since there is no log behind a room.
 */
export class RoomSubscription implements Sink {
  readonly id: LiveId;
  readonly room: string | undefined;
  readonly idList: Buffer;
  readonly writeLock: WriteLock;
  member: JoinedRoom | undefined;
  readonly #output: LiveOutput;
  readonly #ended: RoomSubscriptionOptions['ended'];
  readonly #credit: CreditBalance;
  #held: HeldMessage[] = [];
  /** False until the client knows that it is a member. */
  #isConfirmed = false;
  /** Reason why the membership has ended before it was confirmed. */
  #failure: AppError | undefined;

  constructor({ id, room, credit, output, ended }: RoomSubscriptionOptions) {
    this.id = id;
    this.room = room;
    this.#credit = new CreditBalance(credit);
    this.#output = output;
    this.#ended = ended;
    this.idList = output.codec.idList([output.codec.encodeId(id)]);
    this.writeLock = output.lock;
  }

  get pending(): number {
    return this.#isHeldUp ? Number.POSITIVE_INFINITY : this.#output.pending;
  }

  /** A client that has used up its credit is not slow. */
  get isPatient(): boolean {
    return this.#isHeldUp;
  }

  write(bytes: Buffer): void {
    const isDirect = this.#isConfirmed && this.#held.length === 0 && this.#credit.isUnlimited;
    if (isDirect && this.#output.deliverAlone(this, bytes)) return;
    for (const { body } of splitUnits(bytes)) this.#held.push({ body, isFree: false });
    this.#pump();
  }

  /** Sends the list of members, after what was said before. */
  notify(presence: object): void {
    this.#held.push({ body: this.#output.codec.bodyFrom(JSON.stringify(presence)), isFree: true });
    this.#pump();
  }

  ended(reason: EndReason): void {
    if (reason === 'slow') this.#output.ended(reason);
    else this.lose(new AppError('SLOW_CLIENT', 'Messages of the room were lost, since the client was too slow.'));
  }

  lose(error: AppError): void {
    if (this.#isConfirmed) this.#ended(this, error);
    else this.#failure = error;
  }

  /** Sends what has come since the join, once `confirm` has told the client of it. Throws what has ended it meanwhile. */
  begin(confirm: () => void): void {
    if (this.#failure !== undefined) throw this.#failure;
    confirm();
    const since = this.#held;
    this.#held = [];
    this.#isConfirmed = true;
    if (this.member?.presence !== undefined) this.notify(this.member.presence);
    this.#held.push(...since);
    this.#resume();
  }

  /** Adds credit; what is not mentioned stays as it is. */
  grant(credit: Credit): void {
    this.#credit.grant(credit);
    this.#resume();
  }

  drained(): void {
    this.member?.drained();
  }

  close(): void {
    this.#held = [];
    this.member?.leave();
  }

  get #isHeldUp(): boolean {
    return this.#held.length > 0 || (this.#isConfirmed && !this.#credit.allows);
  }

  #resume(): void {
    this.#pump();
    if (!this.#isHeldUp) this.member?.drained();
  }

  #pump(): void {
    if (!this.#isConfirmed) return;
    let sent = 0;
    for (const { body, isFree } of this.#held) {
      if (!isFree) {
        if (!this.#credit.allows) break;
        this.#credit.spend(body.length + this.idList.length);
      }
      this.#output.sendTo(this, body);
      sent++;
    }
    if (sent > 0) this.#held = this.#held.slice(sent);
  }
}
