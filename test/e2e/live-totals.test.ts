import { describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer } from '../support/app.ts';
import { accessToken, bearer } from '../support/auth-app.ts';
import type { Json } from '../support/frames.ts';
import { GatewayClient, REALTIME } from '../support/gateway-client.ts';
import { SseClient } from '../support/sse-client.ts';
import { SECRET } from '../support/tokens.ts';
import { V1_KINDS, V1Client } from '../support/v1-client.ts';
import { refusedUpgrade, WsClient } from '../support/ws-client.ts';

const SCHEMA = `
enum Status { OPEN PAID }
type Customer @table @export(name: "customers") { id: ID! @primaryKey name: String }
type Order @table @export(name: "orders") {
  id: ID! @primaryKey
  status: Status
  total: Float
  items: Int @indexed
  customerId: ID
  customer: Customer @relationship(from: "customerId")
}
`;
const QUERY = 'aggregate=count,sum(total),avg(items),min(items),max(items)&group=status&sort=-count';

interface Row {
  readonly id: unknown;
  readonly record: Json;
}

/** Applies a frame as PROTOCOL.md §4.9 says. */
function apply(
  rows: readonly Row[],
  isGone: boolean,
  { id, record, at }: Row & { readonly at: unknown },
): readonly Row[] {
  const rest = rows.filter((row) => row.id !== id);
  return isGone ? rest : rest.toSpliced(typeof at === 'number' ? at : rest.length, 0, { id, record });
}

function foldSocket(client: WsClient): readonly Json[] {
  let rows: readonly Row[] = [];
  for (const { message_type, id, data, at } of client.changes.items as unknown as readonly Json[])
    rows = apply(rows, message_type === 'Delete', { id, record: data as Json, at });
  return rows.map(({ record }) => record);
}

function foldStream(client: SseClient): readonly Json[] {
  let rows: readonly Row[] = [];
  for (const { event, data } of client.events.items) {
    if (!['retained', 'update', 'delete'].includes(event)) continue;
    const { $at: at, ...record } = JSON.parse(data) as Json;
    rows = apply(rows, event === 'delete', { id: record.status, record, at });
  }
  return rows.map(({ record }) => record);
}

function foldV1(client: V1Client): readonly Json[] {
  let rows: readonly Row[] = [];
  for (const { type, records, id, data, at } of client.messages.items) {
    if (type === 'page')
      for (const row of records as Json[]) rows = apply(rows, false, { id: row.id, record: row.data as Json, at });
    else if (type === 'update' || type === 'delete')
      rows = apply(rows, type === 'delete', { id, record: data as Json, at });
  }
  return rows.map(({ record }) => record);
}

describe('live totals', { timeout: 120_000 }, () => {
  test('are what the list gives, over WebSocket, event stream and every codec of protocol v1', async () => {
    await using server = await startServer({ schema: SCHEMA });
    for (let n = 0; n < 6; n++) await server.put(`orders/${n}`, { status: 'OPEN', total: n / 10, items: n });
    using ws = await WsClient.subscribe(server.wsUrl(`orders?${QUERY}`));
    using cbor = await WsClient.subscribe(server.wsUrl(`orders?${QUERY}&having=count=gt=1&limit=1`));
    using sse = await SseClient.subscribe(server.url(`orders?${QUERY}`));
    const v1 = await Promise.all(V1_KINDS.map((kind) => V1Client.open(`${server.origin}/my-app`, { kind })));
    for (const client of v1) {
      client.send({ type: 'subscribe', id: 1, query: `orders?${QUERY}` });
      await client.next({ type: 'ready' });
    }
    const writes = [
      () => server.put('orders/a', { status: 'PAID', total: 0.1, items: 7 }),
      () => server.put('orders/b', { status: 'PAID', total: null, items: null }),
      () => server.ask('DELETE', 'orders/0'),
      () => server.ask('DELETE', 'orders/5'),
      () => server.ask('PATCH', 'orders?items=lt=3', { json: { status: 'PAID' } }),
      () => server.ask('PATCH', 'orders/a', { json: { items: 1 } }),
      () => server.ask('DELETE', 'orders?status==OPEN'),
      () => server.put('orders/c', { total: 0.2 }),
      () => server.put('orders/c', { total: 0.2 }),
      () => server.put('orders/z', { status: 'OPEN', total: 1e-9, items: 1 }),
    ];
    for (const write of writes) expect((await write()).status ?? 200).toBeLessThan(300);
    const list = (await server.ask('GET', `orders?${QUERY}`)).records;
    expect(list).toHaveLength(3);
    await expect.poll(() => foldSocket(ws)).toEqual(list);
    await expect.poll(() => foldStream(sse)).toEqual(list);
    for (const client of v1) await expect.poll(() => foldV1(client)).toEqual(list);
    const first = (await server.ask('GET', `orders?${QUERY}&having=count=gt=1&limit=1`)).records;
    await expect.poll(() => foldSocket(cbor)).toEqual(first);
    for (const client of v1) client[Symbol.dispose]();
  });

  test('say why a group has gone, and nothing when its values stay equal', async () => {
    await using server = await startServer({ schema: SCHEMA });
    await server.put('orders/a', { status: 'OPEN', items: 1 });
    using all = await WsClient.subscribe(server.wsUrl('orders?aggregate=count&group=status'));
    using several = await WsClient.subscribe(server.wsUrl('orders?aggregate=count&group=status&having=count=gt=1'));
    using largest = await WsClient.subscribe(server.wsUrl('orders?aggregate=count&group=status&sort=-count&limit=1'));
    await server.ask('PATCH', 'orders/a', { json: { items: 2 } });
    await server.put('orders/b', { status: 'PAID' });
    await server.put('orders/c', { status: 'PAID' });
    await server.ask('DELETE', 'orders/a');
    await server.ask('DELETE', 'orders/b');
    const told = (client: WsClient) =>
      (client.changes.items as unknown as readonly Json[])
        .filter(({ message_type }) => message_type !== 'Retained')
        .map(({ message_type, id, data, reason, at }) => [message_type, id, data, reason ?? at]);
    await several.next(({ message_type }) => message_type === 'Delete');
    await all.next(({ data }) => (data as Json).count === 1 && (data as Json).status === 'PAID');
    expect(told(all).slice(-4)).toEqual([
      ['Update', '["PAID"]', { status: 'PAID', count: 1 }, 1],
      ['Update', '["PAID"]', { status: 'PAID', count: 2 }, 1],
      ['Delete', '["OPEN"]', { status: 'OPEN' }, 'empty'],
      ['Update', '["PAID"]', { status: 'PAID', count: 1 }, 0],
    ]);
    expect(told(several)).toEqual([
      ['Update', '["PAID"]', { status: 'PAID', count: 2 }, 0],
      ['Delete', '["PAID"]', { status: 'PAID' }, 'having'],
    ]);
    expect(told(largest).slice(0, 2)).toEqual([
      ['Delete', '["OPEN"]', { status: 'OPEN' }, 'window'],
      ['Update', '["PAID"]', { status: 'PAID', count: 2 }, 0],
    ]);
  });

  test('go on from a position, exactly', async () => {
    await using server = await startServer({ schema: SCHEMA });
    for (let n = 0; n < 4; n++) await server.put(`orders/${n}`, { status: 'OPEN', items: n });
    using first = await WsClient.open(server.wsUrl('orders?aggregate=count,min(items)&group=status'));
    const { seq } = await first.ready();
    await server.ask('DELETE', 'orders/0');
    await server.put('orders/9', { status: 'PAID', items: 4 });
    using second = await WsClient.open(server.wsUrl(`orders?aggregate=count,min(items)&group=status&since=${seq}`));
    await second.ready();
    expect(
      (second.changes.items as unknown as readonly Json[]).map(({ message_type, data }) => [message_type, data]),
    ).toEqual([
      ['Update', { status: 'OPEN', count: 3, min_items: 1 }],
      ['Update', { status: 'PAID', count: 1, min_items: 4 }],
    ]);
    using stranger = await WsClient.open(server.wsUrl('orders?aggregate=count&since=1'));
    expect(await stranger.control('reset')).toMatchObject({ reason: expect.stringContaining('position_') });
    await stranger.ready();
    expect(stranger.changes.items).toMatchObject([{ message_type: 'Retained', id: '[]', data: { count: 4 } }]);
  });

  test('follow the records of other tables in their condition, and so do windows', async () => {
    await using server = await startServer({ schema: SCHEMA, config: `${BASE_CONFIG}sse: true\n` });
    for (const [id, name] of [
      ['c1', 'Ada'],
      ['c2', 'Bob'],
    ] as const)
      await server.put(`customers/${id}`, { name });
    for (let n = 0; n < 6; n++)
      await server.put(`orders/o${n}`, {
        status: n % 2 ? 'OPEN' : 'PAID',
        total: n,
        items: n,
        customerId: n < 2 ? 'c1' : 'c2',
      });
    const totals = `customer.name==Ada&${QUERY}`;
    const window = 'customer.name==Ada&sort=-total&limit=2&count=true&select=total,customer{name}';
    using ws = await WsClient.subscribe(server.wsUrl(`orders?${totals}`));
    await using sse = await SseClient.subscribe(server.url(`orders?${totals}`));
    using v1 = await V1Client.open(`${server.origin}/my-app`);
    v1.send({ type: 'subscribe', id: 1, query: `orders?${totals}` });
    await v1.messages.next(({ type }) => type === 'ready');
    using rows = await WsClient.subscribe(server.wsUrl(`orders?${window}`));
    await server.ask('PATCH', 'customers/c2', { json: { name: 'Ada' } });
    await server.ask('PATCH', 'customers/c1', { json: { name: 'Cy' } });
    await server.ask('DELETE', 'orders/o5');
    await server.ask('PATCH', 'orders/o4', { json: { total: 0.5, items: 2 } });
    const listed = async (query: string) => (await server.ask('GET', `orders?${query}`)).records;
    await expect.poll(() => foldSocket(ws)).toEqual(await listed(totals));
    await expect.poll(() => foldStream(sse)).toEqual(await listed(totals));
    await expect.poll(() => foldV1(v1)).toEqual(await listed(totals));
    await expect.poll(() => foldSocket(rows)).toEqual(await listed(window));
  });

  test('end with the reason when there are too many groups, and other subscriptions go on', async () => {
    await using server = await startServer({
      schema: SCHEMA,
      config: `${BASE_CONFIG}sse: true\nlimits:\n  groups: 2\n`,
    });
    for (const id of ['a', 'b']) await server.put(`orders/${id}`, { items: 1 });
    const query = 'orders?aggregate=count&group=id';
    using ws = await WsClient.subscribe(server.wsUrl(query));
    using sse = await SseClient.subscribe(server.url(query));
    using v1 = await V1Client.open(`${server.origin}/my-app`);
    v1.send({ type: 'subscribe', id: 1, query }, { type: 'subscribe', id: 2, query: 'orders?aggregate=sum(items)' });
    await v1.messages.next(({ type, s }) => type === 'ready' && String(s) === '2');
    await server.put('orders/c', { items: 5 });
    expect(await ws.control('error')).toMatchObject({ code: 'TOO_MANY_GROUPS' });
    expect(await ws.closed).toMatchObject({ code: 4400 });
    expect((await sse.next('error')).json).toMatchObject({ code: 'TOO_MANY_GROUPS' });
    expect(await v1.next({ type: 'error', id: 1 })).toMatchObject({ problem: { code: 'TOO_MANY_GROUPS' } });
    await server.put('orders/c', { items: 6 });
    const goesOn = await v1.messages.next(({ type, data }) => type === 'update' && (data as Json).sum_items === 8);
    expect(goesOn).toMatchObject({ s: [2] });
  });

  test('hold a bounded number of groups, whatever the number of their queries', async () => {
    await using server = await startServer({
      schema: SCHEMA,
      config: `${BASE_CONFIG}sse: true\nlimits:\n  held_groups: 5\n`,
    });
    for (const id of ['a', 'b']) await server.put(`orders/${id}`, { items: 1 });
    const [first, second] = ['orders?aggregate=count&group=id', 'orders?aggregate=count,sum(items)&group=id'];
    using one = await WsClient.subscribe(server.wsUrl(first));
    using same = await WsClient.subscribe(server.wsUrl(first));
    using other = await WsClient.subscribe(server.wsUrl(second));
    // Four are held. A record makes two more: for one of the two queries it is too many.
    await server.put('orders/c', { items: 1 });
    const problem = { code: 'TOO_MANY_GROUPS', message: expect.stringContaining('limits.held_groups') };
    expect(await other.control('error')).toMatchObject(problem);
    expect(await other.closed).toMatchObject({ code: 4400 });
    for (const client of [one, same]) await client.next((frame) => frame.id === '["c"]');
    using refused = await WsClient.open(server.wsUrl(second));
    expect(await refused.control('error')).toMatchObject(problem);
    // Those of subscriptions that have ended count no more.
    await Promise.all([one.close(), same.close()]);
    using last = await WsClient.subscribe(server.wsUrl(second));
    await server.ask('DELETE', 'orders/c');
    await last.next((frame) => frame.id === '["c"]' && frame.message_type === 'Delete');
  });

  test('are refused where they cannot be followed', async () => {
    await using server = await startServer({ schema: SCHEMA, config: `${BASE_CONFIG}sse: true\n` });
    const stream = { headers: { accept: 'text/event-stream' } };
    for (const [path, detail] of [
      ['orders?aggregate=count&delta=true', 'delta and aggregate'],
      ['orders?aggregate=count&echo=false', 'echo=false'],
      ['orders?count=true&echo=false', 'echo=false'],
      ['orders/a?aggregate=count', 'aggregate is for the channel of a table'],
      ['orders/a?count=true', 'count is for the channel of a table'],
      ['orders?group=status', 'needs aggregate, as in aggregate=count&group=status'],
      ['orders?having=count=gt=1', 'needs aggregate'],
    ] as const) {
      const answer = await server.ask('GET', path, stream);
      expect([path, answer.status, answer.record.detail]).toEqual([path, 400, expect.stringContaining(detail)]);
      expect((await refusedUpgrade(server.wsUrl(path))).status).toBe(400);
    }
    expect((await server.ask('GET', 'orders?group=status')).record.detail).toContain('needs aggregate');
    const multiplexed = await fetch(`${server.origin}${REALTIME}/subscribe?collection=orders&aggregate=count`);
    expect([multiplexed.status, await multiplexed.json()]).toMatchObject([400, { code: 'INVALID_QUERY' }]);
    using gateway = await GatewayClient.open(`${server.origin.replace('http', 'ws')}${REALTIME}/ws`);
    const refused = await gateway.ask({ action: 'subscribe', collection: 'orders', aggregate: 'count' });
    expect(refused).toMatchObject({ type: 'error', code: 'INVALID_MESSAGE', collection: 'orders' });
  });

  test('are those of the records that the caller may read', async () => {
    await using server = await startServer({
      schema: `type Bill @table @export(name: "bills")
        @access(read: "owner == $auth.sub", subscribe: "owner == $auth.sub", create: "owner == $auth.sub", update: "owner == $auth.sub") {
        id: ID! @primaryKey owner: ID amount: Int }`,
      config: `${BASE_CONFIG}sse: true\nauth:\n  jwt:\n    secret: \${JWT_SECRET}\n    issuer: us\n    audience: app\n`,
      env: { JWT_SECRET: SECRET },
    });
    const [ada, bob] = [bearer(accessToken('ada')), bearer(accessToken('bob'))];
    const put = (id: string, owner: string, amount: number) =>
      server.ask('PUT', `bills/${id}`, { json: { owner, amount }, ...(owner === 'ada' ? ada : bob) });
    expect((await put('1', 'ada', 5)).status).toBe(201);
    using mine = await SseClient.subscribe(server.url('bills?aggregate=count,sum(amount)'), ada);
    using counted = await SseClient.subscribe(server.url('bills?count=true&retained=true'), ada);
    await put('2', 'bob', 100);
    await put('3', 'ada', 7);
    expect((await mine.next('update')).json).toEqual({ count: 2, sum_amount: 12, $at: 0 });
    expect((await counted.next('total')).json).toMatchObject({ type: 'total', total: 2 });
    expect(mine.all('update')).toHaveLength(1);
  });
});

describe('count=true on a stream', { timeout: 120_000 }, () => {
  test('is the number of matching records at ready, and with each change of it', async () => {
    await using server = await startServer({ schema: SCHEMA, config: `${BASE_CONFIG}sse: true\n` });
    for (let n = 0; n < 5; n++) await server.put(`orders/${n}`, { status: 'OPEN', items: n });
    const query = 'orders?status==OPEN&count=true';
    using plain = await WsClient.open(server.wsUrl(query));
    using window = await WsClient.open(server.wsUrl(`${query}&sort=items&limit=2`));
    using sse = await SseClient.open(server.url(`${query}&sort=items&limit=2`));
    expect(await plain.ready()).toMatchObject({ total: 5 });
    expect(await window.ready()).toMatchObject({ total: 5 });
    expect((await sse.next('ready')).json).toMatchObject({ total: 5 });
    const v1 = await Promise.all(V1_KINDS.map((kind) => V1Client.open(`${server.origin}/my-app`, { kind })));
    for (const client of v1) {
      client.send({ type: 'subscribe', id: 1, query: `${query}&sort=items&limit=2` });
      expect(await client.next({ type: 'ready' })).toMatchObject({ total: 5 });
    }
    await server.put('orders/9', { status: 'OPEN', items: 9 });
    await server.ask('PATCH', 'orders/9', { json: { items: 10 } });
    await server.ask('DELETE', 'orders/0');
    await server.ask('PATCH', 'orders/1', { json: { status: 'PAID' } });
    const count = async () => (await server.ask('GET', query)).headers.get('x-total-count');
    expect(await count()).toBe('4');
    const totals = (client: WsClient) =>
      client.texts.map((text) => JSON.parse(text) as Json).flatMap(({ total }) => (total === undefined ? [] : [total]));
    await expect.poll(() => totals(plain)).toEqual([5, 6, 5, 4]);
    await expect.poll(() => totals(window)).toEqual([5, 6, 5, 4]);
    // A change outside of the window is told alone.
    expect(await window.control('total')).toMatchObject({ total: 6, seq: expect.any(Number) });
    await expect.poll(() => sse.all('total').map(({ total }) => total)).toEqual([6, 5, 4]);
    for (const client of v1) {
      const seen = () => client.messages.items.flatMap(({ total }) => (total === undefined ? [] : [total]));
      await expect.poll(seen).toEqual([5, 6, 5, 4]);
      client[Symbol.dispose]();
    }
  });

  test('is exact after a resume', async () => {
    await using server = await startServer({ schema: SCHEMA });
    for (let n = 0; n < 3; n++) await server.put(`orders/${n}`, { items: n });
    using first = await WsClient.open(server.wsUrl('orders?count=true'));
    const { seq } = await first.ready();
    await server.ask('DELETE', 'orders/0');
    await server.ask('DELETE', 'orders/1');
    await server.put('orders/1', { items: 2 });
    using second = await WsClient.open(server.wsUrl(`orders?count=true&since=${seq}`));
    expect(await second.ready()).toMatchObject({ total: 2 });
    expect((second.changes.items as unknown as readonly Json[]).map(({ total }) => total)).toEqual([2, 1, 2]);
  });
});
