import { type Channel, type ConfirmChannel, connect, type RecoveringChannelModel } from 'amqplib';
import type { Log } from '../../server/operations/log.ts';
import type { RabbitSettings } from './keys.ts';

/** Milliseconds for saying goodbye to a broker that may not answer. */
const GOODBYE = 2000;

export interface BrokerConnectionContext {
  readonly name: string;
  readonly appId: string;
  readonly log: Log;
}

/** One connection to a broker: made again whenever it is lost, for ever. */
export class BrokerConnection {
  readonly #settings: RabbitSettings;
  readonly #context: BrokerConnectionContext;
  #model: RecoveringChannelModel | undefined;
  #state: 'closed' | 'connected' | 'away' = 'closed';

  constructor(settings: RabbitSettings, context: BrokerConnectionContext) {
    this.#settings = settings;
    this.#context = context;
  }

  get isConnected(): boolean {
    return this.#state === 'connected';
  }

  /** Begins to connect, and does not wait for it. */
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
    model.on('disconnect', (error) => this.#enter('away', error));
    model.on('connect-failed', (error) => this.#enter('away', error));
    model.on('blocked', (reason) => this.#log('warn', 'the broker takes no messages for now', String(reason)));
    model.on('unblocked', () => this.#log('info', 'the broker takes messages again'));
    // It is followed by `disconnect`, and would end the process if nobody listened.
    model.on('error', () => undefined);
    this.#model = model;
  }

  /** A new channel, as soon as there is a connection. Rejects when the link is closed. */
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
      timer = setTimeout(resolve, GOODBYE);
    });
    await Promise.race([late, model.close()]);
    clearTimeout(timer);
  }

  #opened(): RecoveringChannelModel {
    if (this.#model === undefined) throw new Error('the connection is closed');
    return this.#model;
  }

  /** Says so once, however many attempts there are. */
  #enter(state: 'connected' | 'away', error?: Error): void {
    if (this.#model === undefined || this.#state === state) return;
    this.#state = state;
    if (state === 'connected') this.#log('info', 'connected to the broker');
    else this.#log('warn', 'the broker is away; connecting goes on', error?.message);
  }

  /** Only texts of ours and of the broker: an error of the driver may have more in it than is meant for a log. */
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
