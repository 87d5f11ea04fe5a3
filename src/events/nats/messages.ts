import { createHash } from 'node:crypto';
import { type MessageListener, type ServerMessages, SplitMessages } from '../../store/server-messages.ts';
import type { SharedStore } from '../../store/shared-store.ts';
import { NatsConnection } from './connection.ts';

/** Bytes of a message: NATS takes 1 MiB by default. */
const MAX_PART_BYTES = 256 * 1024;
/** Milliseconds for which a server that was heard by the database is reached there, too. */
const ELSEWHERE_MS = 15_000;
/** Milliseconds between two messages of a server without NATS that say where it is reached. */
const AWAY_INTERVAL_MS = 5000;
/** Servers whose last message is known. */
const MAX_SERVERS = 1000;
/** Topic of the position of the log. */
const LOG = 'log';
/** Topic of a server that is reached by the database alone. */
const AWAY = 'away';
/** Topic of all messages, in those of the database. */
const RELAY = 'relay';

export interface NatsMessagesOptions {
  readonly url: string;
  readonly appId: string;
  readonly shared: SharedStore;
  /** Called with a sentence when NATS is lost, and when it is back. */
  onNotice(sentence: string): void;
}

/**
 * Messages and bells of servers over NATS. While NATS is away they go by the database. A server that has lost NATS alone is
 * heard by the database, and is reached there as well; what arrives on both ways is delivered once.
 */
export class NatsMessages implements ServerMessages {
  readonly server: string;
  readonly #shared: SharedStore;
  readonly #nats: NatsConnection;
  readonly #split: SplitMessages;
  readonly #stopListening: () => void;
  /** Number of the last part of each server. */
  readonly #last = new Map<string, number>();
  readonly #timer: NodeJS.Timeout;
  #sent = 0;
  #bothUntil = 0;
  #wasAway = false;

  constructor({ url, appId, shared, onNotice }: NatsMessagesOptions) {
    this.#shared = shared;
    const database = shared.messages;
    this.server = database.server;
    this.#split = new SplitMessages(this.server, MAX_PART_BYTES);
    this.#nats = new NatsConnection({
      url,
      subject: subjectOf(appId, shared.identity),
      onMessage: (text) => this.#receive(text),
      onState: (isConnected, reason = '') => this.#changed(isConnected, { reason, onNotice }),
    });
    this.#timer = setInterval(() => this.#sayAway(), AWAY_INTERVAL_MS).unref();
    this.#stopListening = database.listen(RELAY, (text) => {
      this.#bothUntil = performance.now() + ELSEWHERE_MS;
      this.#receive(text);
    });
    this.#split.listen(LOG, (head) => shared.heard(Number(head)));
    shared.ringWith((head) => this.#ring(head));
  }

  get isConnected(): boolean {
    return this.#nats.isConnected;
  }

  send(topic: string, text: string): void {
    for (const part of this.#split.split(topic, text)) {
      const numbered = `${this.server} ${++this.#sent} ${part}`;
      const isSent = this.#nats.publish(numbered);
      if (!isSent || performance.now() < this.#bothUntil) this.#shared.messages.send(RELAY, numbered);
    }
  }

  listen(topic: string, listener: MessageListener): () => void {
    return this.#split.listen(topic, listener);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#stopListening();
    this.#nats.close();
  }

  #changed(
    isConnected: boolean,
    { reason, onNotice }: { reason: string } & Pick<NatsMessagesOptions, 'onNotice'>,
  ): void {
    if (!isConnected) {
      this.#wasAway = true;
      this.#sayAway();
      onNotice(`NATS is away (${reason}): notifications and messages of rooms go by the database.`);
      return;
    }
    // Rings that came while it was away may be lost.
    this.#shared.heard(Number.MAX_SAFE_INTEGER);
    if (this.#wasAway) onNotice('NATS is back: it carries notifications and messages of rooms again.');
  }

  #sayAway(): void {
    if (!this.isConnected) this.send(AWAY, '');
  }

  /** True when the other servers are notified; false leaves it to the database. */
  #ring(head: number): boolean {
    if (!this.isConnected || performance.now() < this.#bothUntil) return false;
    this.send(LOG, String(head));
    return true;
  }

  #receive(text: string): void {
    const [, server = '', number, part = ''] = /^(\S+) (\d+) (.*)$/s.exec(text) ?? [];
    if (Number(number) <= (this.#last.get(server) ?? 0)) return;
    const [oldest] = this.#last.keys();
    if (this.#last.size >= MAX_SERVERS && oldest !== undefined) this.#last.delete(oldest);
    this.#last.delete(server);
    this.#last.set(server, Number(number));
    this.#split.receive(part);
  }
}

/** Returns the subject of an application: databases that share NATS and have the same application do not hear each other. */
function subjectOf(appId: string, identity: string): string {
  const hash = createHash('sha256').update(`${appId} ${identity}`).digest('base64url').slice(0, 16);
  return `tablecast.${appId}.${hash}`;
}
