/** Called with a message of another server. */
export type MessageListener = (text: string, server: string) => void;

/**
 * Messages between the servers of one application. A message arrives at most once, and those of one server in their order.
 * What must not be lost is in the log.
 */
export interface ServerMessages {
  /** Name of this server among them, a new one at each start. */
  readonly server: string;
  /** Sends a message to all other servers; `topic` has no blanks. Never throws. */
  send(topic: string, text: string): void;
  /** Calls back with the messages of other servers about a topic. Returns a function that ends it. */
  listen(topic: string, listener: MessageListener): () => void;
}

/** Unfinished messages that are kept: one for each server that was heard. */
const MAX_UNFINISHED = 1000;

interface UnfinishedMessage {
  readonly number: string;
  readonly parts: string[];
}

/**
 * Messages as parts that a transport with a bound on their size carries: `server number part/parts topic text`, where the
 * parts of one message follow each other. A message of which a part is missing is dropped.
 */
export class SplitMessages {
  readonly #server: string;
  readonly #maxBytes: number;
  readonly #listeners = new Map<string, Set<MessageListener>>();
  /** Messages of which parts are missing, by their server. */
  readonly #unfinished = new Map<string, UnfinishedMessage>();
  #sent = 0;

  /** `server` has no blanks; `maxBytes` is the maximum of a part. */
  constructor(server: string, maxBytes: number) {
    this.#server = server;
    this.#maxBytes = maxBytes;
  }

  split(topic: string, text: string): string[] {
    const number = ++this.#sent;
    // Room for the numbers of the parts.
    const room = this.#maxBytes - Buffer.byteLength(`${this.#server} ${number} 1000000/1000000 ${topic} `);
    const pieces = splitText(text, room);
    return pieces.map((piece, i) => `${this.#server} ${number} ${i + 1}/${pieces.length} ${topic} ${piece}`);
  }

  /** Passes a message on to the listeners of its topic once its last part is received. Parts of this server are ignored. */
  receive(part: string): void {
    const [, server, number, at, of, topic, piece] = /^(\S+) (\d+) (\d+)\/(\d+) (\S+) (.*)$/s.exec(part) ?? [];
    if (server === undefined || server === this.#server) return;
    const text = this.#join({ server, number: number as string, at: Number(at), of: Number(of) }, piece as string);
    if (text === undefined) return;
    for (const listener of this.#listeners.get(topic as string) ?? []) listener(text, server);
  }

  listen(topic: string, listener: MessageListener): () => void {
    const listeners = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  #join(
    { server, number, at, of }: { server: string; number: string; at: number; of: number },
    piece: string,
  ): string | undefined {
    if (of === 1) return piece;
    const begun = this.#unfinished.get(server);
    const parts = at === 1 ? [] : begun?.number === number ? begun.parts : undefined;
    this.#unfinished.delete(server);
    if (parts?.push(piece) !== at) return undefined;
    if (at === of) return parts.join('');
    const [oldest] = this.#unfinished.keys();
    if (this.#unfinished.size >= MAX_UNFINISHED && oldest !== undefined) this.#unfinished.delete(oldest);
    this.#unfinished.set(server, { number, parts });
    return undefined;
  }
}

/** Splits a text into pieces of at most `maxBytes` in UTF-8, between characters. */
function splitText(text: string, maxBytes: number): string[] {
  const bytes = Buffer.from(text);
  const pieces: string[] = [];
  let from = 0;
  do {
    let to = Math.min(from + maxBytes, bytes.length);
    while (to < bytes.length && ((bytes[to] as number) & 0xc0) === 0x80) to--;
    pieces.push(bytes.toString('utf8', from, to));
    from = to;
  } while (from < bytes.length);
  return pieces;
}
