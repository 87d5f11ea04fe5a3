import { decode as decodePack, encode as encodePack } from '@msgpack/msgpack';
import { decode as decodeCbor, encode as encodeCbor } from 'cborg';
import { WebSocket } from 'ws';
import type { Json } from './frames.ts';
import { Mailbox } from './mailbox.ts';

export const BINARY = {
  'tablecast.cbor': { encode: encodeCbor, decode: (bytes: Uint8Array) => decodeCbor(bytes) as unknown },
  'tablecast.msgpack': { encode: encodePack, decode: (bytes: Uint8Array) => decodePack(bytes) },
} as const;

export type BinarySubprotocol = keyof typeof BINARY;

/** A client that speaks one of the binary subprotocols, with packages of its own. Use it with `using`. */
export class BinaryWs implements Disposable {
  readonly socket: WebSocket;
  readonly frames: Mailbox<Json>;
  /** Frames that were text, which none may be. */
  texts = 0;
  readonly #protocol: BinarySubprotocol;

  static async open(url: string, protocol: BinarySubprotocol, offers: readonly string[] = [protocol]) {
    const client = new BinaryWs(url, protocol, offers);
    await new Promise<void>((resolve, reject) => {
      client.socket.once('open', () => resolve());
      client.socket.once('error', reject);
    });
    return client;
  }

  private constructor(url: string, protocol: BinarySubprotocol, offers: readonly string[]) {
    this.#protocol = protocol;
    this.frames = new Mailbox(`${protocol} frames of ${url}`);
    this.socket = new WebSocket(url, [...offers], { perMessageDeflate: false });
    this.socket.on('error', () => undefined);
    this.socket.on('message', (data: Buffer, isBinary) => {
      if (isBinary) this.frames.push(BINARY[protocol].decode(data) as Json);
      else this.texts++;
    });
    this.socket.once('close', (code) => this.frames.end(`closed ${code}`));
  }

  send(message: unknown): void {
    this.socket.send(BINARY[this.#protocol].encode(message));
  }

  /** The next frame with these members. */
  next(members: Json): Promise<Json> {
    return this.frames.next((frame) => Object.entries(members).every(([name, value]) => frame[name] === value));
  }

  [Symbol.dispose](): void {
    this.socket.terminate();
  }
}
