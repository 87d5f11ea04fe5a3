import { get, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import type { Json } from './frames.ts';
import { Mailbox, WAIT } from './mailbox.ts';

export interface SseEvent {
  readonly event: string;
  readonly data: string;
  /** The `id:` line of this very event, or undefined when it had none. */
  readonly id: string | undefined;
}

export interface SseOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly lastEventId?: string;
  /** Connects again after an end, as EventSource does; the delay is the server's `retry:` or this many milliseconds. */
  readonly reconnect?: number;
}

/** Turns the bytes of an event stream into events, as the HTML standard says. */
export class SseParser {
  retry: number | undefined;
  /** What a reconnect sends as Last-Event-ID. */
  lastEventId: string;
  #rest = '';
  #event = '';
  #data: string[] = [];
  #id: string | undefined;
  readonly #emit: (event: SseEvent) => void;

  constructor(emit: (event: SseEvent) => void, lastEventId = '') {
    this.#emit = emit;
    this.lastEventId = lastEventId;
  }

  push(chunk: string): void {
    const lines = (this.#rest + chunk).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#line(line.endsWith('\r') ? line.slice(0, -1) : line);
  }

  #line(line: string): void {
    if (line === '') {
      this.#dispatch();
      return;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.#event = value;
    else if (field === 'data') this.#data.push(value);
    else if (field === 'id') this.#id = value;
    else if (field === 'retry' && /^\d+$/.test(value)) this.retry = Number(value);
  }

  #dispatch(): void {
    if (this.#id !== undefined) this.lastEventId = this.#id;
    if (this.#data.length > 0) {
      this.#emit({ event: this.#event === '' ? 'message' : this.#event, data: this.#data.join('\n'), id: this.#id });
    }
    this.#event = '';
    this.#data = [];
    this.#id = undefined;
  }
}

/** An EventSource for tests: keeps every event and shows the headers. Use it with `using`. */
export class SseClient implements Disposable {
  readonly events: Mailbox<SseEvent>;
  status = 0;
  headers: IncomingHttpHeaders = {};
  /** How often a stream was opened. */
  connections = 0;
  readonly #url: string;
  readonly #options: SseOptions;
  readonly #parser: SseParser;
  #response: IncomingMessage | undefined;
  #closed = false;
  #timer: NodeJS.Timeout | undefined;
  #ended: () => void = () => undefined;
  /** Resolves when the first stream has ended, whoever ended it. */
  readonly ended: Promise<void>;

  /** Resolves when the head of the answer has come, whatever its status. */
  static async open(url: string, options: SseOptions = {}): Promise<SseClient> {
    const client = new SseClient(url, options);
    await client.#connect();
    return client;
  }

  /** As `open`, and waits for `ready`: every write from now on reaches this client. */
  static async subscribe(url: string, options: SseOptions = {}): Promise<SseClient> {
    const client = await SseClient.open(url, options);
    await client.next('ready');
    return client;
  }

  private constructor(url: string, options: SseOptions) {
    this.#url = url;
    this.#options = options;
    this.events = new Mailbox(`events of ${url}`);
    this.#parser = new SseParser((event) => this.events.push(event), options.lastEventId);
    this.ended = new Promise((resolve) => {
      this.#ended = resolve;
    });
  }

  get lastEventId(): string {
    return this.#parser.lastEventId;
  }

  /** The last `retry:` that the server sent. */
  get retry(): number | undefined {
    return this.#parser.retry;
  }

  /** The next event of this name (any, when none is given) with its data parsed. */
  async next(event?: string, timeout: number = WAIT): Promise<SseEvent & { readonly json: Json }> {
    const found = await this.events.next((item) => event === undefined || item.event === event, timeout);
    return { ...found, json: JSON.parse(found.data) as Json };
  }

  /** Events that have come, but for pings: those come by the clock, between any two others. */
  get untimed(): readonly SseEvent[] {
    return this.events.items.filter(({ event }) => event !== 'ping');
  }

  /** The parsed data of every event of this name that has come. */
  all(event: string): readonly Json[] {
    return this.events.items.filter((item) => item.event === event).map((item) => JSON.parse(item.data) as Json);
  }

  /** Stops reading: the server's writes fill the socket's buffers. */
  pause(): void {
    this.#response?.pause();
  }

  resume(): void {
    this.#response?.resume();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#response?.destroy();
    this.events.end('closed by the test');
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #connect(): Promise<void> {
    const lastEventId = this.#parser.lastEventId;
    const headers = {
      accept: 'text/event-stream',
      ...this.#options.headers,
      ...(lastEventId === '' ? {} : { 'last-event-id': lastEventId }),
    };
    return new Promise((resolve, reject) => {
      const request = get(this.#url, { headers, agent: false }, (response) => {
        this.#response = response;
        this.status = response.statusCode ?? 0;
        this.headers = response.headers;
        this.connections += 1;
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => this.#parser.push(chunk));
        response.on('error', () => undefined);
        response.once('close', () => this.#lost());
        resolve();
      });
      request.once('error', reject);
    });
  }

  #lost(): void {
    this.#ended();
    const delay = this.#options.reconnect;
    if (this.#closed || delay === undefined) {
      this.events.end('stream ended');
      return;
    }
    this.#timer = setTimeout(() => {
      this.#connect().catch(() => this.#lost());
    }, this.#parser.retry ?? delay);
  }
}
