import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect } from 'vitest';
import type { TestServer } from './app.ts';
import type { LiveClient, LiveSocket } from './live-client.ts';
import { until } from './wait.ts';

/** Ends of a connection, as `LiveClient.ended` says them. */
export interface ConnectionEnds {
  readonly expired: string;
  readonly revoked: string;
  /** When the caller loses the roles that the connection needs; undefined where the connection stays open. */
  readonly forbidden: string | undefined;
  /** When the client does not read until the server has given up. */
  readonly slow: RegExp;
  /** When the server stops. */
  readonly stopped: RegExp;
}

/** One kind of connection that stays open. */
export interface ConnectionKind {
  readonly name: string;
  /** Address below that of the application. */
  readonly path: string;
  readonly ends: ConnectionEnds;
  /** False where no hooks of the application are called before it is opened. */
  readonly hasHooks: boolean;
  /** Resolves when the connection is open and follows what happens. */
  open(server: TestServer, token?: string): Promise<LiveClient>;
  /** As `open`; the connection gets more than all buffers hold when the suite floods tables and rooms. */
  openFlooded?(server: TestServer, token?: string): Promise<LiveClient>;
}

/** A kind whose clients send messages. */
export interface SocketKind extends ConnectionKind {
  open(server: TestServer, token?: string): Promise<LiveSocket>;
  /** A small message that is accepted. */
  readonly message: string;
  /** A message that waits in the server as the application's code waits, with so many spaces in it. */
  waitingMessage(spaces: number): string;
}

/** Opens one connection of each kind. */
export function openAll(
  kinds: readonly ConnectionKind[],
  server: TestServer,
  token?: string,
): Promise<readonly LiveClient[]> {
  return Promise.all(kinds.map((kind) => kind.open(server, token)));
}

/** Expects of the clients of all kinds that they have ended as each kind says. */
export async function expectEnds(
  kinds: readonly ConnectionKind[],
  clients: readonly LiveClient[],
  endOf: (kind: ConnectionKind) => string | RegExp,
): Promise<void> {
  const ends = await Promise.all(clients.map(({ ended }) => ended));
  expect(byName(kinds, (_, index) => ends[index])).toEqual(
    byName(kinds, (kind) => {
      const end = endOf(kind);
      return typeof end === 'string' ? end : expect.stringMatching(end);
    }),
  );
}

/** A value for each kind, under its name. */
export function byName<T>(
  kinds: readonly ConnectionKind[],
  pick: (kind: ConnectionKind, index: number) => T,
): Readonly<Record<string, T>> {
  return Object.fromEntries(kinds.map((kind, index) => [kind.name, pick(kind, index)]));
}

const UPGRADE = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
];

/** Sends the request for a connection and does not wait for the answer. */
export async function request(kind: ConnectionKind, { port }: TestServer, token?: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  const fields = [
    `GET /my-app/${kind.path} HTTP/1.1`,
    'Host: localhost',
    ...('message' in kind ? UPGRADE : ['Accept: text/event-stream']),
    ...(token === undefined ? [] : [`Authorization: Bearer ${token}`]),
  ];
  socket.write(`${fields.join('\r\n')}\r\n\r\n`);
  return socket;
}

/** The status line of the answer to a request, when it is refused and its connection closed. */
export async function statusOf(socket: Socket): Promise<string> {
  return (await text(socket)).slice(0, 'HTTP/1.1 503'.length);
}

/** Opens one connection of each kind again and again until all are admitted: leases are given back with a delay. */
export async function openAllAgain(
  kinds: readonly ConnectionKind[],
  server: TestServer,
  token?: string,
): Promise<readonly LiveClient[]> {
  const clients: LiveClient[] = [];
  for (const kind of kinds) {
    const client = await until(
      () => kind.open(server, token).catch((error: Error) => error),
      (opened) => !(opened instanceof Error),
      { what: `a lease for ${kind.name}` },
    );
    clients.push(client as LiveClient);
  }
  return clients;
}
