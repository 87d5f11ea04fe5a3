import { setTimeout as pause } from 'node:timers/promises';
import type { ConnectionOptions, NatsConnection as NatsClient } from '@nats-io/transport-node';

const CONNECT_TIMEOUT_MS = 5000;
const MIN_RECONNECT_MS = 250;
const MAX_RECONNECT_MS = 2000;
/** Milliseconds between two checks that the server answers. */
const PING_INTERVAL_MS = 5000;
/** Bytes that the server may not have confirmed; what is published beyond that is lost. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;
/** Bytes after which the server is asked to confirm. */
const CONFIRMED_BYTES = 1024 * 1024;

export interface NatsOptions {
  /** `nats://user:password@host:port` or `tls://…`; several separated by commas are servers of one cluster. */
  readonly url: string;
  readonly subject: string;
  onMessage(text: string): void;
  /** Called when the connection is made, and when it is lost. */
  onState(isConnected: boolean, reason?: string): void;
}

/**
 * Connection to one subject of core NATS: messages are delivered at most once, and lost while it is away. It connects again by
 * itself.
 */
export class NatsConnection {
  readonly #options: NatsOptions;
  readonly #stop = new AbortController();
  #client: NatsClient | undefined;
  #isConnected = false;
  /** True once the connection was reported as lost, until it is back. */
  #isAway = false;
  #unconfirmed = 0;
  #isConfirming = false;

  constructor(options: NatsOptions) {
    this.#options = options;
    void this.#run();
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Sends a text; false when it certainly is not sent. */
  publish(text: string): boolean {
    const client = this.#client;
    if (!this.#isConnected || client === undefined || client.isClosed()) return false;
    if (this.#unconfirmed > MAX_WAITING_BYTES) return false;
    const bytes = Buffer.from(text);
    client.publish(this.#options.subject, bytes);
    this.#unconfirmed += bytes.length;
    if (this.#unconfirmed > CONFIRMED_BYTES && !this.#isConfirming) void this.#confirm(client);
    return true;
  }

  close(): void {
    this.#stop.abort();
    this.#isConnected = false;
    void this.#client?.close();
  }

  async #confirm(client: NatsClient): Promise<void> {
    const sent = this.#unconfirmed;
    this.#isConfirming = true;
    // What a lost connection had is lost.
    await client.flush().catch(() => {});
    this.#unconfirmed -= sent;
    this.#isConfirming = false;
  }

  /** Connects. The client reconnects by itself; where it gives up, for instance after a refused login, another one begins. */
  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const { connect } = await import('@nats-io/transport-node');
    for (let delay = MIN_RECONNECT_MS; !signal.aborted; delay = Math.min(2 * delay, MAX_RECONNECT_MS)) {
      try {
        const client = await connect(toConnectionOptions(this.#options.url));
        await this.#use(client, () => {
          delay = MIN_RECONNECT_MS;
        });
      } catch (error) {
        this.#lost(error instanceof Error ? error.message : String(error));
      }
      await pause(delay, undefined, { signal, ref: false }).catch(() => {});
    }
  }

  /** Uses a client until it is closed. Throws when it may not have the subject. */
  async #use(client: NatsClient, onReady: () => void): Promise<void> {
    this.#client = client;
    const { subject, onMessage } = this.#options;
    let refusal: Error | undefined;
    client.subscribe(subject, {
      callback: (error, message) => {
        if (error === null) return onMessage(message.string());
        refusal = error;
        void client.close();
      },
    });
    void this.#watch(client);
    // The server has the subscription, or has refused it.
    const subscribed = client.flush().then(
      () => true,
      () => false,
    );
    const isSubscribed = await Promise.race([subscribed, client.closed().then(() => false)]);
    if (this.#stop.signal.aborted) return client.close();
    if (isSubscribed) {
      onReady();
      this.#connected();
    }
    const error = await client.closed();
    throw refusal ?? error ?? new Error(LOST);
  }

  async #watch(client: NatsClient): Promise<void> {
    let reason = LOST;
    for await (const status of client.status()) {
      if (status.type === 'error') {
        reason = status.error.message;
        if (status.error.name === 'PermissionViolationError') void client.close();
      } else if (status.type === 'staleConnection') reason = 'it did not answer';
      else if (status.type === 'disconnect') {
        this.#lost(reason);
        reason = LOST;
      } else if (status.type === 'reconnect') this.#connected();
    }
  }

  #connected(): void {
    if (this.#stop.signal.aborted || this.#isConnected) return;
    this.#isConnected = true;
    this.#isAway = false;
    this.#options.onState(true);
  }

  #lost(reason: string): void {
    this.#isConnected = false;
    if (this.#stop.signal.aborted || this.#isAway) return;
    this.#isAway = true;
    this.#options.onState(false, reason);
  }
}

const LOST = 'the connection was lost';

function toConnectionOptions(text: string): ConnectionOptions {
  const urls = text.split(',').map((url) => new URL(url.trim()));
  const [{ username = '', password = '' } = {}] = urls;
  const [user, pass] = [decodeURIComponent(username), decodeURIComponent(password)];
  return {
    servers: urls.map(({ host }) => host),
    ...(user === '' ? {} : pass === '' ? { token: user } : { user, pass }),
    ...(urls.some(({ protocol }) => protocol === 'tls:') ? { tls: {} } : {}),
    name: 'tablecast',
    noEcho: true,
    timeout: CONNECT_TIMEOUT_MS,
    pingInterval: PING_INTERVAL_MS,
    maxReconnectAttempts: -1,
    reconnectTimeWait: MIN_RECONNECT_MS,
    reconnectJitter: MAX_RECONNECT_MS - MIN_RECONNECT_MS,
    reconnectJitterTLS: MAX_RECONNECT_MS - MIN_RECONNECT_MS,
    // Names are looked up as the machine does it, with its file of hosts.
    resolve: false,
  };
}
