import type { SessionStorage } from '../auth/session-store.ts';
import type { Overlay } from '../live/overlay.ts';
import { MAX_PAUSE_MS } from './backoff.ts';

/** Part of the WebSocket interface that browsers, Node from 22 on and the package `ws` share. */
export interface SocketLike {
  binaryType: string;
  readonly readyState: number;
  onopen: (() => void) | null;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null;
  onerror: (() => void) | null;
  send(data: string | Uint8Array): void;
  close(code?: number, reason?: string): void;
  /** Closes without waiting for the peer; only in the package `ws`. */
  terminate?(): void;
}

/** Opens a socket at a URL, with these subprotocols as offers. */
export type SocketFactory = (url: string, protocols: string[]) => SocketLike;

export type SocketClass = new (url: string, protocols?: string[]) => object;

/** Token, or a function that returns one. `renew` is true when the last token was refused or expires soon. */
export type TokenSource =
  | string
  | ((why: { readonly renew: boolean }) => string | undefined | Promise<string | undefined>);

export interface ConnectOptions {
  /** Storage of the login; `localStorage` in pages, else the memory of this client. */
  readonly storage?: SessionStorage;
  /** Token or API key, or a function that returns one and is called before every request and connection. */
  readonly token?: TokenSource;
  /** Name of the user in rooms, where the application has no `auth`. */
  readonly userId?: string;
  /** WebSocket class; the global one, in Node before 22 that of the package `ws`. */
  readonly WebSocket?: SocketClass;
  /** True to use an event stream and POST without trying a WebSocket first. */
  readonly eventStream?: boolean;
  /** Replacement for the global `fetch`. */
  readonly fetch?: typeof fetch;
  /** Milliseconds for which a request with a transient error is retried; 30,000. 0 turns retries off. */
  readonly retryFor?: number;
  /** Milliseconds to wait for a response, and for a sign of life on a silent connection; 10,000. */
  readonly timeout?: number;
  /** Milliseconds of silence after which the connection sends a ping; 20,000. */
  readonly pingInterval?: number;
  /** Milliseconds for which a live list without listeners stays open, in case it is asked for again; 5,000. */
  readonly linger?: number;
  /** Path prefix of routes in code; `/api`. */
  readonly routesPrefix?: string;
  /** Shows writes in live lists before they are confirmed: `optimistic()` of `tablecast/optimistic`. */
  readonly optimistic?: () => Overlay;
}

/** Options and environment that all parts of one client share. */
export interface Environment {
  /** Address of the application, with a slash at the end. */
  readonly base: URL;
  readonly fetch: typeof fetch;
  readonly retryFor: number;
  /** Bound of the pause between two attempts, in milliseconds. */
  readonly maxPause: number;
  readonly timeout: number;
  readonly eventStream: boolean;
  readonly userId: string | undefined;
  readonly pingInterval: number;
  readonly linger: number;
  readonly optimistic: (() => Overlay) | undefined;
  /** Path prefix without a leading slash: `api/`. */
  readonly routesPrefix: string;
  /** True when a refused token can be replaced, that is, for a token function. */
  readonly canRenew: boolean;
  token(renew: boolean): Promise<string | undefined>;
  socketClass(): Promise<new (url: string, protocols?: string[]) => SocketLike>;
}

/** Bound for a server on the same machine: under development it is back soon, and few clients wait for it. */
const MAX_LOOPBACK_PAUSE_MS = 1_000;

function isLoopback(host: string): boolean {
  return /^(?:localhost|.+\.localhost|127(?:\.\d+){3}|\[::1\])$/.test(host);
}

/** Resolves the options of `connect`. `url` is absolute, or in a page relative to it. */
export function makeEnvironment(url: string | URL, options: ConnectOptions): Environment {
  const { token, retryFor = 30_000, timeout = 10_000, pingInterval = 20_000, linger = 5_000 } = options;
  const { routesPrefix = '/api' } = options;
  const base = new URL(url, (globalThis as { location?: { href: string } }).location?.href);
  base.protocol = base.protocol.replace(/^ws/, 'http');
  base.search = '';
  base.hash = '';
  if (!base.pathname.endsWith('/')) base.pathname += '/';
  return {
    base,
    // In a browser `fetch` must not be called as a method of another object.
    fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
    retryFor,
    maxPause: isLoopback(base.hostname) ? MAX_LOOPBACK_PAUSE_MS : MAX_PAUSE_MS,
    timeout,
    eventStream: options.eventStream === true,
    userId: options.userId,
    pingInterval,
    linger,
    optimistic: options.optimistic,
    routesPrefix: `${routesPrefix.replace(/^\/|\/$/g, '')}/`,
    canRenew: typeof token === 'function',
    token: async (renew) => (typeof token === 'function' ? token({ renew }) : token),
    socketClass: () => findSocketClass(options.WebSocket),
  };
}

type FoundClass = new (url: string, protocols?: string[]) => SocketLike;

async function findSocketClass(given: SocketClass | undefined): Promise<FoundClass> {
  const found = given ?? (globalThis as { WebSocket?: SocketClass }).WebSocket;
  return (found ?? (await (await import('./node-socket.ts')).nodeSocketClass())) as FoundClass;
}

const CONNECTING = 0;

/**
 * Calls `end` once, when a connection has ended or could not be opened. For the latter the WebSocket of Node 22 emits only
 * an error and stays in the state CONNECTING; all others are closed by then, or emit `close` afterwards.
 */
export function listenForEnd(
  socket: SocketLike,
  on: { readonly end: (code: number, reason: string) => void; readonly error?: () => void },
): void {
  const end = (code: number, reason: string): void => {
    // The package `ws` throws errors that have no listener.
    socket.onerror = () => {};
    socket.onclose = null;
    on.end(code, reason);
  };
  socket.onerror = () => {
    on.error?.();
    if (socket.readyState === CONNECTING) end(1006, '');
  };
  socket.onclose = ({ code, reason }) => end(code, reason);
}

/** Returns the address with the scheme of a WebSocket. */
export function socketUrl(url: string): string {
  return url.replace(/^http/, 'ws');
}

/** Parses text as JSON where possible. Bytes stay bytes. */
export function parseMessage(data: unknown): unknown {
  if (typeof data !== 'string') return data;
  try {
    return JSON.parse(data);
  } catch {
    return data;
  }
}

/** Serializes a message: text and bytes as they are, any other value as JSON. */
export function printMessage(message: unknown): string | Uint8Array {
  if (typeof message === 'string' || message instanceof Uint8Array) return message;
  return message instanceof ArrayBuffer ? new Uint8Array(message) : JSON.stringify(message);
}
