import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

const DEFAULT_PORT = 4222;
const CONNECT_TIMEOUT_MS = 5000;
const MIN_RECONNECT_MS = 250;
const MAX_RECONNECT_MS = 2000;
/** Milliseconds between two checks that the server answers. */
const PING_INTERVAL_MS = 5000;
/** Bytes that may wait for the socket; what is published beyond that is lost. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;
/** Bytes of a line of the protocol, of which INFO is the longest. */
const MAX_LINE_BYTES = 64 * 1024;
const LINE_END = Buffer.from('\r\n');

export interface NatsOptions {
  /** `nats://user:password@host:port` or `tls://…`; several separated by commas are servers of one cluster. */
  readonly url: string;
  readonly subject: string;
  onMessage(text: string): void;
  /** Called when the connection is made, and when it is lost. */
  onState(isConnected: boolean, reason?: string): void;
}

/**
 * Connection to one subject of NATS by its core protocol: messages are delivered at most once, and lost while it is away. It
 * connects again by itself.
 */
export class NatsConnection {
  readonly #options: NatsOptions;
  readonly #urls: readonly URL[];
  #socket: Socket | undefined;
  #isConnected = false;
  #isClosed = false;
  #attempt = 0;
  #retry: NodeJS.Timeout | undefined;

  constructor(options: NatsOptions) {
    this.#options = options;
    this.#urls = readUrls(options.url);
    this.#connect();
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Sends a text; false when it certainly is not sent. */
  publish(text: string): boolean {
    const socket = this.#socket;
    if (!this.#isConnected || socket === undefined || socket.writableLength > MAX_WAITING_BYTES) return false;
    const bytes = Buffer.from(text);
    socket.cork();
    socket.write(`PUB ${this.#options.subject} ${bytes.length}\r\n`);
    socket.write(bytes);
    socket.write(LINE_END);
    process.nextTick(() => socket.uncork());
    return true;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    this.#isConnected = false;
    const socket = this.#socket;
    socket?.end(() => socket.destroy());
  }

  #connect(): void {
    const url = this.#urls[this.#attempt++ % this.#urls.length] as URL;
    const host = hostOf(url);
    let reason = 'it did not answer';
    const socket = connectTcp({ host, port: Number(url.port || DEFAULT_PORT), noDelay: true, keepAlive: true });
    const late = setTimeout(() => socket.destroy(), CONNECT_TIMEOUT_MS).unref();
    const session = new NatsSession(socket, url, {
      ready: (current) => {
        clearTimeout(late);
        if (this.#isClosed) return;
        this.#socket = current;
        this.#attempt = 0;
        this.#isConnected = true;
        current.write(`SUB ${this.#options.subject} 1\r\n`);
        this.#options.onState(true);
      },
      message: (text) => this.#options.onMessage(text),
      failed: (why) => {
        reason = why;
      },
    });
    socket.on('error', (error) => session.fail(error.message));
    socket.once('close', () => {
      clearTimeout(late);
      session.end();
      this.#lost(reason);
    });
  }

  #lost(reason: string): void {
    if (this.#isClosed) return;
    const wasConnected = this.#isConnected;
    this.#isConnected = false;
    this.#socket = undefined;
    if (wasConnected || this.#attempt === 1) this.#options.onState(false, reason);
    const delay = Math.min(MIN_RECONNECT_MS * 2 ** Math.min(this.#attempt, 8), MAX_RECONNECT_MS);
    this.#retry = setTimeout(() => this.#connect(), delay).unref();
  }
}

interface SessionEvents {
  ready(socket: Socket): void;
  message(text: string): void;
  failed(reason: string): void;
}

/** Connection from the greeting of the server to its end. */
class NatsSession {
  readonly #tcp: Socket;
  readonly #url: URL;
  readonly #events: SessionEvents;
  #socket: Socket;
  #bytes: Buffer = Buffer.alloc(0);
  /** Bytes of the payload that is awaited; undefined while a line is. */
  #payload: number | undefined;
  #isGreeted = false;
  #unanswered = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(tcp: Socket, url: URL, events: SessionEvents) {
    this.#tcp = tcp;
    this.#socket = tcp;
    this.#url = url;
    this.#events = events;
    tcp.on('data', this.#take);
  }

  fail(reason: string): void {
    this.#events.failed(reason);
    this.#socket.destroy();
    this.#tcp.destroy();
  }

  end(): void {
    clearInterval(this.#timer);
    if (this.#socket !== this.#tcp) this.#socket.destroy();
  }

  readonly #take = (bytes: Buffer): void => {
    this.#bytes = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes]);
    while (this.#next());
    if (this.#payload === undefined && this.#bytes.length > MAX_LINE_BYTES) this.fail('it sent a line without an end');
  };

  /** Handles the next line or payload; false when it is not complete. */
  #next(): boolean {
    const end = this.#payload ?? this.#bytes.indexOf(LINE_END);
    if (end < 0 || this.#bytes.length < end + LINE_END.length) return false;
    const text = this.#bytes.toString('utf8', 0, end);
    this.#bytes = this.#bytes.subarray(end + LINE_END.length);
    if (this.#payload === undefined) {
      this.#line(text);
    } else {
      this.#payload = undefined;
      this.#events.message(text);
    }
    return true;
  }

  #line(line: string): void {
    const [word = ''] = line.split(' ', 1);
    if (word === 'MSG') this.#payload = Number(line.slice(line.lastIndexOf(' ') + 1));
    else if (word === 'PING') this.#socket.write('PONG\r\n');
    else if (word === 'PONG') this.#ponged();
    else if (word === '-ERR') this.fail(line.slice('-ERR '.length).replace(/^'|'$/g, ''));
    else if (word === 'INFO' && !this.#isGreeted) this.#greet(line.slice('INFO '.length));
  }

  #greet(text: string): void {
    this.#isGreeted = true;
    const info = JSON.parse(text) as { readonly tls_required?: boolean };
    if (this.#url.protocol === 'tls:' || info.tls_required === true) this.#secure();
    else this.#introduce();
  }

  #secure(): void {
    this.#tcp.off('data', this.#take);
    const host = hostOf(this.#url);
    const name = isIP(host) === 0 ? { servername: host } : {};
    const secure = connectTls({ socket: this.#tcp, host, ...name }, () => this.#introduce());
    secure.on('error', (error) => this.fail(error.message));
    secure.on('data', this.#take);
    this.#socket = secure;
  }

  /** Sends the credentials. The first PONG says that they are accepted. */
  #introduce(): void {
    const user = decodeURIComponent(this.#url.username);
    const pass = decodeURIComponent(this.#url.password);
    const credentials = user === '' ? {} : pass === '' ? { auth_token: user } : { user, pass };
    const options = { verbose: false, pedantic: false, echo: false, lang: 'node', name: 'tablecast', ...credentials };
    this.#socket.write(`CONNECT ${JSON.stringify(options)}\r\nPING\r\n`);
  }

  #ponged(): void {
    this.#unanswered = 0;
    if (this.#timer !== undefined) return;
    this.#timer = setInterval(() => {
      if (this.#unanswered++ > 1) this.fail('it did not answer a PING');
      else this.#socket.write('PING\r\n');
    }, PING_INTERVAL_MS).unref();
    this.#events.ready(this.#socket);
  }
}

function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, '');
}

function readUrls(text: string): readonly URL[] {
  return text.split(',').map((url) => new URL(url.trim()));
}
