import { TablecastError } from '../error.ts';
import { LONGEST } from './backoff.ts';

/** The part of a WebSocket that is used: that of browsers, of Node from 22, and of the package `ws`. */
export interface SocketLike {
  binaryType: string;
  readonly readyState: number;
  onopen: (() => void) | null;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null;
  onerror: (() => void) | null;
  send(data: string | Uint8Array): void;
  close(code?: number, reason?: string): void;
  /** Of the package `ws`: without waiting for the other side. */
  terminate?(): void;
}

export type SocketClass = new (url: string, protocols?: string[]) => object;

/** `renew`: the token that was given last has been refused, or ends soon. */
export type TokenSource =
  | string
  | ((why: { readonly renew: boolean }) => string | undefined | Promise<string | undefined>);

export interface ConnectOptions {
  /** Who is asking: a token or key, or what gives one; it is asked before every request and connection. */
  readonly token?: TokenSource;
  readonly WebSocket?: SocketClass;
  readonly fetch?: typeof fetch;
  /** Milliseconds for which a request that failed for a reason that may pass is repeated; 30,000. */
  readonly retryFor?: number;
  /** Milliseconds until an answer is given up, and until a silent connection is; 10,000. */
  readonly timeout?: number;
  /** Milliseconds of silence after which a table's connection is asked whether it is still there; 20,000. */
  readonly pingInterval?: number;
  /** Where the routes in code are; `/api`. */
  readonly routesPrefix?: string;
}

/** What everything of a client shares. */
export interface Environment {
  /** The application's address, with a slash at the end. */
  readonly base: URL;
  readonly fetch: typeof fetch;
  readonly retryFor: number;
  /** Milliseconds between two attempts at most. */
  readonly longestPause: number;
  readonly timeout: number;
  readonly pingInterval: number;
  /** `api/` */
  readonly routesPrefix: string;
  /** Whether another token can be had when one is refused. */
  readonly canRenew: boolean;
  token(renew: boolean): Promise<string | undefined>;
  socketClass(): Promise<new (url: string, protocols?: string[]) => SocketLike>;
}

/** A server on the same machine is being worked on: it is back soon, and no crowd waits for it. */
const LONGEST_ON_LOOPBACK = 1_000;

function isLoopback(host: string): boolean {
  return /^(?:localhost|.+\.localhost|127(?:\.\d+){3}|\[::1\])$/.test(host);
}

/** `url`: absolute, or in a page relative to it. */
export function makeEnvironment(url: string | URL, options: ConnectOptions): Environment {
  const { token, retryFor = 30_000, timeout = 10_000, pingInterval = 20_000, routesPrefix = '/api' } = options;
  const base = new URL(url, (globalThis as { location?: { href: string } }).location?.href);
  base.protocol = base.protocol.replace(/^ws/, 'http');
  base.search = '';
  base.hash = '';
  if (!base.pathname.endsWith('/')) base.pathname += '/';
  return {
    base,
    // In a browser `fetch` must not be called as a method of something else.
    fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
    retryFor,
    longestPause: isLoopback(base.hostname) ? LONGEST_ON_LOOPBACK : LONGEST,
    timeout,
    pingInterval,
    routesPrefix: `${routesPrefix.replace(/^\/|\/$/g, '')}/`,
    canRenew: typeof token === 'function',
    token: async (renew) => (typeof token === 'function' ? token({ renew }) : token),
    socketClass: () => findSocketClass(options.WebSocket),
  };
}

type FoundClass = new (url: string, protocols?: string[]) => SocketLike;

async function findSocketClass(given: SocketClass | undefined): Promise<FoundClass> {
  const found = given ?? (globalThis as { WebSocket?: SocketClass }).WebSocket;
  if (found !== undefined) return found as FoundClass;
  try {
    // Node before 22 has none of its own.
    return (await import('ws')).WebSocket as unknown as FoundClass;
  } catch (cause) {
    const message = 'There is no WebSocket here: give one as the option WebSocket, or install the package ws.';
    throw new TablecastError('NO_WEBSOCKET', message, { cause });
  }
}

const CONNECTING = 0;

/**
 * Tells once that a connection has ended, or could not be opened. The latter Node 22's own WebSocket tells with an error
 * alone, after which it is said to be connecting for ever; all others are closed by then, or will be.
 */
export function listenForEnd(
  socket: SocketLike,
  on: { readonly end: (code: number, reason: string) => void; readonly error?: () => void },
): void {
  const end = (code: number, reason: string): void => {
    // Without a listener the package `ws` throws.
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

/** The same address for a WebSocket. */
export function socketUrl(url: string): string {
  return url.replace(/^http/, 'ws');
}
