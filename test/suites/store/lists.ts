import { describe, expect, test } from 'vitest';
import {
  formatCursor,
  LIST_PARAMETERS,
  type ListQuery,
  parseQueryFor,
  totalOrder,
  toUnits,
} from '../../../src/query/index.ts';
import { LIMITS } from '../../query/tables.ts';
import { codeOf, type EngineUnderTest, StoreHarness } from './harness.ts';

const SDL = 'type T @table { id: ID! @primaryKey n: Int @indexed text: String f: Float b: Boolean l: Long }';
const REFUSED = 'SCAN_TOO_LARGE';

export function listsSuite(subject: EngineUnderTest): void {
  const open = (sdl = SDL, options = {}) => StoreHarness.open(subject, sdl, options);

  /** Records whose sort keys have nulls and ties. */
  async function filled(): Promise<StoreHarness> {
    const harness = await open();
    const rows = [
      ['a', 2, 'b', 0.5, 1, 5],
      ['b', null, 'B', -1, 0, 2n ** 60n],
      ['c', 1, null, 1e21, null, null],
      ['d', 2, '😀', null, 1, -(2n ** 60n)],
      ['e', null, '\uff5e', 0.5, 0, 5],
      ['f', 1, '', 2, null, 2n ** 60n + 1n],
    ] as const;
    await harness.commit(rows.map((cells) => harness.of({ type: 'put', id: cells[0], cells })));
    return harness;
  }

  describe('totals', () => {
    const read = async ({ store, table }: StoreHarness, query: ListQuery) => store.aggregate(table, query);

    const totalsOf = async (query: string) => {
      const harness = await filled();
      const { groups, seq } = await read(harness, harness.query(query));
      expect(seq).toBe(harness.store.lastSeq);
      return groups.toSorted((a, b) => String(a.key).localeCompare(String(b.key)));
    };

    test('of all records have exact sums and ends, and leave nulls out', async () => {
      const [only, ...others] = await totalsOf('aggregate=count,sum(l),sum(f),min(text),max(text),count(n)');
      expect(others).toEqual([]);
      expect(only).toMatchObject({ key: [], count: 6 });
      expect(only?.fields).toEqual([
        { count: 5, sum: 2n ** 60n + 11n, min: null, max: null },
        {
          count: 5,
          sum: [0.5, -1, 1e21, 0.5, 2].reduce((sum, value) => sum + toUnits(value), 0n),
          min: null,
          max: null,
        },
        { count: 5, sum: 0n, min: '', max: '😀' },
        { count: 4, sum: 0n, min: null, max: null },
      ]);
    });

    test('of sums beyond 64 bits have every digit', async () => {
      const harness = await open();
      const rows = Array.from({ length: 9 }, (_, n) => [`r${n}`, 1, null, null, null, 2n ** 63n - 1n] as const);
      await harness.commit(rows.map((cells) => harness.of({ type: 'put', id: cells[0], cells })));
      const { groups } = await read(harness, harness.query('aggregate=sum(l),max(l)&group=n'));
      expect(groups).toEqual([
        {
          key: [1],
          count: 9,
          fields: [{ count: 9, sum: 9n * (2n ** 63n - 1n), min: 2n ** 63n - 1n, max: 2n ** 63n - 1n }],
        },
      ]);
    });

    test('are by group, of which null is one, and of the records that match', async () => {
      expect((await totalsOf('aggregate=count&group=n')).map(({ key, count }) => [key, count])).toEqual([
        [[null], 2],
        [[1], 2],
        [[2], 2],
      ]);
      expect((await totalsOf('aggregate=count&group=n,b&n=gt=1')).map(({ key, count }) => [key, count])).toEqual([
        [[2, 1], 2],
      ]);
    });

    test('of no records are one without groups, and none with', async () => {
      expect(await totalsOf('aggregate=count,sum(f),min(n)&id==none')).toEqual([
        {
          key: [],
          count: 0,
          fields: [
            { count: 0, sum: 0n, min: null, max: null },
            { count: 0, sum: 0n, min: null, max: null },
          ],
        },
      ]);
      expect(await totalsOf('aggregate=count&group=n&id==none')).toEqual([]);
    });

    test('of too many groups, or of a large table without an index for the condition, are refused', async () => {
      const harness = await open(SDL, { largestScan: 3 });
      const rows = ['a', 'b', 'c', 'd'].map((id, n) => [id, n, id, null, null, null] as const);
      await harness.commit(rows.map((cells) => harness.of({ type: 'put', id: cells[0], cells })));
      const bounded = async (query: string, groups = 1000) => {
        const parsed = harness.query(query);
        const aggregate = { ...parsed.aggregate, maxGroups: groups } as NonNullable<ListQuery['aggregate']>;
        return read(harness, { ...parsed, aggregate });
      };
      expect(await codeOf(bounded('aggregate=count'))).toBe(REFUSED);
      expect(await codeOf(bounded('aggregate=count&text==a'))).toBe(REFUSED);
      expect(await codeOf(bounded('aggregate=count&group=n&n=ge=0', 3))).toBe('TOO_MANY_GROUPS');
      expect((await bounded('aggregate=count&group=n&n=ge=0', 4)).groups).toHaveLength(4);
    });
  });

  describe('a list', () => {
    test.each([
      ['', 'a b c d e f'],
      ['sort=-id', 'f e d c b a'],
      ['sort=n', 'b e c f a d'],
      ['sort=-n', 'a d c f b e'],
      ['sort=-n,-id', 'd a f c e b'],
      ['sort=text', 'c f b a e d'],
      ['sort=-text', 'd e a b f c'],
      ['sort=f,-text', 'd b e a f c'],
      ['sort=b,n', 'c f b e a d'],
      ['sort=l', 'c d a e b f'],
      ['sort=-l', 'f b a e d c'],
      ['sort=-b,f,-n', 'd a b e f c'],
    ])('%s has the order %s', async (query, expected) => {
      const harness = await filled();
      expect(await harness.ids(query)).toBe(expected);
      const wanted = expected.split(' ');
      expect((await harness.store.records(harness.table, harness.query(query))).map(({ id }) => id)).toEqual(wanted);
      for (const limit of [1, 2, 4]) {
        const walked: string[] = [];
        for (let cursor: string | undefined = ''; cursor !== undefined; ) {
          const next = cursor === '' ? '' : `&cursor=${cursor}`;
          const page = await harness.list(`${query}&limit=${limit}&select=id${next}`);
          if (walked.length > 50) throw new Error('The pages do not come to an end.');
          walked.push(...(JSON.parse(page.json) as { id: string }[]).map(({ id }) => id));
          cursor = page.next;
        }
        expect(walked, `pages of ${limit}`).toEqual(wanted);
      }
    });

    test('gives a cursor until there is no further page, and counts what matches in all', async () => {
      const harness = await open();
      for (let n = 0; n < 5; n++) await harness.put(`${n}`, n % 2, `x${n}`);
      const first = await harness.list('sort=-n&limit=2&select=id&count=true');
      expect(first).toEqual({ json: '[{"id":"1"},{"id":"3"}]', next: expect.stringMatching(/^[\w-]+$/), total: 5 });
      const second = await harness.list(`sort=-n&limit=2&select=id&cursor=${first.next}`);
      expect(second).toEqual({ json: '[{"id":"0"},{"id":"2"}]', next: expect.any(String) });
      // What comes and goes between pages moves nothing.
      await harness.put('00', 1, 'new');
      await harness.delete('2');
      expect(await harness.list(`sort=-n&limit=2&select=id&cursor=${second.next}`)).toEqual({ json: '[{"id":"4"}]' });
      expect(await harness.list('n=1&limit=2&count=true')).toMatchObject({ total: 3, next: expect.any(String) });
      expect(await harness.list('n=1&limit=3&count=true')).not.toHaveProperty('next');
      expect(await harness.list('n=7&count=true')).toEqual({ json: '[]', total: 0 });
    });

    test('gives the cursor of the order that it has', async () => {
      const harness = await filled();
      const query = harness.query('sort=-l&limit=2');
      const { next } = await harness.store.list(harness.table, query);
      expect(next).toBe(formatCursor(totalOrder(query.sort, harness.table), [2n ** 60n, 'b']));
    });

    test('begins after an offset', async () => {
      const harness = await filled();
      expect(await harness.ids('offset=4')).toBe('e f');
      expect(await harness.ids('sort=n&offset=1&limit=2')).toBe('e c');
      expect(await harness.list('offset=9')).toEqual({ json: '[]' });
      expect(await harness.list('offset=5&count=true')).toMatchObject({ total: 6 });
    });

    test('has the chosen fields, with the key, in the order of the schema', async () => {
      const harness = await filled();
      expect((await harness.list('select=text,n&limit=1')).json).toBe('[{"id":"a","n":2,"text":"b"}]');
      expect((await harness.list('n=1&limit=1&select=l')).json).toBe('[{"id":"c","l":null}]');
      const [record] = await harness.store.records(harness.table, harness.query('select=n&limit=1'));
      expect(JSON.parse(record?.json ?? '')).toHaveProperty('text', 'b');
    });

    test('is sorted where fields are called as a database may call the number of a row', async () => {
      const names = ['rowid', 'oid', 'key', 'value', 'order'];
      const fields = names.map((name) => `${name}: Int`).join(' ');
      const harness = await open(`type T @table { id: ID! @primaryKey n: Int ${fields} }`);
      for (const n of [3, 1, 2]) await harness.put(`${n}`, n, ...names.map(() => 1));
      expect(await harness.ids('sort=-n')).toBe('3 2 1');
      expect(await harness.ids('sort=order,-n&key=1')).toBe('3 2 1');
    });

    test('shows what a view shows: its records alone, and of these some fields where a condition holds', async () => {
      const harness = await filled();
      const { table } = harness;
      const [own, named] = ['b=true', 'n=2'].map((query) => harness.query(query).filter);
      const text = table.fields.find(({ name }) => name === 'text');
      if (own === undefined || named === undefined || text === undefined) throw new Error('They are in the schema.');
      const readable = table.fields.filter(({ name }) => ['id', 'n', 'text'].includes(name));
      const nameable = readable.filter((field) => field !== text);
      const of = (filter = own) => ({ readable, nameable, masked: [{ field: text, filter: named }], filter });
      const parse = (query: string, filter = own): ListQuery =>
        parseQueryFor(query, {
          table,
          limits: LIMITS,
          reserved: LIST_PARAMETERS,
          view: { key: 'v', of: () => of(filter) },
        });
      expect(await harness.store.list(table, parse('count=true'))).toEqual({
        json: '[{"id":"a","n":2,"text":"b"},{"id":"d","n":2,"text":"😀"}]',
        total: 2,
      });
      const some = harness.query('f=0.5').filter;
      expect((await harness.store.list(table, parse('', some))).json).toBe(
        '[{"id":"a","n":2,"text":"b"},{"id":"e","n":null}]',
      );
    });
  });

  describe('a query without an index', () => {
    const fill = async (harness: StoreHarness, ...ids: readonly string[]) => {
      for (const id of ids) await harness.put(id, 1, 'x');
    };

    test('is answered up to a size of the table, and refused beyond it', async () => {
      const harness = await open(SDL, { largestScan: 3 });
      await fill(harness, 'a', 'b', 'c');
      expect(await harness.ids('text=x')).toBe('a b c');
      await fill(harness, 'd');
      for (const query of ['text=x', 'sort=text', 'n=1|text=x', 'text=ct=x&sort=n', 'text=x&sort=id&limit=1']) {
        expect(await codeOf(harness.list(query)), query).toBe(REFUSED);
      }
      for (const query of ['', 'n=1', 'n=1&text=x', 'n=1&sort=text', 'sort=n', 'sort=-id', 'id=a&text=x', 'n=1|n=2']) {
        expect(await codeOf(harness.list(query)), query).toBe('done');
      }
      const { store, table } = harness;
      expect(await codeOf((async () => store.records(table, harness.query('text=x')))())).toBe(REFUSED);
      await harness.delete('d');
      expect(await harness.ids('text=x')).toBe('a b c');
      await fill(harness, 'e');
      expect(await codeOf(harness.list('text=x'))).toBe(REFUSED);
    });

    test('is one with an index over several fields that begins with them', async () => {
      const index = '@compositeIndex(fields: ["room", "made"])';
      const sdl = `type T @table ${index} { id: ID! @primaryKey room: String made: Int text: String }`;
      const harness = await open(sdl, { largestScan: 2 });
      for (const [id, room, made] of [
        ['1', 'a', 1],
        ['2', 'a', 2],
        ['3', 'b', 1],
      ] as const)
        await harness.put(id, room, made);
      expect(await harness.ids('room=a&made=2&sort=-text')).toBe('2');
      expect(await harness.ids('sort=room,made')).toBe('1 2 3');
      for (const query of ['made=1', 'sort=made', 'room=a|made=1']) {
        expect(await codeOf(harness.list(query)), query).toBe(REFUSED);
      }
    });

    test('is one for words without an index of words', async () => {
      const sdl = (index: string) => `type T @table { id: ID! @primaryKey text: String ${index} }`;
      for (const [index, expected] of [
        ['', REFUSED],
        ['@indexed(type: "fulltext")', 'done'],
      ] as const) {
        const harness = await open(sdl(index), { largestScan: 2 });
        for (const id of ['a', 'b', 'c']) await harness.put(id, 'some words');
        expect(await codeOf(harness.list('text=ft=words'))).toBe(expected);
        expect(await codeOf(harness.list('!(text=ft=words)'))).toBe(REFUSED);
      }
    });
  });
}
