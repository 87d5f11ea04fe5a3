import { afterAll, beforeAll, expect, test } from 'vitest';
import { startServer, type TestServer } from '../support/app.ts';

const SCHEMA = 'type T @table @export { id: Int! @primaryKey  name: String  n: Int  ok: Boolean  at: Date }';

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ schema: SCHEMA });
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

const csv = (body: string) => server.ask('POST', 'T', { body, headers: { 'content-type': 'text/csv' } });

test('a table of a spreadsheet and of a data frame is stored as it is', async () => {
  const sheet = await csv('\ufeffid,name,n,ok,at\r\n1,Ann,3.0,TRUE,2025-01-15 10:30:00\r\n,,,,\r\n,,,,\r\n');
  const frame = await csv('id,name,n,ok,at\n2.0,Bob,4.0,True,2025-01-15 10:30:00+02\n3.0,Cid,,False,20250115\n');
  expect([sheet.status, frame.status]).toEqual([201, 201]);
  expect([...sheet.records, ...frame.records]).toEqual([
    { id: 1, name: 'Ann', n: 3, ok: true, at: '2025-01-15T10:30:00.000Z' },
    { id: 2, name: 'Bob', n: 4, ok: true, at: '2025-01-15T08:30:00.000Z' },
    { id: 3, name: 'Cid', n: null, ok: false, at: '2025-01-15T00:00:00.000Z' },
  ]);
  const other = await csv('id;name\n4;Dan\n');
  expect([other.status, other.record.detail]).toEqual([400, expect.stringContaining('separated by ";"')]);
});

test.each([
  ['at=20250115T083000Z', [2]],
  ['at=2025-01-15T10:30:00%2B02', [2]],
  ['at=date:20250115', [3]],
  ['at=ge=20250115T1000Z', [1]],
  ['filter=at>2025-01-15T09:00-01', [1]],
])('a query has dates in the same forms: %s', async (query, ids) => {
  const { status, records } = await server.ask('GET', `T?${query}`);
  expect([status, records.map(({ id }) => id)]).toEqual([200, ids]);
});
