// A keep-alive HTTP/1.1 connection without a client library: one request at a time, answers counted by their length.
import net from 'node:net';

const shared = Buffer.alloc(64 * 1024);

export class Connection {
  #socket;
  #rest = 0;
  #status = 0;
  #partial = undefined;

  /** Called with the status when an answer is complete. */
  onAnswer = () => {};
  /** Called with an error when the connection ends. */
  onEnd = () => {};

  constructor(port) {
    this.#socket = net.connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: { buffer: shared, callback: (n, buffer) => this.#read(n, buffer) },
    });
    this.#socket.on('error', (error) => this.onEnd(error));
    this.#socket.on('close', () => this.onEnd(new Error('the server closed the connection')));
  }

  send(request) {
    this.#socket.write(request, 'latin1');
  }

  close() {
    this.#socket.removeAllListeners('close');
    this.#socket.destroy();
  }

  #read(n, buffer) {
    if (this.#rest > 0) {
      this.#rest -= n;
    } else if (this.#partial !== undefined) {
      const whole = Buffer.concat([this.#partial, buffer.subarray(0, n)]);
      this.#partial = undefined;
      this.#readHead(whole.length, whole);
    } else {
      this.#readHead(n, buffer);
    }
    if (this.#rest === 0 && this.#partial === undefined) this.onAnswer(this.#status);
    return true;
  }

  #readHead(n, buffer) {
    const end = buffer.indexOf('\r\n\r\n', 0, 'latin1');
    if (end === -1 || end + 4 > n) {
      this.#partial = Buffer.from(buffer.subarray(0, n));
      return;
    }
    const head = buffer.latin1Slice(0, end).toLowerCase();
    this.#status = Number(head.slice(9, 12));
    const at = head.indexOf('\r\ncontent-length: ');
    if (at === -1 && this.#status !== 204 && this.#status !== 304) throw new Error(`no Content-Length in: ${head}`);
    const length = at === -1 ? 0 : Number.parseInt(head.slice(at + 18, at + 30), 10);
    this.#rest = end + 4 + length - n;
  }
}
