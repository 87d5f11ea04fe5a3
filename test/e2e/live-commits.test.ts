import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import type { Json } from '../support/frames.ts';
import { V1_KINDS, V1Client, type V1Options } from '../support/v1-client.ts';

const OPEN = '@export(public: [read, create, update, delete, subscribe, publish])';
const SCHEMA = `
type Account @table ${OPEN} { id: ID! @primaryKey owner: String @indexed balance: Int! note: String }
type Entry @table ${OPEN} { id: ID! @primaryKey owner: String @indexed amount: Int! }`;
/** Sum of all accounts and of all entries, which every transaction keeps as it is. */
const SUM = 1000;

describe('commits of a v1 connection', { timeout: 120_000 }, () => {
  let server: TestServer;
  let base = '';
  beforeAll(async () => {
    const config = `${BASE_CONFIG}sse: true\nlimits: {subscriptions: 2000}\nchannels: {client_buffer: 256KiB}\n`;
    server = await startServer({ schema: SCHEMA, config });
    base = `${server.origin}/my-app`;
  }, 120_000);
  afterAll(() => server?.[Symbol.asyncDispose]());

  async function open(options: V1Options = {}): Promise<V1Client> {
    const client = await V1Client.open(base, options);
    onTestFinished(() => client[Symbol.dispose]());
    return client;
  }

  /** Moves an amount from the account of an owner to an entry, and returns the mark. */
  async function move(owner: string, amount: number, note = ''): Promise<string> {
    const steps = [
      { op: 'put', table: 'Account', id: owner, data: { owner, balance: SUM - amount, note } },
      { op: 'put', table: 'Entry', id: owner, data: { owner, amount } },
    ];
    const { status, record } = await server.ask('POST', '_/transaction', { json: { steps } });
    expect(status).toBe(200);
    return String(record.seq);
  }

  const committed = (client: V1Client, tx: string) =>
    client.messages.next(({ type, tx: mark }) => type === 'commit' && mark === tx);

  /** State of a client that applies a transaction when it is committed: `see` is called with the sum of each moment. */
  function fold(messages: readonly Json[], see: (sum: number) => void): void {
    const state = new Map<string, number>();
    let waiting: Json[] = [];
    const apply = ({ s, id, data }: Json) => {
      const { balance, amount } = data as { balance?: number; amount?: number };
      for (const one of s as unknown[]) state.set(`${one} ${id}`, Number(balance ?? amount));
    };
    for (const message of messages) {
      if (message.type === 'update') waiting.push(message);
      if (message.type !== 'commit') continue;
      const released = waiting.filter(({ tx }) => tx === message.tx);
      waiting = waiting.filter(({ tx }) => tx !== message.tx);
      released.forEach(apply);
      see([...state.values()].reduce((sum, each) => sum + each, 0));
    }
    expect(waiting).toEqual([]);
  }

  test.each(V1_KINDS)('follow over %s the last message of all subscriptions, each once', async (kind) => {
    const client = await open({ kind });
    const owner = `each-${kind}`;
    await client.subscribe('a', `Account?owner==${owner}`, { snapshot: false });
    await client.subscribe('b', `Account?owner==${owner}&select=balance`, { snapshot: false });
    await client.subscribe('c', `Entry?owner==${owner}`, { snapshot: false });
    await client.subscribe('none', 'Entry?owner==another', { snapshot: false });
    const marks: string[] = [];
    for (let amount = 1; amount <= 5; amount++) marks.push(await move(owner, amount));
    await committed(client, marks.at(-1) as string);
    await client.settle();
    const of = (tx: string) => client.messages.items.filter((message) => message.tx === tx);
    for (const tx of marks) {
      const all = of(tx);
      expect(all.at(-1)).toEqual({ type: 'commit', tx });
      expect(all.slice(0, -1).map(({ open }) => open)).toEqual(all.slice(1).map(() => true));
      const ids = all.flatMap(({ s = [] }) => s as string[]);
      expect(ids.toSorted()).toEqual(['a', 'b', 'c']);
    }
  });

  test('are not sent for the only subscription of a connection, nor for a change that is made alone', async () => {
    const alone = await open();
    const both = await open();
    await alone.subscribe(1, 'Account?owner==alone', { snapshot: false });
    for (const id of [1, 2]) await both.subscribe(id, 'Account?owner==alone', { snapshot: false });
    const tx = await move('alone', 1);
    await committed(both, tx);
    const { seq } = await both.write('w', {
      op: 'put',
      table: 'Account',
      key: 'alone',
      data: { owner: 'alone', balance: 1 },
    });
    for (const client of [alone, both]) {
      await client.messages.next((message) => message.seq === seq && message.type === 'update');
      await client.settle();
    }
    expect(alone.messages.items.filter(({ type, open }) => type === 'commit' || open === true)).toEqual([]);
    expect(alone.of(1).find((message) => message.tx === tx)).not.toHaveProperty('more');
    expect(both.messages.items.filter(({ type }) => type === 'commit')).toEqual([{ type: 'commit', tx }]);
    expect(both.messages.items.find((message) => message.seq === seq)).not.toHaveProperty('open');
  });

  test('come after the slowest subscription of a client that reads too slowly', async () => {
    const client = await open();
    const note = 'n'.repeat(40_000);
    await client.subscribe('accounts', 'Account?owner==slow', { snapshot: false });
    await client.subscribe('entries', 'Entry?owner==slow', { snapshot: false });
    client.stall();
    let last = '';
    for (let amount = 0; amount < 400; amount++) last = await move('slow', amount, note);
    client.wake();
    await committed(client, last);
    let seen = 0;
    fold(client.messages.items, (sum) => {
      seen++;
      expect(sum).toBe(SUM);
    });
    expect(seen).toBe(400);
  });

  test('do not wait for a subscription without credit, and come again with its messages', async () => {
    const client = await open();
    await client.subscribe('free', 'Account?owner==credit', { snapshot: false });
    await client.subscribe('held', 'Entry?owner==credit', { snapshot: false, credit: { frames: 1 } });
    const marks: string[] = [];
    for (let amount = 0; amount < 3; amount++) marks.push(await move('credit', amount));
    for (const tx of marks) await committed(client, tx);
    await client.settle();
    expect(client.of('held').filter(({ type }) => type === 'update')).toHaveLength(1);
    const before = client.messages.items.length;
    client.send({ type: 'credit', id: 'held', frames: 10 });
    await client.messages.next(
      ({ type, tx }) => type === 'commit' && tx === marks[2] && client.messages.items.length > before,
    );
    const later = client.messages.items.slice(before);
    expect(later.flatMap(({ type, tx }) => (type === 'update' || type === 'commit' ? [[type, tx]] : []))).toEqual(
      expect.arrayContaining([
        ['update', marks[1]],
        ['commit', marks[1]],
        ['update', marks[2]],
        ['commit', marks[2]],
      ]),
    );
  });

  test('come after a resume from the middle of the log, for all that resume', async () => {
    const owner = 'resume';
    const start = await move(owner, 0);
    const marks: string[] = [];
    for (let amount = 1; amount <= 50; amount++) marks.push(await move(owner, amount));
    const client = await open();
    for (const id of ['one', 'two'])
      client.send({ type: 'subscribe', id, query: `Account?owner==${owner}`, since: start });
    client.send({ type: 'subscribe', id: 'entries', query: `Entry?owner==${owner}`, since: marks[24] as string });
    await client.messages.next(({ type, s }) => type === 'ready' && (s as string[]).includes('entries'));
    const next = await move(owner, 51);
    await committed(client, next);
    for (const id of ['two', 'entries']) {
      for (const { tx, open } of client.of(id).filter(({ type }) => type === 'update')) {
        expect(open).toBe(true);
        const commit = client.messages.items.findLastIndex((message) => message.type === 'commit' && message.tx === tx);
        const last = client.messages.items.findLastIndex((message) => message.type === 'update' && message.tx === tx);
        expect(commit).toBeGreaterThan(last);
      }
    }
    expect(client.of('two').filter(({ type }) => type === 'update')).toHaveLength(51);
    expect(client.of('entries').filter(({ type }) => type === 'update')).toHaveLength(26);
  });

  test('hold for a thousand subscriptions, whose equal changes are one message', async () => {
    const client = await open();
    const ids = [...Array(1000).keys()];
    for (let from = 0; from < 1000; from += 100) {
      client.send(
        ...ids.slice(from, from + 100).map((id) => ({
          type: 'subscribe',
          id,
          query: id % 2 === 0 ? 'Account?owner==many' : 'Entry?owner==many',
          snapshot: false,
        })),
      );
      await client.messages.next(({ type, s }) => type === 'ready' && (s as number[]).includes(from + 99));
    }
    const before = client.messages.items.length;
    const tx = await move('many', 7);
    await committed(client, tx);
    const [account, entry, commit, ...more] = client.messages.items.slice(before);
    const sorted = ({ s }: Json) => (s as number[]).toSorted((a, b) => a - b);
    expect([account as Json, entry as Json].map(sorted)).toEqual([
      ids.filter((id) => id % 2 === 0),
      ids.filter((id) => id % 2 === 1),
    ]);
    expect(commit).toEqual({ type: 'commit', tx });
    expect(more).toEqual([]);
  });
});
