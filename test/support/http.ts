import { connect } from 'node:net';
import type { Json } from './frames.ts';

export interface AskOptions {
  /** Sent as JSON with its content type. */
  readonly json?: unknown;
  /** Sent as it is. */
  readonly body?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The parsed body, which must be an object: a record, or a problem. */
  readonly record: Json;
  /** The parsed body, which must be an array of records. */
  readonly records: readonly Json[];
}

/** One HTTP request, read to its end. */
export async function ask(method: string, url: string, options: AskOptions = {}): Promise<Answer> {
  const headers = new Headers(options.headers);
  let body = options.body;
  if (options.json !== undefined) {
    body = JSON.stringify(options.json);
    if (!headers.has('content-type')) headers.set('content-type', 'application/json');
  }
  const response = await fetch(url, { method, headers, redirect: 'manual', ...(body === undefined ? {} : { body }) });
  return new ReadAnswer(response, await response.text());
}

class ReadAnswer implements Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;

  constructor(response: Response, text: string) {
    this.status = response.status;
    this.headers = response.headers;
    this.text = text;
  }

  get record(): Json {
    const json: unknown = this.#parse();
    if (typeof json !== 'object' || json === null || Array.isArray(json)) throw this.#unexpected('an object');
    return json as Json;
  }

  get records(): readonly Json[] {
    const json: unknown = this.#parse();
    if (!Array.isArray(json)) throw this.#unexpected('an array');
    return json as Json[];
  }

  #parse(): unknown {
    try {
      return JSON.parse(this.text);
    } catch {
      throw this.#unexpected('JSON');
    }
  }

  #unexpected(what: string): Error {
    return new Error(`expected ${what}, got ${this.status} ${this.text.slice(0, 500)}`);
  }
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
  /** Everything that came, when there was more than one answer or none at all. */
  readonly all: string;
}

/** Sends bytes exactly as given and reads until the server closes, or has been silent for `quiet` ms after an answer. */
export function rawHttp(port: number, bytes: string | Uint8Array, quiet = 300): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect({ port, host: '127.0.0.1' });
    const finish = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(parseAnswer(Buffer.concat(chunks).toString('utf8')));
    };
    let timer = setTimeout(finish, 5_000);
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      clearTimeout(timer);
      timer = setTimeout(finish, quiet);
    });
    socket.once('close', finish);
    // A reset after the answer is the server's way to refuse; a failed connection is not.
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') reject(error);
      else finish();
    });
    socket.write(bytes);
  });
}

/** Status, headers (names in lower case) and body of the first answer in `all`. */
export function parseAnswer(all: string): RawAnswer {
  const end = all.indexOf('\r\n\r\n');
  const [statusLine = '', ...lines] = (end < 0 ? all : all.slice(0, end)).split('\r\n');
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon > 0) headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  return {
    status: Number(statusLine.split(' ')[1] ?? 0),
    headers,
    body: end < 0 ? '' : all.slice(end + 4),
    all,
  };
}
