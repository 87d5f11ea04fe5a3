import { describe, expect, test } from 'vitest';
import type { Cell } from '../../../src/store/store.ts';
import { PRODUCT, ROWS } from '../../query/products.ts';
import { toCell } from '../../query/tables.ts';
import { type EngineUnderTest, StoreHarness } from './harness.ts';

const ALL = ROWS.map((_, index) => index + 1);
const but = (...numbers: readonly number[]) => ALL.filter((n) => !numbers.includes(n)).join(' ');

/** Query, and the numbers of the records that it finds. Every operator with every type of value, null, lists, objects. */
const QUERIES: readonly (readonly [query: string, expected: string])[] = [
  ['title=Box', '3'],
  ['title=box', ''],
  ['title=', '20'],
  ['title!=Box', but(3)],
  ['price>25', '17 18 19'],
  ['price=ge=27', '18 19'],
  ['price<3', '1'],
  ['price<=3', '1 2'],
  ['price=1.5e0', '1'],
  ['title=ct=ox', '3 4'],
  ['title=sw=A', '1 2'],
  ['title=ew=x', '3 11'],
  ['title=ct=', but(7)],
  ['title=ct=*', '6'],
  ['title=in=Box,Axe', '2 3'],
  ['title=out=Box,Axe', but(2, 3)],
  ['title=in=null,Box', '3 7'],
  ['title=out=null,Box', but(3, 7)],
  ['price=gele=3,6', '2 3 4'],
  ['price=gtlt=3,6', '3'],
  ['price=gele=6,3', ''],
  ['stock=-9', '1'],
  ['stock=-0', '10'],
  ['active=true', but(1, 3, 5, 7, 9, 11, 13, 15, 17, 19)],
  ['active!=true', '1 3 5 7 9 11 13 15 17 19'],
  ['active=in=true,false', but(9)],
  ['kind=TOY', '9 10 11 12 13 14 15 16'],
  ['kind=out=TOY,TOOL', '17 18 19 20'],
  ['made=2025-01-03T11:30%2B01:00', '3'],
  ['made=gt=2025-01-19', '19 20'],
  ['made=gele=2025-01-03,2025-01-05', '3 4'],
  ['id=gt=r18', '19 20'],
  ['serial=9007199254740993', '3'],
  ['serial=9007199254740992', ''],
  ['serial=-9223372036854775808', '4'],
  ['serial>9007199254740992', '3'],
  ['serial=in=9007199254740993,5', '3 5'],
  ['title==A*', '1 2'],
  ['title==B*x*r', '4'],
  ['title==*', but(7)],
  ['title!=*', '7'],
  ['title==Big%2AStar', '6'],
  ['title==%5B*1*', '18'],
  ['title==S*w*100%25', '5'],
  ['title==%F0%9F%98%80*', '13'],
  ['title==a_*', '' /* the record with a_b has no title */],
  ['title==null', '7'],
  ['title==string:null', '10'],
  ['price==null', '5 10 15 20'],
  ['!price>3', '1 2 5 10 15 20'],
  ['extra==null', but(1)],
  ['stock=9|stock=-9&active=true', '19'],
  ['(stock=9|stock=-9)&active=false', '1 19'],
  ['!(stock<9|active=true)', '19'],
  ['!!stock>8', '19 20'],
  ['title=gt=%EF%BD%9E', '13 14'],
  ['title=gt=%F0%9F%98%80', '13'],
  ['tags==red', '1 2'],
  ['tags==r*', '1 2'],
  ['tags!=red', but(1, 2)],
  ['tags=in=null,big', but(2, 3, 4)],
  ['tags==null', but(1, 2, 3, 4)],
  ['sizes>4', '1 2'],
  ['sizes=gtlt=1,10', '1'],
  ['!sizes=ct=10', but(2)],
  ['maker.name==A*', '1'],
  ['maker.name!=Acme', but(1)],
  ['maker!=null&maker.name==null', '2'],
  ['maker.serial=9007199254740993', '1'],
  ['maker.serial=in=7,8', '2'],
  ['maker.rate=59859465769345190', '1'],
  ['maker.open=true', '1'],
  ['maker.since=lt=2001-01-01', '1'],
  ['maker.marks=ct=x', '1'],
  ['maker.sites.city=Bern', '1'],
  ['maker.sites.city!=null', but(1)],
  ['parts.name=bolt&parts.weight>1', '1'],
  ['parts.name==null', '1'],
  ['parts==null', but(1, 2)],
  ['limit==3', '3'],
];

const WORDS: readonly (readonly [query: string, expected: string])[] = [
  ['text=ft=creme', 'a b'],
  ['text=ft=CR%C3%88ME%20brulee', 'a'],
  ['text=ft=brulee%20creme%202', 'a'],
  ['text=ft=brul*', 'a'],
  ['text=ft=brul', ''],
  ['tags=ft=dog%20sus*', 'b'],
  ['tags=ft=suss', 'b'],
  ['!(text=ft=creme)', 'c d'],
  ['text=ft=2|tags=ft=hot', 'a b'],
  ['text=ft=creme%20OR%20brulee', ''],
  ['text=ft=%22creme%22%20*', 'a b'],
];

export function filtersSuite(subject: EngineUnderTest): void {
  describe('a filter', () => {
    test('finds the records that meet it, and no others', async () => {
      const harness = await StoreHarness.open(subject, { appId: 'my-app', tables: [PRODUCT] });
      const writes = ROWS.map((row) => {
        const cells = PRODUCT.fields.map(({ name, type }): Cell => toCell(type, row[name]));
        return harness.of({ type: 'create', id: String(row.id), cells });
      });
      await harness.commit(writes);
      for (const [query, expected] of QUERIES) {
        // A table has a field called limit, which is a parameter outside of filter=.
        const text = query.startsWith('limit') ? `filter=${query}` : query;
        const numbers = (await harness.ids(text)).split(' ').map((id) => id && String(Number(id.slice(1))));
        expect(numbers.join(' '), query).toBe(expected);
        const found = await harness.store.records(harness.table, harness.query(text));
        expect(found.map(({ id }) => Number(String(id).slice(1))).join(' '), query).toBe(expected);
        const { total } = await harness.list(`${text}&count=true`);
        expect(total, query).toBe(found.length);
      }
    });

    test.each(['', '@indexed(type: "fulltext")'])('finds words of texts, with the index "%s"', async (index) => {
      const sdl = `type T @table { id: ID! @primaryKey text: String ${index} tags: [String] ${index} }`;
      const harness = await StoreHarness.open(subject, sdl);
      await harness.create('a', 'Crème brûlée, 2 Portions!', null);
      await harness.create('b', 'creme de la creme', JSON.stringify(['Süß', null, 'hot dog']));
      await harness.create('c', null, '[]');
      await harness.create('d', '', JSON.stringify(['!!', '']));
      for (const [query, expected] of WORDS) expect(await harness.ids(query), query).toBe(expected);
      await harness.patch('a', 'other words');
      await harness.delete('b');
      const { results } = await harness.commit(
        [
          harness.of({ type: 'patch', id: 'c', cells: [undefined, 'refused'] }),
          harness.of({ type: 'delete', id: 'none' }),
        ],
        [harness.of({ type: 'put', id: 'd', cells: ['d', 'other things', null] })],
      );
      expect(results[0]).toMatchObject({ code: 'NOT_FOUND' });
      const found = ['creme', 'refused', 'other', 'words'].map((word) => harness.ids(`text=ft=${word}`));
      expect(await Promise.all(found)).toEqual(['', '', 'a d', 'a']);
    });
  });
}
