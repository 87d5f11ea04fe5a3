import { describe, expect, test } from 'vitest';
import type { Json } from '../support/frames.ts';
import { type Running, start } from './running.ts';

const SCHEMA = `
type Item @table @export { id: ID! @primaryKey, n: Int, text: String, secret: String @hidden }
type Count @table @export { id: Int! @primaryKey, n: Int }
`;

async function seqOf(app: Running, method: string, path: string, json?: unknown): Promise<number> {
  const { status, headers } = await app.send(method, path, json);
  expect([method, path, status < 300]).toEqual([method, path, true]);
  return Number(headers.get('x-position') ?? headers.get('etag')?.replaceAll('"', ''));
}

function entriesOf({ body }: { readonly body: Json }): Json[] {
  return body.entries as Json[];
}

describe('the log', () => {
  test('is read back from the newest change, with what was before', async () => {
    const app = await start(SCHEMA);
    await app.send('PUT', 'Item/a', { n: 1, text: 'x', secret: 's' });
    await app.send('PATCH', 'Item/a', { n: 2 });
    await app.send('PUT', 'Count/7', { n: 1 });
    await app.send('DELETE', 'Item/a');
    const answer = await app.admin('log?table=Item');
    expect(answer.body).toMatchObject({ next: null });
    expect(entriesOf(answer)).toMatchObject([
      { table: 'Item', op: 'delete', id: 'a', data: null, before: { id: 'a', n: 2, text: 'x' } },
      { table: 'Item', op: 'update', id: 'a', data: { n: 2, text: 'x' }, before: { n: 1 } },
      { table: 'Item', op: 'create', id: 'a', data: { n: 1, text: 'x' }, before: null },
    ]);
    expect(JSON.stringify(answer.body)).not.toContain('secret');
    const all = entriesOf(await app.admin('log'));
    expect(all.map(({ table, op }) => `${table} ${op}`)).toEqual([
      'Item delete',
      'Count create',
      'Item update',
      'Item create',
    ]);
    expect(new Date(String(all[0]?.time)).getTime()).toBe(Math.trunc(Number(all[0]?.seq) / 1000));
  });

  test.each([false, true])('goes on page by page without a gap, forwards: %s', async (isForward) => {
    const app = await start(SCHEMA);
    for (let n = 0; n < 12; n++) await app.send('PUT', n % 3 === 0 ? `Count/${n}` : 'Item/a', { n });
    const found: unknown[] = [];
    let next: unknown = isForward ? 0 : undefined;
    for (let page = 0; page < 10 && next !== null; page++) {
      const from = next === undefined ? '' : `&${isForward ? 'since' : 'before'}=${next}`;
      const { body } = await app.admin(`log?limit=3${from}`);
      found.push(...(body.entries as Json[]).map(({ data }) => (data as Json).n));
      next = body.next;
    }
    const written = Array.from({ length: 12 }, (_, n) => n);
    expect(found).toEqual(isForward ? written : written.toReversed());
    const ofRecord = entriesOf(await app.admin('log?table=Item&id=a&limit=2'));
    expect(ofRecord.map(({ data }) => (data as Json).n)).toEqual([11, 10]);
  });

  test('looks at limits.scan entries at most, and says where to go on', async () => {
    const app = await start(SCHEMA, 'limits: {scan: 5}\n');
    await app.send('PUT', 'Item/old', { n: 0 });
    for (let n = 1; n < 12; n++) await app.send('PUT', 'Item/a', { n });
    const first = await app.admin('log?table=Item&id=old');
    expect(entriesOf(first)).toEqual([]);
    const second = await app.admin(`log?table=Item&id=old&before=${first.body.next}`);
    const third = await app.admin(`log?table=Item&id=old&before=${second.body.next}`);
    expect([entriesOf(second), entriesOf(third).length, third.body.next]).toEqual([[], 1, null]);
  });

  test.each([
    ['log?table=Itme', 'INVALID_QUERY', 'table: there is no table "Itme"; did you mean "Item"?'],
    ['log?id=a', 'INVALID_QUERY', 'id: needs table'],
    ['log?since=1&before=2', 'INVALID_QUERY', 'before: cannot be combined with since'],
    ['log?since=x', 'INVALID_QUERY', 'since: expected a seq; found "x"'],
    ['log?limit=0', 'INVALID_QUERY', 'limit: expected an integer from 1 to 1000; found "0"'],
    ['log?table=Count&id=x', 'INVALID_ID', 'The id must be an integer within ±(2^53−1).'],
    ['at?seq=1', 'INVALID_QUERY', 'table: is needed'],
    ['at?table=Item', 'INVALID_QUERY', 'seq: is needed'],
    ['at?table=Item&seq=9007199254740991', 'INVALID_POSITION', expect.stringContaining('is after the newest one')],
    ['at?table=Item&seq=1', 'NOT_FOUND', expect.stringContaining('does not reach back to 1')],
  ])('refuses %s', async (path, code, detail) => {
    const { body } = await (await start(SCHEMA)).admin(path);
    expect([body.code, body.detail]).toEqual([code, detail]);
  });
});

describe('the state at a position', () => {
  test('is that of the time, record by record and page by page', async () => {
    const app = await start(SCHEMA);
    let state = new Map<string, Json>();
    const states: [seq: number, records: Json[]][] = [];
    let random = 7;
    const next = (below: number) => {
      random = (random * 48_271) % 2_147_483_647;
      return random % below;
    };
    for (let step = 0; step < 60; step++) {
      const id = `k${next(9)}`;
      const isGone = state.has(id) && next(3) === 0;
      if (isGone) await seqOf(app, 'DELETE', `Item/${id}`);
      else await seqOf(app, 'PUT', `Item/${id}`, { n: step, text: `t${step}` });
      state = new Map(state);
      if (isGone) state.delete(id);
      else state.set(id, { id, n: step, text: `t${step}` });
      const [newest] = entriesOf(await app.admin('log?table=Item&limit=1'));
      const sorted = [...state.values()].sort((a, b) => (String(a.id) < String(b.id) ? -1 : 1));
      states.push([Number(newest?.seq), sorted]);
    }
    for (const [seq, records] of states) {
      const { body } = await app.admin(`at?table=Item&seq=${seq}`);
      expect([seq, body.records, body.next]).toEqual([seq, records, null]);
      const paged: Json[] = [];
      let after: unknown = null;
      do {
        const page = await app.admin(`at?table=Item&seq=${seq}&limit=2${after === null ? '' : `&after=${after}`}`);
        paged.push(...(page.body.records as Json[]));
        after = page.body.next;
      } while (after !== null);
      expect(paged).toEqual(records);
      const one = await app.admin(`at?table=Item&seq=${seq}&id=k3`);
      expect(one.body.record).toEqual(records.find(({ id }) => id === 'k3') ?? null);
    }
  }, 60_000);

  test('is not made of more changes than limits.scan', async () => {
    const app = await start(SCHEMA, 'limits: {scan: 500}\n');
    await app.send('PUT', 'Item/a', { n: 0 });
    const [first] = entriesOf(await app.admin('log'));
    const many = Array.from({ length: 500 }, (_, n) => ({ id: `m${n}`, n }));
    expect((await app.send('POST', 'Item', many)).status).toBeLessThan(300);
    const { status, body } = await app.admin(`at?table=Item&seq=${first?.seq}`);
    expect([status, body.code]).toEqual([400, 'SCAN_TOO_LARGE']);
  });
});
