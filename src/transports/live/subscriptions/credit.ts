/** Messages and bytes that a subscription may still receive. Undefined where the client limits nothing. */
export interface Credit {
  frames?: number | undefined;
  bytes?: number | undefined;
}

/** Credit of one subscription, as it is spent and granted: PROTOCOL.md §7.5. */
export class CreditBalance {
  readonly #credit: Credit;

  constructor(credit: Credit) {
    this.#credit = { ...credit };
  }

  get isUnlimited(): boolean {
    return this.#credit.frames === undefined && this.#credit.bytes === undefined;
  }

  /** True while one more message may be sent. */
  get allows(): boolean {
    const { frames = 1, bytes = 1 } = this.#credit;
    return frames > 0 && bytes > 0;
  }

  /** Adds credit; what is not mentioned stays as it is. */
  grant({ frames, bytes }: Credit): void {
    const credit = this.#credit;
    if (frames !== undefined) credit.frames = (credit.frames ?? 0) + frames;
    if (bytes !== undefined) credit.bytes = (credit.bytes ?? 0) + bytes;
  }

  /** Takes the credit of one message, which may have more bytes than are left. */
  spend(bytes: number): void {
    const credit = this.#credit;
    if (credit.frames !== undefined) credit.frames--;
    if (credit.bytes !== undefined) credit.bytes -= bytes;
  }
}
