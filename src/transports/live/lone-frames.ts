import { encodeFrame } from '../socket/text-frames.ts';
import type { LiveCodec, LiveId } from './codec.ts';
import { splitUnits, type Unit } from './encoding.ts';

/** Subscription that receives something which no other one of its connection does. */
export interface LoneRecipient {
  readonly id: LiveId;
  readonly idList: Buffer;
}

/**
 * WebSocket frames of the units that the hub wrote last, for subscriptions that are alone on their connection. The hub writes
 * the same bytes to one after the other, and most clients name their only subscription alike: frames are made once for each id
 * (row "v1" of the case `live` of the benchmark). An application has one of these for all of its sockets.
 */
export class LoneFrames {
  #bytes: Buffer | undefined;
  /** Undefined where the units are not changes alone. */
  #units: readonly Unit[] | undefined;
  #id: LiveId | undefined;
  #frames: Buffer | undefined;
  readonly #byId = new Map<LiveId, Buffer>();

  /** Returns the frames of what was written; undefined where it is more than changes. */
  of(codec: LiveCodec, bytes: Buffer, recipient: LoneRecipient): Buffer | undefined {
    if (this.#bytes === bytes && this.#id === recipient.id) return this.#frames;
    if (this.#bytes !== bytes) this.#take(bytes);
    const units = this.#units;
    if (units === undefined) return undefined;
    let frames = this.#byId.get(recipient.id);
    if (frames === undefined) {
      const made = units.map(({ body }) => encodeFrame(codec.opcode, codec.address(body, recipient.idList)));
      frames = made.length === 1 ? (made[0] as Buffer) : Buffer.concat(made);
      this.#byId.set(recipient.id, frames);
    }
    this.#id = recipient.id;
    this.#frames = frames;
    return frames;
  }

  #take(bytes: Buffer): void {
    const units = splitUnits(bytes);
    this.#bytes = bytes;
    this.#units = units.every(({ kind }) => kind === 'change') ? units : undefined;
    this.#id = undefined;
    this.#frames = undefined;
    this.#byId.clear();
  }
}
