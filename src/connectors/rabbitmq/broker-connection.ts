import { type Channel, type ConfirmChannel, connect, type RecoveringChannelModel } from 'amqplib';
import type { Log } from '../../server/operations/log.ts';
import type { RabbitSettings } from './keys.ts';

/** Time to close the connection to a broker that may not answer. */
const MAX_CLOSE_MS = 2000;

export interface BrokerConnectionContext {
  readonly name: string;
  readonly appId: string;
  readonly log: Log;
}

/** A connection to a broker that reconnects without limit whenever it is lost. */
export class BrokerConnection {
  readonly #settings: RabbitSettings;
  readonly #context: BrokerConnectionContext;
  #model: RecoveringChannelModel | undefined;
  #state: 'closed' | 'connected' | 'unavailable' = 'closed';

  constructor(settings: RabbitSettings, context: BrokerConnectionContext) {
    this.#settings = settings;
    this.#context = context;
  }

  get isConnected(): boolean {
    return this.#state === 'connected';
  }

  /** Starts to connect, without waiting for the broker. */
  async open(): Promise<void> {
    const { url, heartbeat, timeout, reconnectDelay, reconnectMaxDelay } = this.#settings;
    const { name, appId } = this.#context;
    const model = await connect(withHeartbeat(url, heartbeat), {
      timeout,
      noDelay: true,
      clientProperties: { connection_name: `tablecast ${appId} ${name}` },
      recovery: {
        initialDelay: reconnectDelay,
        maxDelay: Math.max(reconnectDelay, reconnectMaxDelay),
        waitForConnect: false,
      },
    });
    model.on('connect', () => this.#enter('connected'));
    model.on('disconnect', (error) => this.#enter('unavailable', error));
    model.on('connect-failed', (error) => this.#enter('unavailable', error));
    model.on('blocked', (reason) => this.#log('warn', 'the broker does not accept messages for now', String(reason)));
    model.on('unblocked', () => this.#log('info', 'the broker accepts messages again'));
    // Followed by `disconnect`. Without a listener the event would end the process.
    model.on('error', () => undefined);
    this.#model = model;
  }

  /** Opens a channel as soon as there is a connection. Rejects when the connection is closed for good. */
  channel(): Promise<Channel> {
    return this.#opened().createChannel();
  }

  confirmChannel(): Promise<ConfirmChannel> {
    return this.#opened().createConfirmChannel();
  }

  async close(): Promise<void> {
    const model = this.#model;
    this.#model = undefined;
    this.#state = 'closed';
    if (model === undefined) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, MAX_CLOSE_MS);
    });
    await Promise.race([late, model.close()]);
    clearTimeout(timer);
  }

  #opened(): RecoveringChannelModel {
    if (this.#model === undefined) throw new Error('the connection is closed');
    return this.#model;
  }

  /** Logs a change of the state once, not each attempt. */
  #enter(state: 'connected' | 'unavailable', error?: Error): void {
    if (this.#model === undefined || this.#state === state) return;
    this.#state = state;
    if (state === 'connected') this.#log('info', 'connected to the broker');
    else this.#log('warn', 'the broker is unavailable; reconnecting', error?.message);
  }

  /** Logs messages only, never errors of the driver: they may contain secrets. */
  #log(level: 'info' | 'warn', message: string, reason?: string): void {
    const { name, appId, log } = this.#context;
    log[level]({ app: appId, connector: name, ...(reason === undefined ? {} : { reason }) }, message);
  }
}

function withHeartbeat(url: string, heartbeat: number): string {
  const parsed = new URL(url);
  parsed.searchParams.set('heartbeat', String(Math.ceil(heartbeat / 1000)));
  return parsed.href;
}
