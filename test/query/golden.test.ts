import type { Database } from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compileConditions } from '../../src/client/optimistic/conditions.ts';
import { compilePredicate } from '../../src/query/predicate.ts';
import { listRecords, openProducts, parse, ROWS } from './products.ts';

let db: Database;
beforeAll(() => {
  db = openProducts();
});
afterAll(() => db.close());

/** Returns the numbers of the records that SQL finds, after the predicate has found the same. */
function find(query: string): string {
  const found = listRecords(db, query).map(({ id }) => id);
  const { filter } = parse(query);
  const matches = filter && compilePredicate(filter);
  const expected = matches === undefined ? ROWS : ROWS.filter((row) => matches(row));
  expect([...found].sort(), query).toEqual(expected.map(({ id }) => id));
  // What the client decides by itself, for records that it has written, is the same.
  const decide = compileConditions(query);
  const wrong = ROWS.filter((row) => (decide(row) ?? expected.includes(row)) !== expected.includes(row));
  expect(wrong, `decided by the client: ${query}`).toEqual([]);
  return found.map((id) => String(Number(id.slice(1)))).join(' ');
}

/** Returns the same through `filter=`, encoded as a client encodes it. */
function findWith(filter: string): string {
  const byParameter = find(`filter=${encodeURIComponent(filter)}`);
  expect(find(new URLSearchParams({ filter }).toString())).toBe(byParameter);
  return byParameter;
}

const ALL = ROWS.map((_, index) => index + 1);
const but = (...numbers: number[]) => ALL.filter((n) => !numbers.includes(n)).join(' ');
const quoted = (value: string) => JSON.stringify(value);

describe('operators', () => {
  test.each([
    ['', but()],
    ['title=Box', '3'],
    ['title==Box', '3'],
    ['title===Box', '3'],
    ['title=eq=Box', '3'],
    ['title=box', ''],
    ['title=', '20'],
    ['title!=Box', but(3)],
    ['title!==Box', but(3)],
    ['title=ne=Box', but(3)],
    ['title%21=Box', but(3)],
    ['price=gt=25', '17 18 19'],
    ['price>25', '17 18 19'],
    ['price%3E25', '17 18 19'],
    ['price=ge=27', '18 19'],
    ['price>=27', '18 19'],
    ['price%3E=27', '18 19'],
    ['price%3e%3d27', '18 19'],
    ['price=lt=3', '1'],
    ['price<3', '1'],
    ['price%3C3', '1'],
    ['price=le=3', '1 2'],
    ['price<=3', '1 2'],
    ['price=1.5e0', '1'],
    ['price==1.50', '1'],
    ['price!=1.5', but(1)],
    ['title=ct=ox', '3 4'],
    ['title=sw=A', '1 2'],
    ['title=ew=x', '3 11'],
    ['title=ct=', but(7)],
    ['title=sw=', but(7)],
    ['title=ct=*', '6'],
    ['title=in=Box,Axe', '2 3'],
    ['title=in=(Box,Axe)', '2 3'],
    ['title=in=Box', '3'],
    ['title=in=Hello%2C%20World,Axe', '2 15'],
    ['title=out=Box,Axe', but(2, 3)],
    ['title=out=(Box,Axe)', but(2, 3)],
    ['price=gele=3,6', '2 3 4'],
    ['price=gele=(3,6)', '2 3 4'],
    ['price=gtlt=3,6', '3'],
    ['price=gelt=3,6', '2 3'],
    ['price=gtle=3,6', '3 4'],
    ['price=gele=6,3', ''],
    ['title=gtlt=A,B', '1 2'],
    ['stock=-9', '1'],
    ['stock=-0', '10'],
    ['active=true', but(1, 3, 5, 7, 9, 11, 13, 15, 17, 19)],
    ['active!=true', '1 3 5 7 9 11 13 15 17 19'],
    ['active=in=true,false', but(9)],
    ['kind=TOY', '9 10 11 12 13 14 15 16'],
    ['kind=out=TOY,TOOL', '17 18 19 20'],
    ['made=2025-01-03T10:30:00.000Z', '3'],
    ['made=2025-01-03T11:30%2B01:00', '3'],
    ['made=2025-01-03T10:30:00.0009Z', '3'],
    ['made=gt=2025-01-19', '19 20'],
    ['made=lt=2025-01-03', '1 2'],
    ['made=gele=2025-01-03,2025-01-05', '3 4'],
    ['id=r07', '7'],
    ['id=gt=r18', '19 20'],
  ])('%s', (query, expected) => {
    expect(find(query)).toBe(expected);
  });
});

describe('wildcards', () => {
  test.each([
    ['title==A*', '1 2'],
    ['title=A*', '1 2'],
    ['title==*x', '3 11'],
    ['title==*o*', '3 4 15 17'],
    ['title==B*r', '4 6'],
    ['title==B*x*r', '4'],
    ['title==**A**e**', '2'],
    ['title==*', but(7)],
    ['title!=A*', but(1, 2)],
    ['title!=*', '7'],
    ['title==Big%2AStar', '6'],
    ['title==*%2A*', '6'],
    ['title==*%5B*', '18'],
    ['title==*1*%5D', '18'],
    ['title==%5B*1*', '18'],
    ['title==*%25', '5'],
    ['title==S*w*100%25', '5'],
    ['title===A*', ''],
    ['title===Big*Star', '6'],
    ['title==x%7C*', '9'],
    ['title==Cr%C3%AApe*', '12'],
    ['title==%F0%9F%98%80*', '13'],
  ])('%s', (query, expected) => {
    expect(find(query)).toBe(expected);
  });
});

describe('null and typed literals', () => {
  test.each([
    ['title==null', '7'],
    ['title=null', '7'],
    ['title!=null', but(7)],
    ['!title==null', but(7)],
    ['title===null', '10'],
    ['title==string:null', '10'],
    ['title==string:string:x', '11'],
    ['title==string:*', ''],
    ['title!=string:null', but(10)],
    ['title=in=null,Box', '3 7'],
    ['title=in=null', '7'],
    ['title=out=null,Box', but(3, 7)],
    ['price==null', '5 10 15 20'],
    ['price>0&price!=null&stock>5', '16 17 18 19'],
    ['!price>3', '1 2 5 10 15 20'],
    ['price==number:3', '2'],
    ['active==boolean:true&stock>8', '20'],
    ['active==null', '9'],
    ['!active==true', '1 3 5 7 9 11 13 15 17 19'],
    ['made==date:2025-01-03T10:30:00Z', '3'],
    ['kind==null', '17 18 19 20'],
    ['kind==string:TOY&stock>5', '16'],
    ['extra==null', but(1)],
    ['extra!=null', '1'],
    ['serial=9007199254740993', '3'],
    ['serial=9007199254740992', ''],
    ['serial=number:-9223372036854775808', '4'],
    ['serial>9007199254740992', '3'],
    ['serial=in=9007199254740993,5', '3 5'],
  ])('%s', (query, expected) => {
    expect(find(query)).toBe(expected);
  });
});

describe('and, or, not and groups', () => {
  test.each([
    ['stock>8&active=true', '20'],
    ['stock=9|stock=-9', '1 19'],
    ['stock=9|stock=-9&active=true', '19'],
    ['(stock=9|stock=-9)&active=false', '1 19'],
    ['[stock=9|stock=-9]&active=false', '1 19'],
    ['active=false&(stock=9|[stock=-9&title=Anvil])', '1 19'],
    ['!(stock<9)', '19 20'],
    ['!stock<9', '19 20'],
    ['!!stock>8', '19 20'],
    ['!(stock<9|active=true)', '19'],
    ['!(price>3&price<6)&stock<-4', '1 2 4 5'],
    ['stock>8&&active=true&', '20'],
    ['&stock>8', '19 20'],
    ['title==Tea%20%26%20Jam', '8'],
    ['title==Tea+%26+Jam', '8'],
    ['title==x%7Cy', '9'],
    ['title==%28group%29', '17'],
    ['title==Hello,%20World', '15'],
    ['title==Say%20%22hi%22', '16'],
    ["title==O'Hara", '19'],
  ])('%s', (query, expected) => {
    expect(find(query)).toBe(expected);
  });

  test.each([
    ['stock>8&active==true', '20'],
    ['stock>8;active==true', '20'],
    ['stock==9,stock==-9', '1 19'],
    ['stock==9|stock==-9;active==true', '19'],
    ['(stock==9,stock==-9);active==false', '1 19'],
    [' ( stock == 9 , stock == -9 ) ; ! active == true ', '1 19'],
    ['stock =in= ( 9 , -9 )', '1 19'],
    ['title=in=("Hello, World",Axe)', '2 15'],
    ['title==Hello World', ''],
    [`title==${quoted('Hello, World')}`, '15'],
    [`title==${quoted('Say "hi"')}`, '16'],
    [`title==${quoted('null')}`, '10'],
    [`title==${quoted('Big*Star')}`, '6'],
    [`title==${quoted('B*')}`, ''],
    [`title==${quoted('')}`, '20'],
    ['title==""', '20'],
    ['title==B*x', '3'],
    ['title==Saw 100%', '5'],
    ['title==Tea%20', ''],
    ['title=="(group)"', '17'],
    ['title=="\\ud83d\\ude00 smile"', '13'],
    ['title==😀*', '13'],
    ['limit==3', '3'],
    ['limit=3', '3'],
    ['price=gele=(3,6);title!=Box', '2 4'],
    ['title=\nAxe', '2'],
  ])('filter: %s', (filter, expected) => {
    expect(findWith(filter)).toBe(expected);
  });

  test('conditions of the query string and of filter= must both hold, and parameters may stand anywhere', () => {
    expect(find('stock>8&filter=active==true')).toBe('20');
    expect(find('filter=stock==9,stock==-9&title=Anvil|title=Axe')).toBe('1');
    expect(find('sort=-id&stock=9|stock=-9&limit=5')).toBe('19 1');
  });
});

describe('order of texts', () => {
  test('is by code point, as the bytes of UTF-8, in both compilers', () => {
    expect(find('title=gt=%EF%BD%9E')).toBe('13 14');
    expect(find('title=gt=%F0%9F%98%80')).toBe('13');
    expect(find('title=ge=%F4%8F%BF%BF')).toBe('');
  });
});

describe('lists and nested objects', () => {
  test.each([
    ['tags==red', '1 2'],
    ['tags=ct=red', '1 2'],
    ['tags=ct=re', ''],
    ['tags=ct=a*', '4'],
    ['tags==r*', '1 2'],
    ['tags==*', '1 2 4'],
    ['tags!=red', but(1, 2)],
    ['tags=in=big,Red', '1 4'],
    ['tags=out=big,Red', but(1, 4)],
    ['tags=sw=R', '4'],
    ['tags==null', but(1, 2, 3, 4)],
    ['tags!=null', '1 2 3 4'],
    ['tags=in=null,big', but(2, 3, 4)],
    ['sizes>4', '1 2'],
    ['sizes=gtlt=1,10', '1'],
    ['sizes=ct=10', '2'],
    ['!sizes=ct=10', but(2)],
    ['maker.name=Acme', '1'],
    ['maker.name==A*', '1'],
    ['maker.name!=Acme', but(1)],
    ['maker.name==null', but(1)],
    ['maker!=null&maker.name==null', '2'],
    ['maker.founded=ge=1900', '1 2'],
    ['maker.serial=9007199254740993', '1'],
    ['maker.serial=9007199254740992', ''],
    ['maker.serial=in=7,8', '2'],
    ['maker.rate=59859465769345190', '1'],
    ['maker.rate=lt=1', '2'],
    ['maker.open=true', '1'],
    ['maker.open!=true', but(1)],
    ['maker.since=lt=2001-01-01', '1'],
    ['maker.marks=ct=x', '1'],
    ['maker.marks==null', but(1)],
    ['maker.sites.city=Bern', '1'],
    ['maker.sites.city==null', '1'],
    ['maker.sites.city!=null', but(1)],
    ['parts.name=bolt', '1'],
    ['parts.weight>1', '1'],
    ['parts.name=bolt&parts.weight>1', '1'],
    ['parts.name==null', '1'],
    ['parts==null', but(1, 2)],
  ])('%s', (query, expected) => {
    expect(find(query)).toBe(expected);
  });
});
