import * as view from './view.js';

const SHOWN = 50;
/** Milliseconds: how often typing is told, and how long it counts. */
const TYPING_EVERY = 2000;
const TYPING_FOR = 4000;

/** One room that is looked at: its history, what comes after it, and who types. */
export class Room {
  #client;
  #me;
  #messages;
  #typing;
  #toldAt = 0;
  #isLeft = false;

  constructor(client, name, me) {
    this.#client = client;
    this.name = name;
    this.#me = me;
  }

  /** The last messages, and then every later one: over lost connections none is missing and none comes twice. */
  async enter() {
    const { Message, Room } = this.#client.tables;
    const position = await this.#showHistory();
    if (this.#isLeft) return;
    this.#messages = Message.subscribe(
      { room: this.name },
      {
        since: position,
        onChange: ({ message_type, data }) => {
          if (message_type === 'Update') view.addMessage(data, this.#me);
        },
        // The server does not know our position any more: what it sends now is everything, and the history is enough.
        onReset: () => this.#showHistory(),
      },
    );
    this.#typing = Room.subscribe(undefined, {
      id: this.name,
      retained: false,
      onChange: ({ message_type, data }) => {
        if (message_type === 'Publish' && data.typing !== this.#me) view.showTyping(data.typing, TYPING_FOR);
      },
    });
  }

  leave() {
    this.#isLeft = true;
    this.#messages?.close();
    this.#typing?.close();
  }

  /** Published on the room's channel: delivered to whoever listens, stored nowhere. */
  async tellTyping() {
    const now = Date.now();
    if (now - this.#toldAt < TYPING_EVERY) return;
    this.#toldAt = now;
    await this.#client.tables.Room.publish({ typing: this.#me }, { id: this.name });
  }

  async #showHistory() {
    const query = { room: this.name, sort: '-at', limit: SHOWN };
    const { records, position } = await this.#client.tables.Message.page(query);
    if (!this.#isLeft) view.showMessages(records.reverse(), this.#me);
    return position;
  }
}
