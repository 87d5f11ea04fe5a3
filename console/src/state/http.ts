import { errorOf } from '../../../src/client/connection/http.ts';
import { TablecastError } from '../../../src/client/error.ts';
import { SERVER_URL } from './address.ts';
import { askForLogin, tokenOf } from './session.ts';

export interface Answer<T> {
  readonly status: number;
  readonly headers: Headers;
  readonly data: T;
  /** Milliseconds from the request to the whole answer. */
  readonly took: number;
}

export interface Ask {
  readonly method?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Bytes of the body after which it is given up, with `TOO_LARGE`. */
  readonly maxBytes?: number;
}

/** Address below an application, such as `Message?limit=1`. */
export function urlOf(app: string, path: string): string {
  return `${new URL(`${encodeURIComponent(app)}/`, SERVER_URL).href}${path}`;
}

/**
 * Sends a request to an application. A token that has run out is renewed once.
 *
 * @throws TablecastError of the server, or `NETWORK`
 */
export async function ask<T = unknown>(app: string, path: string, options: Ask = {}): Promise<Answer<T>> {
  const began = performance.now();
  let response = await sendOnce(app, path, options, false);
  if (response.status === 401 && (await tokenOf(app)) !== undefined) {
    response = await sendOnce(app, path, options, true);
  }
  if (!response.ok && response.status !== 304) {
    const error = await errorOf(response);
    if (error.status === 401) askForLogin(app);
    throw error;
  }
  const text = options.maxBytes === undefined ? await response.text() : await readText(response, options.maxBytes);
  const isJson = /\bjson\b/.test(response.headers.get('content-type') ?? '');
  return {
    status: response.status,
    headers: response.headers,
    data: (isJson && text !== '' ? JSON.parse(text) : text) as T,
    took: performance.now() - began,
  };
}

async function readText(response: Response, maxBytes: number): Promise<string> {
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  const pieces: string[] = [];
  let bytes = 0;
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true };
    if (done || value === undefined) return pieces.join('') + decoder.decode();
    bytes += value.length;
    if (bytes > maxBytes) {
      await reader?.cancel();
      throw new TablecastError('TOO_LARGE', 'The answer is too large for this page.');
    }
    pieces.push(decoder.decode(value, { stream: true }));
  }
}

async function sendOnce(app: string, path: string, options: Ask, renew: boolean): Promise<Response> {
  const { method = 'GET', body, signal } = options;
  const headers: Record<string, string> = { accept: 'application/json', ...options.headers };
  const token = await tokenOf(app, { renew });
  if (token !== undefined) headers.authorization = `Bearer ${token}`;
  if (body !== undefined) headers['content-type'] ??= 'application/json';
  try {
    return await fetch(urlOf(app, path), {
      method,
      headers,
      credentials: 'omit',
      // An ETag of the list is compared by the server: the browser's copy would be asked about, too.
      cache: 'no-store',
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(signal !== undefined && { signal }),
    });
  } catch (cause) {
    if (signal?.aborted) throw new TablecastError('ABORTED', 'The request was given up.', { cause });
    throw new TablecastError('NETWORK', 'The server does not answer.', { cause });
  }
}

/** Random key, so that a write that is sent twice is done once. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return `"${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}"`;
}

/** Position in an ETag, or undefined for one that has none. */
export function seqOf(headers: Headers): number | undefined {
  const match = /^"(\d+)"$/.exec(headers.get('etag') ?? '');
  return match === null ? undefined : Number(match[1]);
}

export { TablecastError };
