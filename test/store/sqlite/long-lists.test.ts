import { statSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { parseListQuery } from '../../../src/query/index.ts';
import type { Write } from '../../../src/store/rows/write.ts';
import { CHECKPOINT_PAGES } from '../../../src/store/sqlite/database/open.ts';
import { DurableStore, WalFlush } from '../../../src/store/sqlite/durable-store.ts';
import type { ListPage } from '../../../src/store/store.ts';
import { LIMITS } from '../../query/tables.ts';
import { insert, type OpenStore, onlyTable, StoreFolder } from '../stores.ts';

const SDL = 'type T @table { id: ID! @primaryKey n: Int @indexed text: String }';
const RECORDS = 5000;
const LONG = { ...LIMITS, pageMax: 10_000 };

function stored(): { readonly folder: StoreFolder; readonly open: OpenStore } {
  const folder = new StoreFolder();
  const open = folder.open(SDL);
  const rows = Array.from({ length: RECORDS }, (_, n) => [`r${String(n).padStart(4, '0')}`, n % 7, 'x'.repeat(n % 90)]);
  insert(open, ...rows);
  return { folder, open };
}

const queryOf = (open: OpenStore, text: string) => parseListQuery(text, onlyTable(open), LONG, new Set());
const idsOf = ({ json }: ListPage) => (JSON.parse(json) as { id: string }[]).map(({ id }) => id);
const put = (open: OpenStore, id: string): Write => ({ type: 'put', table: onlyTable(open), id, cells: [id, 0, null] });

/** Returns the records of a list by its pages, each short enough to be read at once. */
function readPages(open: OpenStore, text: string, limit: number): { readonly ids: string[]; readonly last?: ListPage } {
  const ids: string[] = [];
  for (let cursor = ''; ; ) {
    const page = open.store.list(onlyTable(open), queryOf(open, `${text}&limit=500${cursor}`)) as ListPage;
    ids.push(...idsOf(page));
    if (page.next === undefined || ids.length >= limit) return { ids: ids.slice(0, limit), last: page };
    cursor = `&cursor=${encodeURIComponent(page.next)}`;
  }
}

describe('a long list', () => {
  test.each(['', 'n=2', 'n=gt=1&sort=-n', 'sort=-id', 'sort=-text,n&select=id,n', 'n=9'])(
    'has the records of its pages: %s',
    async (text) => {
      const { open } = stored();
      for (const limit of [1001, 3500, 10_000]) {
        const list = open.store.list(onlyTable(open), queryOf(open, `${text}&limit=${limit}&count=true`));
        expect(list).toBeInstanceOf(Promise);
        const page = await list;
        const { ids } = readPages(open, text, limit);
        expect(idsOf(page)).toEqual(ids);
        const all = readPages(open, text, RECORDS).ids;
        expect(page.total).toBe(all.length);
        expect(page.next === undefined).toBe(all.length <= limit);
        if (page.next === undefined) continue;
        const rest = await open.store.list(onlyTable(open), queryOf(open, `${text}&limit=10000&cursor=${page.next}`));
        expect([...ids, ...idsOf(rest)]).toEqual(all);
      }
    },
  );

  test('is as the table was when it was asked for, and lets others go on meanwhile', async () => {
    const { open } = stored();
    const list = Promise.resolve(open.store.list(onlyTable(open), queryOf(open, 'limit=10000')));
    let turns = 0;
    let isDone = false;
    void list.finally(() => {
      isDone = true;
    });
    while (!isDone) {
      open.store.commit([
        [put(open, `new-${turns}`), { type: 'delete', table: onlyTable(open), id: `r${4999 - turns}` }],
      ]);
      turns++;
      await setImmediate();
    }
    expect(idsOf(await list)).toEqual(Array.from({ length: RECORDS }, (_, n) => `r${String(n).padStart(4, '0')}`));
    expect(turns).toBeGreaterThan(1);
    const after = idsOf(await open.store.list(onlyTable(open), queryOf(open, 'limit=10000')));
    expect(after).toContain('new-0');
    expect(after).not.toContain('r4999');
  });

  test('is read at once while several others are read in slices', async () => {
    const { open } = stored();
    const lists = Array.from({ length: 6 }, () => open.store.list(onlyTable(open), queryOf(open, 'limit=2000')));
    expect(lists.map((list) => list instanceof Promise)).toEqual([true, true, true, true, false, false]);
    for (const list of lists) expect(idsOf(await list)).toHaveLength(2000);
    expect(open.store.list(onlyTable(open), queryOf(open, 'limit=2000'))).toBeInstanceOf(Promise);
  });

  test('of a store that closes is read to its end', async () => {
    const { folder, open } = stored();
    const list = open.store.list(onlyTable(open), queryOf(open, 'limit=10000'));
    folder.close();
    expect(idsOf(await list)).toHaveLength(RECORDS);
    expect(folder.query('SELECT count(*) AS n FROM "data/T"')).toEqual([{ n: RECORDS }]);
  });

  test('shows nothing of a commit that is not on the disk, however many follow each other', async () => {
    const { folder, open } = stored();
    const table = onlyTable(open);
    const flushed = new DurableStore(open.store, new WalFlush(folder.file, 0));
    await flushed.commit([[put(open, 'a0')]]);
    const query = queryOf(open, 'id=sw=a&limit=5000');
    for (let n = 1; n < 40; n++) {
      const commit = Promise.resolve(flushed.commit([[put(open, `a${n}`)]]));
      const { lastSeq } = flushed;
      const page = await flushed.list(table, query);
      const ids = idsOf(page);
      // As it was before this commit; the first one, which was not expected, as it is after it.
      if (n > 1) expect([ids.length, flushed.lastSeq === lastSeq || ids.length === n]).toEqual([n, true]);
      await commit;
    }
  });

  test('does not let the write-ahead log grow without end', async () => {
    const { folder, open } = stored();
    const text = 'x'.repeat(100_000);
    let list = open.store.list(onlyTable(open), queryOf(open, 'select=id&limit=10000'));
    for (let n = 0; n < 150; n++) {
      const group = [{ ...put(open, `big${n}`), cells: [`big${n}`, 0, text] }] as Write[];
      open.store.commit([group]);
      if (n % 3 === 0) {
        await list;
        list = open.store.list(onlyTable(open), queryOf(open, 'select=id&limit=10000'));
      }
    }
    await list;
    expect(statSync(`${folder.file}-wal`).size).toBeLessThan(2 * CHECKPOINT_PAGES * 4096);
  });
});
