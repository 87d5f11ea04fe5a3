import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { connect, type LiveSnapshot } from '../../src/client/index.ts';
import { CommitBuffer } from '../../src/client/wire/commit-buffer.ts';
import type { WireMessage } from '../../src/client/wire/messages.ts';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';

const OPEN = '@export(public: [read, create, update, delete, subscribe])';
const SCHEMA = `
type Account @table ${OPEN} { id: ID! @primaryKey balance: Int! }
type Entry @table ${OPEN} { id: ID! @primaryKey amount: Int! }`;
const CONFIG = `${BASE_CONFIG}sse: true\nlimits: {requests_per_second: 10000}\n`;
type Tables = { Account: { id: string; balance: number }; Entry: { id: string; amount: number } };

class BlockedSocket {
  readonly readyState = 0;
  onerror: (() => void) | null = null;
  constructor() {
    setTimeout(() => this.onerror?.());
  }
  close(): void {}
}

/** Moves one from an account to an entry of the same number, both of which have 100 together. */
const move = (server: TestServer, step: number) =>
  server.ask('POST', '_/transaction', {
    json: {
      steps: [
        { op: 'put', table: 'Account', id: `a${step % 5}`, data: { balance: 100 - step } },
        { op: 'put', table: 'Entry', id: `a${step % 5}`, data: { amount: step } },
      ],
    },
  });

type State = LiveSnapshot<{ id: string; balance?: number; amount?: number }>;

/** Every moment of a page with lists of two tables: each listener reads all of the lists. */
function watch(server: TestServer, options: Parameters<typeof connect>[1] = {}) {
  const client = connect<Tables>(server.url(''), options);
  onTestFinished(() => client.close());
  const { Account, Entry } = client.tables;
  const accounts = Account.live();
  const lists = [
    accounts,
    Entry.live(),
    Account.live('sort=-balance&limit=5'),
    Entry.live('select=id,amount&sort=id&delta=true'),
    Account.live('aggregate=sum(balance)'),
    Entry.live('aggregate=sum(amount)'),
  ];
  const wrong: string[] = [];
  let moments = 0;
  const look = (by: string) => {
    const states = lists.map((list) => list.getSnapshot() as State);
    if (states.some(({ status }) => status !== 'live')) return;
    moments++;
    const [own, entries, window, selected, total, amounts] = states.map(({ data }) => data) as never as State['data'][];
    const sums = [own, entries, window, selected].map((rows) =>
      Object.fromEntries((rows ?? []).map(({ id, balance, amount }) => [id, balance ?? 100 - (amount ?? 0)])),
    );
    const sum = (rows: State['data'] | undefined) => JSON.stringify(rows?.[0]).match(/-?\d+/)?.[0];
    const isWhole = Number(sum(total)) + Number(sum(amounts)) === 500;
    const text = sums.map((of) => JSON.stringify(Object.entries(of).sort()));
    if (!isWhole || new Set(text).size > 1) wrong.push(`${by}: ${text.join(' ')} ${sum(total)} ${sum(amounts)}`);
  };
  for (const [at, list] of lists.entries()) {
    list.listen(() => look(`list ${at}`));
    list.onChange(() => look(`change of list ${at}`));
  }
  Account.subscribe('', { onChange: () => look('subscription of accounts') });
  Entry.subscribe('', { onChange: () => look('subscription of entries') });
  return { client, lists, accounts, wrong, moments: () => moments };
}

const highest = (list: { readonly records: readonly { balance: number }[] }) =>
  Math.min(...list.records.map(({ balance }) => balance));

describe('a transaction over several lists of a client', { timeout: 240_000 }, () => {
  test.each([
    ['a WebSocket', {}],
    ['an event stream', { WebSocket: BlockedSocket as never }],
  ])('is in all of them or in none, in every moment that a listener sees, over %s', async (_name, options) => {
    await using server = await startServer({ schema: SCHEMA, config: CONFIG });
    for (let step = 0; step < 5; step++) await move(server, step);
    const page = watch(server, options);
    await Promise.all(page.lists.map(({ ready }) => ready));
    for (let step = 5; step < 60; step += 5) {
      await Promise.all([0, 1, 2, 3, 4].map((more) => move(server, step + more)));
    }
    await expect.poll(() => highest(page.accounts)).toBe(41);
    expect(page.wrong).toEqual([]);
    expect(page.moments()).toBeGreaterThan(10);
  });

  test('is so while the server is killed and comes back', async () => {
    await using server = await startServer({ schema: SCHEMA, config: CONFIG });
    for (let step = 0; step < 5; step++) await move(server, step);
    const page = watch(server);
    await Promise.all(page.lists.map(({ ready }) => ready));
    for (let round = 1; round <= 4; round++) {
      const writes = Array.from({ length: 20 }, (_, more) => move(server, round * 20 + more).catch(() => undefined));
      await pause(round * 10);
      await server.kill();
      await Promise.all(writes);
      await server.restart();
      await move(server, 90 + round);
      await expect.poll(() => page.accounts.records.some(({ balance }) => balance === 10 - round)).toBe(true);
      await expect.poll(() => page.lists.every(({ status }) => status === 'live')).toBe(true);
    }
    expect(page.wrong).toEqual([]);
  });

  test('calls each listener once', async () => {
    await using server = await startServer({ schema: SCHEMA, config: CONFIG });
    for (let step = 0; step < 5; step++) await move(server, step);
    const client = connect<Tables>(server.url(''));
    onTestFinished(() => client.close());
    const lists = [client.tables.Account.live(), client.tables.Entry.live()];
    await Promise.all(lists.map(({ ready }) => ready));
    const calls: number[] = [];
    for (const [at, list] of lists.entries()) list.listen(() => calls.push(at));
    const steps = Array.from({ length: 5 }, (_, id) => [
      { op: 'put', table: 'Account', id: `a${id}`, data: { balance: 1 } } as const,
      { op: 'put', table: 'Entry', id: `a${id}`, data: { amount: 99 } } as const,
    ]).flat();
    const { position } = await client.transaction(steps);
    await Promise.all(lists.map((list) => list.reached(position)));
    expect(calls.toSorted()).toEqual([0, 1]);
  });
});

describe('messages of a connection', () => {
  const message = (s: number[], name: string, more: Partial<WireMessage> = {}): WireMessage =>
    ({ s, type: 'update', seq: '1', id: name, data: {}, ...more }) as WireMessage;

  function buffer() {
    const out: string[] = [];
    const made = new CommitBuffer((id, { id: name, type }) => out.push(`${id}:${name ?? type}`));
    const taken = () => out.splice(0).join(' ');
    const commit = (tx: string) => made.commit(tx, (id) => id > 1);
    const take = (...all: WireMessage[]) => {
      for (const one of all) made.take(one);
    };
    return { made, taken, commit, take };
  }

  test('that are made alone are handed on at once', () => {
    const { take, taken } = buffer();
    take(message([1, 2], 'a'), message([2], 'b', { tx: '1' }));
    expect(taken()).toBe('1:a 2:a 2:b');
  });

  test('of a transaction wait for its commit, with all that comes behind them', () => {
    const { take, taken, commit } = buffer();
    take(message([1], 'a', { tx: '1', open: true, more: true }), message([1], 'b', { tx: '1', open: true }));
    take(message([1, 3], 'after'), message([2], 'c', { tx: '1', open: true }));
    expect(taken()).toBe('3:after');
    commit('1');
    expect(taken()).toBe('2:c 1:a 1:b 1:after');
  });

  test('of a second transaction wait for theirs behind the first', () => {
    const { take, taken, commit } = buffer();
    take(message([1, 2], 'a', { tx: '1', open: true }), message([1], 'b', { tx: '2', open: true }));
    take(message([1], 'last'));
    commit('1');
    expect(taken()).toBe('2:a 1:a');
    commit('2');
    expect(taken()).toBe('1:b 1:last');
  });

  test('of a commit that comes before that of the first transaction wait for both', () => {
    const { take, taken, commit } = buffer();
    take(message([1], 'a', { tx: '1', open: true }), message([1, 2], 'b', { tx: '2', open: true }));
    commit('2');
    expect(taken()).toBe('2:b');
    commit('1');
    expect(taken()).toBe('1:a 1:b');
  });

  test('of one change are handed on with its last one, without a commit', () => {
    const { take, taken } = buffer();
    take(message([1], 'a', { more: true }), message([1], 'b', { more: true }));
    expect(taken()).toBe('');
    take(message([1], 'c'), message([1], 'd', { tx: '1', more: true }), message([1], 'e', { tx: '1' }));
    expect(taken()).toBe('1:a 1:b 1:c 1:d 1:e');
  });

  test('are forgotten when their subscription ends', () => {
    const { made, take, taken, commit } = buffer();
    take(message([1, 2], 'a', { tx: '1', open: true }));
    made.forget(1);
    commit('1');
    take(message([1], 'b'));
    expect(taken()).toBe('2:a 1:b');
  });

  test('are handed on once when a listener of the first of them ends or commits another', () => {
    const out: string[] = [];
    const made: CommitBuffer = new CommitBuffer((id, { id: name }) => {
      out.push(`${id}:${name}`);
      made.forget(2);
      made.commit('1', () => false);
    });
    made.take(message([1, 2], 'a', { tx: '1', open: true }));
    made.commit('1', () => false);
    expect(out).toEqual(['1:a', '2:a']);
  });
});
