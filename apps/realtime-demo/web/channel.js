import { connect, TablecastError } from './_/client.js';

/** What the server refused: a sentence, and one for each field where it names fields. */
export const Refusal = TablecastError;

/**
 * The live channel of one table, over WebSocket or Server-Sent Events. A switch of the transport continues after the last
 * position, as the client does by itself after a lost connection.
 *
 * `onFrame` gets every frame in one form: `{direction, type, op, id, data, seq, live}`. `type` is the `message_type`,
 * or the `type` of a control frame; `live` is false for what comes again after a reconnect. A frame
 * `{type: 'snapshot'}` says that the whole state follows, up to `ready`.
 */
export class Channel {
  #name;
  #onFrame;
  #onStatus;
  #client;
  #subscription;
  #isLive = false;

  constructor(name, { onFrame, onStatus }) {
    this.#name = name;
    this.#onFrame = onFrame;
    this.#onStatus = onStatus;
  }

  /** Position of the last change, or undefined before the first `ready`. */
  get position() {
    return this.#subscription?.position;
  }

  /** Uses this transport from now on; the state and the position stay. */
  open(kind) {
    const { position } = this;
    this.#client?.close();
    this.#client = connect('.', { eventStream: kind === 'sse' });
    this.#isLive = false;
    if (position === undefined) this.#onFrame({ type: 'snapshot' });
    this.#subscription = this.#client.tables[this.#name].subscribe('', {
      ...(position === undefined ? { retained: true } : { since: position }),
      onChange: (frame) => this.#take(frame, frame.message_type),
      onReady: (frame) => {
        this.#isLive = true;
        this.#take(frame, 'ready');
      },
      onReset: (frame) => {
        this.#isLive = false;
        this.#take(frame, 'reset');
        this.#onFrame({ type: 'snapshot' });
      },
      onStatus: (state) => {
        if (state !== 'live') this.#isLive = false;
        if (state !== 'closed') this.#onStatus({ state, kind });
      },
      onError: (error) => this.#onFrame({ type: 'error', direction: 'in', live: false, raw: error.message }),
    });
  }

  /** Creates or replaces a record; resolves when it is committed, also over a connection that was lost meanwhile. */
  put(id, data) {
    return this.#send({ message_type: 'Update', id, data });
  }

  delete(id) {
    return this.#send({ message_type: 'Delete', id });
  }

  /** Sends a message that is not stored, and may be lost. */
  publish(id, data) {
    if (this.#isLive) this.#send({ message_type: 'Publish', id, data }).catch(() => undefined);
  }

  async #send(envelope) {
    const { message_type: type, id, data } = envelope;
    this.#onFrame({ type, direction: 'out', id, data, raw: envelope });
    const ack = await this.#subscription.send(envelope);
    this.#onFrame({ type: 'ack', direction: 'in', id, seq: ack.seq, live: this.#isLive, raw: ack });
  }

  #take(frame, type) {
    this.#onFrame({ ...frame, type, direction: 'in', live: this.#isLive, raw: frame });
  }
}
