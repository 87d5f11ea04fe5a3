import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { PgAddress } from '../database/address.ts';
import { PgSession } from '../database/session.ts';
import { quote } from '../sql/names.ts';

/** Milliseconds between two checks that the connection is alive: one that is half open says nothing for hours. */
const CHECK_INTERVAL_MS = 10_000;
/** Milliseconds that a check may take. */
const CHECK_TIMEOUT_MS = 3000;
const RECONNECT_MS = 1000;

/**
 * Tells the other servers of a schema that the log has grown, by NOTIFY on a connection of its own, after the commit: in the
 * transaction it would hold a lock of the whole database server until the commit is on the disk. A bell is only a hint.
 */
export class NodeBell {
  readonly #address: PgAddress;
  readonly #onRing: (head: number) => void;
  readonly #id = randomBytes(6).toString('hex');
  #session: PgSession | undefined;
  #stopped = new AbortController();
  #running: Promise<void>;
  /** Position to tell next. */
  #waiting: number | undefined;
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
    if (!this.#isRinging) void this.#ringWaiting();
  }

  async close(): Promise<void> {
    this.#stopped.abort();
    await this.#session?.close();
    await this.#running;
  }

  async #ringWaiting(): Promise<void> {
    this.#isRinging = true;
    while (this.#waiting !== undefined && this.#session !== undefined) {
      const head = this.#waiting;
      this.#waiting = undefined;
      // The others look by themselves, too.
      await this.#session
        .send('SELECT pg_notify($1, $2)', [this.#address.schema, `${this.#id} ${head}`])
        .catch(() => {});
    }
    this.#isRinging = false;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      const session = await this.#connect().catch(() => undefined);
      if (session !== undefined) {
        this.#session = session;
        this.#onRing(Number.MAX_SAFE_INTEGER);
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
      const [id, head] = payload.split(' ');
      if (id !== this.#id) this.#onRing(Number(head));
    });
    await session.send(`LISTEN ${quote(this.#address.schema)}`);
    return session;
  }

  async #untilLost(session: PgSession): Promise<void> {
    const { signal } = this.#stopped;
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
