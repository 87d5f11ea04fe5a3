import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { type MessageListener, type ServerMessages, SplitMessages } from '../../server-messages.ts';
import type { PgAddress } from '../database/address.ts';
import { PgSession } from '../database/session.ts';
import { quote } from '../sql/names.ts';
import { toArray } from '../sql/types.ts';

/** Milliseconds between two checks that the connection is alive: one that is half open says nothing for hours. */
const CHECK_INTERVAL_MS = 10_000;
/** Milliseconds that a check may take. */
const CHECK_TIMEOUT_MS = 3000;
const RECONNECT_MS = 1000;
/** Bytes of a payload: NOTIFY takes fewer than 8000. */
const MAX_PAYLOAD_BYTES = 7900;
/** Mark of a payload that is a message. */
const MESSAGE = 'm ';
/** Parts of messages that one statement sends. */
const MAX_STATEMENT_PARTS = 200;
/** Bytes of messages that wait for the connection. What is sent beyond that is lost, as with a connection that breaks. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;

const NOTIFY_ALL = 'SELECT pg_notify($1, payload) FROM unnest($2::text[]) WITH ORDINALITY AS t (payload, n) ORDER BY n';

/**
 * Notifies the other servers of a schema that the log has grown, by NOTIFY on a connection of its own, after the commit: in the
 * transaction it would hold a lock of the whole database server until the commit is on the disk. A bell is only a hint.
 * Messages of servers go the same way.
 */
export class NodeBell implements ServerMessages {
  readonly #address: PgAddress;
  readonly #onRing: (head: number) => void;
  readonly server = randomBytes(6).toString('hex');
  readonly #messages = new SplitMessages(this.server, MAX_PAYLOAD_BYTES - MESSAGE.length);
  #session: PgSession | undefined;
  #stopped = new AbortController();
  #running: Promise<void>;
  /** Position to tell next. */
  #waiting: number | undefined;
  /** Parts of messages to send next. */
  #parts: string[] = [];
  #partBytes = 0;
  #isRinging = false;

  /** `onRing` is called with the position that another server has told, and with the largest number after each connect. */
  constructor(address: PgAddress, onRing: (head: number) => void) {
    this.#address = { ...address, durability: 'normal' };
    this.#onRing = onRing;
    this.#running = this.#run();
  }

  /** Notifies other servers of a position. While a notification is under way, only the newest position waits. */
  ring(head: number): void {
    this.#waiting = head;
    if (!this.#isRinging) void this.#sendWaiting();
  }

  send(topic: string, text: string): void {
    const bytes = Buffer.byteLength(text);
    if (this.#partBytes + bytes > MAX_WAITING_BYTES) return;
    this.#partBytes += bytes;
    for (const part of this.#messages.split(topic, text)) this.#parts.push(MESSAGE + part);
    if (!this.#isRinging) void this.#sendWaiting();
  }

  listen(topic: string, listener: MessageListener): () => void {
    return this.#messages.listen(topic, listener);
  }

  async close(): Promise<void> {
    this.#stopped.abort();
    await this.#session?.close();
    await this.#running;
  }

  async #sendWaiting(): Promise<void> {
    this.#isRinging = true;
    while (this.#session !== undefined && (this.#waiting !== undefined || this.#parts.length > 0)) {
      const payloads = this.#takeParts();
      if (this.#waiting !== undefined) payloads.push(`${this.server} ${this.#waiting}`);
      this.#waiting = undefined;
      // The others look at the log by themselves, too; a message that may have been sent is not sent again.
      await this.#session.send(NOTIFY_ALL, [this.#address.schema, toArray(payloads)]).catch(() => {});
    }
    this.#isRinging = false;
  }

  #takeParts(): string[] {
    const parts = this.#parts.splice(0, MAX_STATEMENT_PARTS);
    if (this.#parts.length === 0) this.#partBytes = 0;
    return parts;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      const session = await this.#connect().catch(() => undefined);
      if (session !== undefined) {
        this.#session = session;
        this.#onRing(Number.MAX_SAFE_INTEGER);
        if (!this.#isRinging) void this.#sendWaiting();
        await this.#untilLost(session);
        this.#session = undefined;
        await session.close();
      }
      await pause(RECONNECT_MS, undefined, { signal }).catch(() => {});
    }
  }

  async #connect(): Promise<PgSession> {
    const session = await PgSession.connect(this.#address);
    session.onNotification((payload) => {
      if (payload.startsWith(MESSAGE)) return this.#messages.receive(payload.slice(MESSAGE.length));
      const [id, head] = payload.split(' ');
      if (id !== this.server) this.#onRing(Number(head));
    });
    await session.send(`LISTEN ${quote(this.#address.schema)}`);
    return session;
  }

  async #untilLost(session: PgSession): Promise<void> {
    const signal = AbortSignal.any([this.#stopped.signal, session.ended]);
    for (let isAlive = true; isAlive && !signal.aborted; ) {
      await pause(CHECK_INTERVAL_MS, undefined, { signal }).catch(() => {});
      isAlive = signal.aborted || (await isListening(session));
    }
  }
}

async function isListening(session: PgSession): Promise<boolean> {
  const timeout = new AbortController();
  const late = pause(CHECK_TIMEOUT_MS, false, { signal: timeout.signal }).catch(() => false);
  const answer = session.send('SELECT pg_listening_channels()').then(
    ({ rows }) => rows.length > 0,
    () => false,
  );
  const isAlive = await Promise.race([answer, late]);
  timeout.abort();
  return isAlive && session.failure === undefined;
}
