// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the expressions have templates of their own.
import { describe, expect, test } from 'vitest';
import { parseListQuery } from '../../../src/query/index.ts';
import { MigrationRefusedError } from '../../../src/store/open-errors.ts';
import type { Cell } from '../../../src/store/store.ts';
import { LIMITS } from '../../query/tables.ts';
import { insert, listJson, type OpenStore, onlyTable, records, StoreFolder } from '../stores.ts';

const NONE: ReadonlySet<string> = new Set();
const schema = (more: string, price = 'Float') =>
  `type T @table { id: ID! @primaryKey name: String price: ${price} count: Long ${more} }`;
const TOTAL = 'total: Float @computed(from: "price * count") @indexed';
const LABEL = 'label: String @computed(from: "`${lower(name)}!`") @unique';

function find(open: OpenStore, query: string): unknown {
  const table = onlyTable(open);
  return JSON.parse(listJson(open, table, parseListQuery(query, table, LIMITS, NONE)));
}

describe('a computed field', () => {
  test.each<[string, string, readonly Cell[], unknown]>([
    ['Int', 'round(price)', [2.5, null], 3],
    ['Int', 'count', [null, '9007199254740992'], null],
    ['Long', 'count + 1', [null, Number.MAX_SAFE_INTEGER], null],
    ['Long', 'count * -1', [null, 0], 0],
    ['Float', 'price / count', [1, 0], null],
    ['Boolean', 'price > count', [1, 2], false],
    ['Date', 'date(`2025-01-0${count}`)', [null, 7], '2025-01-07T00:00:00.000Z'],
    ['Size', "price > 10 ? 'large' : 'tiny'", [11, null], 'large'],
    ['Size', "price > 10 ? 'large' : 'tiny'", [1, null], null],
    ['String', 'string(price) + ` ${count}`', [1e21, 5], '1e+21 5'],
  ])('of type %s: %s of %j is %j', (type, from, [price = null, count = null], value) => {
    const sdl = `enum Size { small large } ${schema(`f: ${type} @computed(from: "${from}")`)}`;
    const folder = new StoreFolder();
    const open = folder.open(sdl);
    const long = typeof count === 'string' ? BigInt(count) : count;
    insert(open, ['a', null, price, long, null]);
    expect(records(open)).toMatchObject([{ f: value }]);
    // A start that computes it for what is there gives the same.
    const later = new StoreFolder();
    insert(later.open(`enum Size { small large } ${schema('')}`), ['a', null, price, long]);
    expect(records(later.open(sdl))).toEqual(records(folder.open(sdl)));
  });

  test('has words and lists in it', () => {
    const sdl = `type T @table { id: ID! @primaryKey title: String tags: [String!]
      all: String @computed(from: "concat(title, ' ', join(tags, ' '))") @indexed(type: "fulltext") }`;
    const open = new StoreFolder().open(sdl, { largestScan: 0 });
    insert(open, ['a', 'Crème', '["hot","brûlée"]', null], ['b', null, null, null]);
    expect(find(open, 'all=ft=brulee%20creme&select=all')).toEqual([{ id: 'a', all: 'Crème hot brûlée' }]);
    expect(find(open, 'id=b&select=all')).toEqual([{ id: 'b', all: ' ' }]);
  });
});

describe('a data directory', () => {
  function stored(): StoreFolder {
    const folder = new StoreFolder();
    insert(folder.open(schema('')), ['a', 'Box', 2, 3], ['b', null, 2, 2n ** 60n]);
    return folder;
  }

  test('without it gets it for what is stored, silently', () => {
    const folder = stored();
    const before = folder.open(schema(''));
    const seqs = before.store.page(onlyTable(before), undefined, 9).map(({ seq }) => seq);
    const { lastSeq: head } = before.store;
    const open = folder.open(schema(`${TOTAL} ${LABEL}`));
    expect(open.notices).toEqual([
      'add column data.T.total (existing records get what their other fields give)',
      'create an index of data.T.total',
      'add column data.T.label (existing records get what their other fields give)',
      'make data.T.label unique: possible only while no value occurs twice',
    ]);
    expect(records(open)).toEqual([
      { id: 'a', name: 'Box', price: 2, count: 3, total: 6, label: 'box!' },
      { id: 'b', name: null, price: 2, count: String(2n ** 60n), total: null, label: null },
    ]);
    expect(open.store.lastTableSeq(onlyTable(open))).toBe(head);
    expect(open.store.resumeFloor(onlyTable(open))).toBeGreaterThan(head);
    expect(open.store.page(onlyTable(open), undefined, 9).map(({ seq }) => seq)).toEqual(seqs);
    expect(folder.open(schema(`${TOTAL} ${LABEL}`)).notices).toEqual([]);
  });

  test('is computed anew when the expression or the type changes', () => {
    const folder = stored();
    folder.open(schema(TOTAL));
    const open = folder.open(schema('total: Int @computed(from: "round(price) + count")'));
    expect(open.notices).toEqual(['compute data.T.total again in every record', 'drop the index of data.T.total']);
    expect(records(open)).toMatchObject([{ total: 5 }, { total: null }]);
    const textual = folder.open(schema('total: Int @computed(from: "length(string(price))")', 'Int'), {
      allowDestructive: true,
    });
    expect(records(textual)).toMatchObject([{ price: 2, total: 1 }, { total: 1 }]);
    expect(records(folder.open(schema('total: Int')))).toMatchObject([{ total: 1 }, { total: 1 }]);
  });

  test('keeps what was written there, until its loss is allowed', () => {
    const folder = new StoreFolder();
    insert(
      folder.open(schema('label: String')),
      ['a', 'Box', 2, 3, 'box!'],
      ['b', 'Cup', 2, 3, 'mine'],
      ['c', 'Axe', 2, 3, null],
    );
    const before = folder.contents();
    let refusal = '';
    try {
      folder.open(schema(LABEL));
    } catch (error) {
      if (!(error instanceof MigrationRefusedError)) throw error;
      refusal = error.message;
    }
    expect(refusal).toContain('compute data.T.label in every record, in place of what was written there');
    expect(refusal).toContain('LOSES DATA: 1 record ("b": "mine")');
    expect(folder.contents()).toEqual(before);
    expect(records(folder.open(schema(LABEL), { allowDestructive: true }))).toMatchObject(
      ['box!', 'cup!', 'axe!'].map((label) => ({ label })),
    );
  });

  test('is left as it is when the values would not be unique', () => {
    const folder = new StoreFolder();
    insert(folder.open(schema('')), ['a', 'Box', 2, 3], ['b', 'BOX', 2, 3]);
    const before = folder.contents();
    expect(() => folder.open(schema(LABEL))).toThrow('1 value is there more than once ("box!" in 2 records)');
    expect(folder.contents()).toEqual(before);
  });
});
