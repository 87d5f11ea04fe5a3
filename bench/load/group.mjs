// Many subscribers of one server. Reading is as cheap as it can be in this process: one shared buffer, no copy, no
// parser; a delivery is one MARK byte, wherever reads and frames are cut.
import net from 'node:net';
import { nowUs } from './child.mjs';
import { MARK, STAMP_DIGITS } from './requests.mjs';

const CONNECTING_AT_ONCE = 128;
// A frame is longer than this, so the search for the next mark may jump.
const SHORTEST = 100;
// One source address has some 28,000 ports for one target; several groups come from several addresses.
const ADDRESSES = 8;
// The server ends a WebSocket from which nothing has come for 10 s; an unasked pong (RFC 6455, 5.5.3) is something.
const PONG = Buffer.from([0x8a, 0x80, 0, 0, 0, 0]);
const PONG_EVERY_MS = 4000;
const PONG_SLICES = 40;
// Full of marks, so that a search never runs far beyond what was read.
const shared = Buffer.alloc(256 * 1024, MARK);

export class Group {
  #options;
  #sockets = [];
  /** Those that have been answered: opening thousands takes longer than the server waits for a sign of life. */
  #ready = [];
  #pongs;
  #latency = false;
  #lost;
  #closing = false;
  total = 0;
  bytes = 0;
  reads = 0;
  lastUs = 0;
  ages = [];

  /**
   * `path` may have `{i}` for the number of the subscriber, or `{i%100}` for its remainder; `kind` is `ws` or `sse`; `heartbeat` sends pongs; `tokens` are
   * shown in turn, one each; `hello` is said after the handshake, one text or several, and then `expected` is waited for, which is `"joined"` by default. */
  constructor(options) {
    this.#options = options;
    this.counts = new Uint32Array(options.count);
  }

  get size() {
    return this.#sockets.length;
  }

  async open() {
    const { count, kind, heartbeat } = this.#options;
    if (kind === 'ws' && heartbeat) this.#startPongs();
    let next = 0;
    const worker = async () => {
      while (next < count) await this.#connect(next++);
    };
    await Promise.all(Array.from({ length: CONNECTING_AT_ONCE }, worker));
  }

  reset(latency) {
    this.counts.fill(0);
    Object.assign(this, { total: 0, bytes: 0, reads: 0, lastUs: 0, ages: [] });
    this.#latency = latency;
  }

  async settle(expected, timeoutMs) {
    const end = performance.now() + timeoutMs;
    while (this.total < expected) {
      if (this.#lost !== undefined) throw this.#lost;
      if (performance.now() > end) throw new Error(`${this.total} of ${expected} deliveries after ${timeoutMs} ms`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    if (this.total > expected) throw new Error(`${this.total} deliveries, ${expected} expected`);
  }

  async close() {
    this.#closing = true;
    clearInterval(this.#pongs);
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }

  #connect(index) {
    const { hello, expected = hello === undefined ? '"ready"' : '"joined"' } = this.#options;
    const greetings = hello === undefined ? [] : [hello].flat();
    return new Promise((resolve, reject) => {
      let head = '';
      let greeted = hello === undefined;
      const onRead = (n, buffer) => {
        if (head === undefined) {
          this.#count(index, buffer, n);
          return true;
        }
        head += buffer.latin1Slice(0, n);
        if (!greeted && head.includes('\r\n\r\n')) {
          greeted = true;
          socket.write(Buffer.concat(greetings.map(makeText)));
        }
        if (head.includes(expected)) {
          head = undefined;
          this.#ready.push(socket);
          resolve();
        } else if (head.length > 4096 + 256 * greetings.length) {
          reject(new Error(`no ${expected} in: ${head.slice(0, 300)}`));
        }
        return true;
      };
      const socket = net.connect({
        port: this.#options.port,
        host: '127.0.0.1',
        localAddress: `127.0.0.${1 + (index % ADDRESSES)}`,
        onread: { buffer: shared, callback: onRead },
      });
      socket.on('connect', () => socket.write(this.#makeRequest(index)));
      socket.on('error', (error) => this.#lose(error, reject));
      socket.on('close', () => this.#lose(new Error(`subscriber ${index} was closed; it had read: ${head}`), reject));
      this.#sockets.push(socket);
    });
  }

  #lose(error, reject) {
    if (this.#closing) return;
    this.#lost ??= error;
    reject(error);
  }

  #makeRequest(index) {
    const { path, kind, tokens } = this.#options;
    const target = path.replace(/\{i(?:%(\d+))?\}/, (_, n) => String(n === undefined ? index : index % Number(n)));
    const token = tokens === undefined ? '' : `Authorization: Bearer ${tokens[index % tokens.length]}\r\n`;
    const first = `GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\n${token}`;
    if (kind === 'sse') return `${first}Accept: text/event-stream\r\n\r\n`;
    const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n';
    return `${first}Connection: Upgrade\r\nUpgrade: websocket\r\n${key}\r\n`;
  }

  #count(index, buffer, n) {
    let found = 0;
    let at = buffer.indexOf(MARK);
    while (at !== -1 && at < n) {
      found += 1;
      if (this.#latency) this.#keepAge(buffer, at + 1, n);
      at = buffer.indexOf(MARK, at + SHORTEST);
    }
    this.bytes += n;
    this.reads += 1;
    if (found === 0) return;
    this.counts[index] += found;
    this.total += found;
    this.lastUs = nowUs();
  }

  #keepAge(buffer, at, n) {
    if (at + STAMP_DIGITS > n) return;
    this.ages.push((nowUs() - Number(buffer.latin1Slice(at, at + STAMP_DIGITS))) / 1000);
  }

  #startPongs() {
    let slice = 0;
    this.#pongs = setInterval(() => {
      for (let i = slice; i < this.#ready.length; i += PONG_SLICES) this.#ready[i].write(PONG);
      slice = (slice + 1) % PONG_SLICES;
    }, PONG_EVERY_MS / PONG_SLICES);
  }
}

/** A text frame of a client with a mask of zeros, which is one as good as any. */
function makeText(text) {
  if (text.length > 125) throw new Error('a greeting has 125 characters at most');
  return Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)]);
}
