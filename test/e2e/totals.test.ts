import { describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer } from '../support/app.ts';

const SCHEMA = `
enum Status { OPEN PAID }
type Order @table @export(name: "orders") {
  id: ID! @primaryKey
  status: Status
  total: Float
  items: Int @indexed
  paidAt: Date
}
`;

describe('totals of a list', { timeout: 120_000 }, () => {
  test('are one result for each group, in the order and within the condition asked for', async () => {
    await using server = await startServer({ schema: SCHEMA });
    const rows = [
      { id: 'a', status: 'OPEN', total: 0.1, items: 1 },
      { id: 'b', status: 'OPEN', total: 0.2, items: 2, paidAt: '2025-01-02' },
      { id: 'c', status: 'PAID', total: 1e308, items: 9007199254740991 },
      { id: 'd', status: 'PAID', total: 1e308, items: 9007199254740991 },
      { id: 'e', total: null, items: null },
    ];
    expect((await server.ask('POST', 'orders', { json: rows })).status).toBe(201);
    const get = async (query: string) => (await server.ask('GET', `orders?${query}`)).records;
    expect(await get('aggregate=count,sum(total),avg(items),max(paidAt)&group=status')).toEqual([
      { status: null, count: 1, sum_total: null, avg_items: null, max_paidAt: null },
      {
        status: 'OPEN',
        count: 2,
        sum_total: 0.30000000000000004,
        avg_items: 1.5,
        max_paidAt: '2025-01-02T00:00:00.000Z',
      },
      { status: 'PAID', count: 2, sum_total: null, avg_items: 9007199254740991, max_paidAt: null },
    ]);
    expect(await get('aggregate=sum(items)&status==PAID')).toEqual([{ sum_items: '18014398509481982' }]);
    expect(await get('aggregate=count,sum(items)&group=status&having=count=gt=1&sort=-sum_items&limit=1')).toEqual([
      { status: 'PAID', count: 2, sum_items: '18014398509481982' },
    ]);
    expect(await get('aggregate=count&items=gt=1&group=status&having=count==1')).toEqual([
      { status: 'OPEN', count: 1 },
    ]);
    expect(await get('aggregate=count,min(total)&id==none')).toEqual([{ count: 0, min_total: null }]);
    const csv = await server.ask('GET', 'orders?aggregate=count&group=status', { headers: { accept: 'text/csv' } });
    expect(csv.text.replaceAll('\r', '')).toBe('status,count\n,1\nOPEN,2\nPAID,2\n');
  });

  test('change their tag with the table, and come again after a write', async () => {
    await using server = await startServer({ schema: SCHEMA });
    await server.put('orders/a', { status: 'OPEN', total: 1 });
    const path = 'orders?aggregate=sum(total)';
    const first = await server.ask('GET', path);
    const headers = { 'if-none-match': first.headers.get('etag') ?? '' };
    expect((await server.ask('GET', path, { headers })).status).toBe(304);
    await server.put('orders/a', { status: 'OPEN', total: 2 });
    expect((await server.ask('GET', path, { headers })).records).toEqual([{ sum_total: 2 }]);
  });

  test('of too many groups are refused', async () => {
    await using server = await startServer({ schema: SCHEMA, config: `${BASE_CONFIG}limits:\n  groups: 2\n` });
    for (const id of ['a', 'b', 'c']) await server.put(`orders/${id}`, {});
    const refused = await server.ask('GET', 'orders?aggregate=count&group=id');
    expect([refused.status, refused.record.code]).toEqual([400, 'TOO_MANY_GROUPS']);
  });
});
