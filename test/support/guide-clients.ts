import { WebSocket } from 'ws';

type Handler = (data: Record<string, unknown>) => void;
interface GuideMessage {
  readonly type?: string;
  readonly data?: Record<string, unknown>;
  readonly timestamp?: string;
}

/**
 * The client of the protocol's guide: handlers by event type, a reconnect with a delay that doubles from 1 to 30 s and
 * is 1 s again after an open, everything subscribed to again on open, and a link given up after 60 s without a heartbeat.
 */
export class GuideClient {
  readonly subscriptions = new Map<string, readonly string[]>();
  readonly handlers = new Map<string, Handler>();
  /** Delays before reconnects, in milliseconds, in the order in which they were taken. */
  readonly delays: number[] = [];
  opens = 0;
  /** How often the link was given up for want of a heartbeat. */
  stale = 0;
  readonly #url: string;
  readonly #staleAfter: number;
  #socket: WebSocket | undefined;
  #delay = 1000;
  #lastHeartbeat = Date.now();
  #retry: NodeJS.Timeout | undefined;
  readonly #monitor: NodeJS.Timeout;
  #done = false;

  /** `staleAfter` and the interval of the look are a minute in the guide. */
  constructor(url: string, staleAfter = 60_000) {
    this.#url = url;
    this.#staleAfter = staleAfter;
    this.#monitor = setInterval(() => this.#checkStale(), staleAfter);
  }

  connect(): void {
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#lastHeartbeat = Date.now();
    socket.onopen = () => {
      this.opens++;
      this.#delay = 1000;
      for (const [collection, operations] of this.subscriptions)
        this.#send({ action: 'subscribe', collection, operations });
    };
    socket.onerror = () => undefined;
    socket.onclose = () => {
      if (this.#done) return;
      this.delays.push(this.#delay);
      this.#retry = setTimeout(() => this.connect(), this.#delay);
      this.#delay = Math.min(this.#delay * 2, 30_000);
    };
    socket.onmessage = (event) => this.#take(JSON.parse(String(event.data)) as GuideMessage);
  }

  subscribe(collection: string, operations: readonly string[], handler: Handler): void {
    if (this.subscriptions.size >= 100) throw new Error('Maximum subscriptions reached (100)');
    this.subscriptions.set(collection, operations);
    for (const operation of operations) this.handlers.set(`${collection}.${operation}`, handler);
    if (this.#socket?.readyState === WebSocket.OPEN) this.#send({ action: 'subscribe', collection, operations });
  }

  disconnect(): void {
    this.#done = true;
    clearTimeout(this.#retry);
    clearInterval(this.#monitor);
    this.#socket?.close();
  }

  #take(message: GuideMessage): void {
    if (message.type === 'heartbeat') {
      this.#lastHeartbeat = Date.now();
      return;
    }
    if (message.type === undefined || message.type === 'pong') return;
    const [collection, operation] = message.type.split('.');
    this.handlers.get(`${collection}.${operation}`)?.(message.data ?? {});
  }

  #checkStale(): void {
    if (Date.now() - this.#lastHeartbeat <= this.#staleAfter) return;
    this.stale++;
    this.#socket?.close();
  }

  #send(message: object): void {
    this.#socket?.send(JSON.stringify(message));
  }
}
