import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TestServer } from '../support/app.ts';
import {
  byName,
  type ConnectionKind,
  expectEnds,
  openAll,
  openAllAgain,
  request,
  type SocketKind,
  statusOf,
} from '../support/connection-kinds.ts';
import { until } from '../support/wait.ts';

/** Connections that `startWithKeys` allows in all. */
export const MAX_CONNECTIONS = 10;
/** Messages that one client may send in one go. */
export const MAX_MESSAGES = 100;
const LARGE_MESSAGES = 80;
const LARGE_MESSAGE_CHARS = 400_000;

export interface UserServer extends AsyncDisposable {
  readonly server: TestServer;
  /** Adds a user with the role that all connections need, and returns its id. */
  addUser(name: string): Promise<string>;
  removeRoles(name: string): Promise<void>;
  disable(name: string): Promise<void>;
  tokenOf(sub: string, expiresInSeconds?: number): string;
  /** Sends more to tables and rooms than all buffers hold. */
  flood(): Promise<void>;
}

export interface KeyServer extends AsyncDisposable {
  readonly server: TestServer;
  /** A token that is checked with the keys of the issuer. */
  readonly token: string;
  /** Resolves when the server asks for the keys of the issuer, which does not answer. */
  readonly asked: Promise<void>;
  answer(): void;
}

export interface ConnectionSuite {
  readonly kinds: readonly ConnectionKind[];
  readonly sockets: readonly SocketKind[];
  /** A server whose callers are its own users. Files `hold-opening` and `hold-messages` make its code wait. */
  startWithUsers(): Promise<UserServer>;
  /** A server that admits MAX_CONNECTIONS connections, and takes its keys from an issuer. */
  startWithKeys(): Promise<KeyServer>;
}

/** Describes the life of every connection that stays open, whatever its transport. */
export function describeConnections({ kinds, sockets, startWithUsers, startWithKeys }: ConnectionSuite): void {
  describe('a connection of each kind', { timeout: 120_000 }, () => {
    let app: UserServer;
    let token: string;
    beforeAll(async () => {
      app = await startWithUsers();
      token = app.tokenOf(await app.addUser('ada'));
    }, 120_000);
    afterAll(() => app[Symbol.asyncDispose]());

    test('ends with its token', async () => {
      const clients = await openAll(kinds, app.server, app.tokenOf(await app.addUser('eve'), 3));
      await expectEnds(kinds, clients, ({ ends }) => ends.expired);
    });

    test('ends when its user is disabled', async () => {
      const clients = await openAll(kinds, app.server, app.tokenOf(await app.addUser('bob')));
      await app.disable('bob');
      await expectEnds(kinds, clients, ({ ends }) => ends.revoked);
    });

    test('ends when its caller loses the role that it needs', async () => {
      const clients = await openAll(kinds, app.server, app.tokenOf(await app.addUser('tim')));
      await app.removeRoles('tim');
      const ending = kinds.filter(({ ends }) => ends.forbidden !== undefined);
      const ended = clients.filter((_, index) => kinds[index]?.ends.forbidden !== undefined);
      await expectEnds(ending, ended, ({ ends }) => ends.forbidden ?? '');
      const left = clients.filter((client) => !ended.includes(client));
      expect(left.map(({ isOpen }) => isOpen)).toEqual(left.map(() => true));
      for (const client of left) client[Symbol.dispose]();
    });

    test('is given up when its client does not read', async () => {
      const clients = await Promise.all(
        kinds.map((kind) => kind.openFlooded?.(app.server, token) ?? kind.open(app.server, token)),
      );
      for (const client of clients) client.stall();
      await app.flood();
      await until(
        async () =>
          (await app.server.metric(/^tablecast_(?:subscriptions|rooms)\{/)) +
          (await app.server.metric(/^tablecast_connections\{transport="routes"\}/)),
        (left) => left === 0,
        { what: 'the end of all subscriptions, rooms and routes', timeout: 60_000 },
      );
      for (const client of clients) client.wake();
      await expectEnds(kinds, clients, ({ ends }) => ends.slow);
    });

    test('is closed when its client sends more messages than it may', async () => {
      const clients = await Promise.all(sockets.map((kind) => kind.open(app.server, token)));
      for (const [index, client] of clients.entries()) {
        for (let sent = 0; sent < 10 * MAX_MESSAGES; sent++) client.send(sockets[index]?.message ?? '');
      }
      await expectEnds(sockets, clients, () => '1008 more than 1 messages a second');
    });

    test('reads no more while limits.waiting_messages or limits.message in bytes wait to be handled', async () => {
      const hold = join(app.server.dir, 'hold-messages');
      const clients = await Promise.all(sockets.map((kind) => kind.open(app.server, token)));
      await writeFile(hold, '');
      for (const [index, client] of clients.entries()) {
        const message = sockets[index]?.waitingMessage(LARGE_MESSAGE_CHARS) ?? '';
        for (let sent = 0; sent < LARGE_MESSAGES; sent++) client.send(message);
      }
      const unsent = () => clients.map(({ socket }) => socket.bufferedAmount);
      const sum = () => unsent().reduce((total, bytes) => total + bytes, 0);
      // Messages that the server does not read wait here, beyond what the kernel takes.
      await until(
        async () => {
          const before = sum();
          await pause(1000);
          return before - sum();
        },
        (taken) => taken === 0,
        { what: 'sockets that take no more' },
      );
      const least = (LARGE_MESSAGES * LARGE_MESSAGE_CHARS) / 3;
      expect(byName(sockets, (_, index) => (unsent()[index] ?? 0) > least)).toEqual(byName(sockets, () => true));
      await rm(hold);
      await until(
        async () => sum(),
        (bytes) => bytes === 0,
        { what: 'sockets that are read again' },
      );
      for (const client of clients) client[Symbol.dispose]();
    });

    test('is refused when a hook is called for it while the server stops', async () => {
      const hooked = kinds.filter(({ hasHooks }) => hasHooks);
      const hold = join(app.server.dir, 'hold-opening');
      await writeFile(hold, '');
      const calls = (what: string) => app.server.logs.items.filter(({ msg }) => msg === what).length;
      const before = calls('opening');
      const requests = await Promise.all(hooked.map((kind) => request(kind, app.server, token)));
      const statuses = requests.map(statusOf);
      await until(
        async () => calls('opening') - before,
        (count) => count === hooked.length,
        { what: 'the calls of all hooks' },
      );
      const stopped = app.server.stop();
      await app.server.logs.next(({ msg }) => msg === 'stopping');
      await rm(hold);
      const answers = await Promise.all(statuses);
      expect(byName(hooked, (_, index) => answers[index])).toEqual(byName(hooked, () => 'HTTP/1.1 503'));
      await stopped;
      expect(calls('disconnected')).toBe(calls('connected'));
    });
  });

  describe('a connection of each kind', { timeout: 120_000 }, () => {
    let app: KeyServer;
    beforeAll(async () => {
      app = await startWithKeys();
    }, 120_000);
    afterAll(() => app[Symbol.asyncDispose]());

    test('whose client breaks off while its token is checked is not counted', async () => {
      const requests = await Promise.all(kinds.map((kind) => request(kind, app.server, app.token)));
      await app.asked;
      for (const socket of requests) socket.resetAndDestroy();
      // Answered on another connection, so the server has read the resets.
      await app.server.ask('GET', '../health/live');
      app.answer();
      for (const client of await openAllAgain(kinds, app.server, app.token)) client.reset();
    });

    test('gives back what it holds when its client breaks off', async () => {
      const clients = await openAllAgain(kinds, app.server, app.token);
      await expect(kinds[0]?.open(app.server, app.token)).rejects.toThrow('status 503');
      for (const client of clients) client.reset();
      for (const client of await openAllAgain(kinds, app.server, app.token)) client.reset();
      await until(
        () => app.server.metric(/^tablecast_connections\{/),
        (count) => count === 0,
        { what: 'the end of all connections' },
      );
      expect(await app.server.metric(/^tablecast_(?:subscriptions|rooms)\{/)).toBe(0);
    });

    test('asks its client to reconnect when the server stops', async () => {
      const clients = await openAllAgain(kinds, app.server, app.token);
      const stopped = app.server.stop();
      await expectEnds(kinds, clients, ({ ends }) => ends.stopped);
      await stopped;
    });
  });

  test('a connection whose token is checked while the server stops is refused, of each kind', async () => {
    await using app = await startWithKeys();
    const requests = await Promise.all(kinds.map((kind) => request(kind, app.server, app.token)));
    const statuses = requests.map(statusOf);
    await app.asked;
    await app.server.ask('GET', '../health/live');
    const stopped = app.server.stop();
    await app.server.logs.next(({ msg }) => msg === 'stopping');
    app.answer();
    const answers = await Promise.all(statuses);
    expect(byName(kinds, (_, index) => answers[index])).toEqual(byName(kinds, () => 'HTTP/1.1 503'));
    await stopped;
  }, 120_000);
}
