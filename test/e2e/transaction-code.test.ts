import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import type { Json } from '../support/frames.ts';
import { WsClient } from '../support/ws-client.ts';

const SCHEMA = `
type Account @table @export(public: [read, create, update, delete, subscribe]) @audit { id: ID! @primaryKey owner: String balance: Int! }
type Entry @table @export(public: [read, create, update, delete, subscribe, publish]) { id: ID! @primaryKey account: ID! amount: Int! }
type Hooked @table @export(public: [read, create, update, delete]) { id: ID! @primaryKey n: Int! seen: Int }`;

/** Routes that write in transactions; \`runs\` counts how often a callback has run. */
const ROUTES = `
import { AppError, defineRoute } from 'tablecast';
const state = { runs: 0, between: undefined };
const text = (error) => error.constructor.name === 'Error' ? error.message : error.code;
const caught = async (work) => { try { return { result: await work() }; } catch (error) { return { error: text(error), step: error.step }; } };
const move = (tables, { from, to, amount }) => tables.transaction(async (tx) => {
  state.runs++;
  const [one, other] = [await tx.Account.get(from), await tx.Account.get(to)];
  if (one === undefined || other === undefined) throw new AppError('NOT_FOUND', 'No such account.');
  await tx.Account.patch(from, { balance: one.balance - amount });
  await tx.Account.patch(to, { balance: other.balance + amount });
  const id = await tx.Entry.create({ account: to, amount });
  await tx.Entry.publish(id, { moved: amount });
  return id;
});
export const routes = {
  move: defineRoute({ method: 'POST', handler: ({ tables, body }) => caught(() => move(tables, body)) }),
  crossed: defineRoute({ method: 'POST', handler: async ({ tables, body }) => {
    state.runs = 0;
    const outcome = await caught(() => tables.transaction(async (tx) => {
      const { balance } = await tx.Account.get('a');
      if (state.runs++ < body.times) await tables.Account.patch('a', { balance: balance + 1 });
      await tx.Account.patch('a', { balance: balance + 10 });
    }));
    return { ...outcome, runs: state.runs };
  } }),
  listed: defineRoute({ method: 'POST', handler: async ({ tables }) => {
    state.runs = 0;
    await tables.transaction(async (tx) => {
      const rich = await tx.Account.find('balance=ge=100&select=id');
      if (state.runs++ === 0) await tables.Account.put('new', { balance: 100 });
      await tx.Entry.put('rich', { account: 'all', amount: rich.length });
    });
    return { runs: state.runs };
  } }),
  wrong: defineRoute({ method: 'POST', handler: async ({ tables }) => {
    let late;
    const found = {
      readOwn: await caught(() => tables.transaction(async (tx) => { await tx.Account.put('x', { balance: 1 }); return tx.Account.get('x'); })),
      listOwn: await caught(() => tables.transaction(async (tx) => { await tx.Account.put('x', { balance: 1 }); return tx.Account.find(); })),
      invalid: await caught(() => tables.transaction(async (tx) => { await tx.Account.put('x', { balance: 1 }); await tx.Account.put('y', { balance: 'much' }); })),
      missing: await caught(() => tables.transaction(async (tx) => { await tx.Account.put('x', { balance: 1 }); await tx.Account.patch('none', { balance: 1 }); })),
      thrown: await caught(() => tables.transaction(async (tx) => { await tx.Account.put('x', { balance: 1 }); throw new Error('never mind'); })),
      many: await caught(() => tables.transaction(async (tx) => { for (let i = 0; i < 9; i++) await tx.Account.put('x', { balance: i }); })),
      empty: await caught(() => tables.transaction(() => 7)),
    };
    await tables.transaction((tx) => { late = tx; });
    return { ...found, late: await caught(() => late.Account.put('x', { balance: 1 })) };
  } }),
  caller: defineRoute({ method: 'POST', handler: ({ as, identity }) => caught(() => as(identity).transaction(async (tx) => {
    await tx.Entry.create({ account: 'a', amount: 1 });
    await tx.Account.publish(null, 1);
  })) }),
};`;

const HOOKS = `
export const tables = {
  Hooked: {
    beforeUpdate: async ({ record, previous, tables }) => {
      if (record.n === 99) await tables.Hooked.patch('other', { n: 99 });
      return { ...record, seen: previous.n };
    },
    beforeDelete: () => { throw new Error('unused'); },
  },
};`;

describe('a transaction by code', { timeout: 120_000 }, () => {
  let server: TestServer;
  beforeAll(async () => {
    const config = `${BASE_CONFIG}routes: routes.js\nhooks: hooks.js\nlimits:\n  transaction: 8\n`;
    server = await startServer({ schema: SCHEMA, config, files: { 'routes.js': ROUTES, 'hooks.js': HOOKS } });
  }, 60_000);
  afterAll(() => server[Symbol.asyncDispose]());
  beforeEach(async () => {
    for (const table of ['Account', 'Entry']) await server.ask('DELETE', `${table}?all=true`);
    await server.put('Account/a', { balance: 100 });
    await server.put('Account/b', { balance: 0 });
  });

  const call = async (route: string, json: Json = {}) => (await server.ask('POST', `api/${route}`, { json })).record;
  const balances = async () => (await server.ask('GET', 'Account')).records.map(({ balance }) => balance);

  test('commits what it has written together, and gives what its callback gives', async () => {
    using accounts = await WsClient.subscribe(server.wsUrl('Account'));
    using entries = await WsClient.subscribe(server.wsUrl('Entry'));
    const { result } = await call('move', { from: 'a', to: 'b', amount: 30 });
    expect(await balances()).toEqual([70, 30]);
    const [first, second] = [await accounts.changes.next(), await accounts.changes.next()];
    const [entry, message] = [await entries.changes.next(), await entries.changes.next()];
    expect([entry.id, message.id, message.data]).toEqual([result, result, { moved: 30 }]);
    expect(second.seq).toBe(first.seq + 1);
    expect(message.seq).toBe(first.seq + 3);
    const { records: audit } = await server.ask('GET', 'audit?limit=2');
    expect(audit.map(({ by, op }) => [by, op])).toEqual(Array(2).fill([{ type: 'anonymous' }, 'update']));
  });

  test('runs again when a record that it has read has changed, a bounded number of times', async () => {
    expect(await call('crossed', { times: 3 })).toMatchObject({ runs: 4 });
    expect((await balances())[0]).toBe(113);
    expect(await call('crossed', { times: 100 })).toMatchObject({ error: 'CONFLICT', runs: 10 });
    expect((await balances())[0]).toBe(123);
  });

  test('runs again when a list that it has read has another record', async () => {
    expect(await call('listed')).toEqual({ runs: 2 });
    expect((await server.ask('GET', 'Entry/rich')).record.amount).toBe(2);
  });

  test('keeps the sum of the accounts when many run at once', async () => {
    const moves = Array.from({ length: 40 }, (_, i) =>
      call('move', { from: i % 2 ? 'a' : 'b', to: i % 2 ? 'b' : 'a', amount: i }),
    );
    const outcomes = await Promise.all(moves);
    expect(new Set(outcomes.flatMap(({ error }) => error ?? []))).toEqual(
      new Set(outcomes.some(({ error }) => error !== undefined) ? ['CONFLICT'] : []),
    );
    const [a = 0, b = 0] = (await balances()) as number[];
    expect(a + b).toBe(100);
    const done = outcomes.filter(({ error }) => error === undefined).length;
    expect((await server.ask('GET', 'Entry')).records).toHaveLength(done);
  });

  test('writes nothing when it is refused or throws, and says what is wrong', async () => {
    const found = await call('wrong');
    expect(found).toMatchObject({
      readOwn: { error: expect.stringMatching(/Account\.get\("x"\).*Read before writing/) },
      listOwn: { error: expect.stringMatching(/Account\.find.*Read before writing/) },
      invalid: { error: 'VALIDATION_ERROR' },
      missing: { error: 'NOT_FOUND', step: 1 },
      thrown: { error: 'never mind' },
      many: { error: 'BAD_REQUEST' },
      empty: { result: 7 },
      late: { error: expect.stringContaining('The transaction is over') },
    });
    expect(await balances()).toEqual([100, 0]);
  });

  test('has the rights of its tables', async () => {
    expect(await call('caller')).toMatchObject({ error: 'FORBIDDEN' });
    expect((await server.ask('GET', 'Entry')).records).toEqual([]);
  });

  test('over HTTP asks the hooks of its tables, once for each record', async () => {
    for (const id of ['one', 'two', 'other']) await server.put(`Hooked/${id}`, { n: 1 });
    const send = (steps: Json[]) => server.ask('POST', '_/transaction', { json: { steps } });
    const patch = (id: string, n: number) => ({ op: 'patch', table: 'Hooked', id, data: { n } });
    const good = await send([patch('one', 2), patch('two', 3)]);
    expect((good.record.results as Json[]).map(({ data }) => data)).toEqual([
      { id: 'one', n: 2, seen: 1 },
      { id: 'two', n: 3, seen: 1 },
    ]);
    const twice = await send([patch('one', 4), patch('one', 5)]);
    expect([twice.status, twice.record.code, twice.record.step]).toEqual([403, 'HOOK_REFUSED', 1]);
    // The hook of the second step changes the record that the hook of the first has seen: it is asked again.
    const again = await send([patch('other', 4), patch('one', 99)]);
    expect(again.status, again.text).toBe(200);
    expect((again.record.results as Json[])[0]?.data).toEqual({ id: 'other', n: 4, seen: 99 });
  });
});
