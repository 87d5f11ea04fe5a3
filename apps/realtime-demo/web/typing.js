/** A notice is repeated this often while somebody types, and forgotten so long after the last one. */
const REPEAT = 2000;
const FORGET = 5000;

/** Says to the other windows that somebody types here, by Publish: delivered to whoever listens, stored nowhere. */
export class TypingNotices {
  #channel;
  #from;
  #saidAt = new Map();

  constructor(channel) {
    this.#channel = channel;
    this.#from = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) =>
      byte.toString(16).padStart(2, '0'),
    ).join('');
  }

  /** `id` is the message that is edited, or null for a new one. */
  say(id, isTyping) {
    const now = performance.now();
    const last = this.#saidAt.get(id);
    if (isTyping ? last !== undefined && now - last < REPEAT : last === undefined) return;
    if (isTyping) this.#saidAt.set(id, now);
    else this.#saidAt.delete(id);
    this.#channel.publish(id, { kind: 'typing', from: this.#from, record: id, typing: isTyping });
  }

  isOwn({ from }) {
    return from === this.#from;
  }
}

/** Who types elsewhere, by what has been heard lately. */
export class Typists {
  #timers = new Map();
  #onChange;

  /** `onChange` gets the id of the record that is edited (null: a new one) and how many edit it. */
  constructor(onChange) {
    this.#onChange = onChange;
  }

  hear({ from, record, typing }) {
    const key = JSON.stringify([record, from]);
    clearTimeout(this.#timers.get(key));
    this.#timers.delete(key);
    if (typing === true) {
      this.#timers.set(
        key,
        setTimeout(() => this.hear({ from, record, typing: false }), FORGET),
      );
    }
    const count = [...this.#timers.keys()].filter((other) => JSON.parse(other)[0] === record).length;
    this.#onChange(record, count);
  }
}
