import { describe, expect, onTestFinished, test } from 'vitest';
import { ANONYMOUS, type Identity, SERVER } from '../../src/auth/identity.ts';
import { PropertyHarness } from '../property/harness.ts';
import { Page } from '../property/page.ts';
import { turns } from '../support/engine.ts';

type Row = Readonly<Record<string, unknown>>;

function person(sub: string, more: Partial<Extract<Identity, { type: 'principal' }>> = {}): Identity {
  return { type: 'principal', sub, roles: [], claims: {}, expiresAt: undefined, ...more };
}

function open(sdl: string): PropertyHarness {
  const rig = new PropertyHarness({ sdl });
  onTestFinished(() => rig[Symbol.dispose]());
  return rig;
}

const ADA = person('ada');
const BEN = person('ben');
const FORBIDDEN = { code: 'FORBIDDEN', status: 403 };
const NOT_FOUND = { code: 'NOT_FOUND', status: 404 };

async function list(rig: PropertyHarness, table: string, identity: Identity, query = ''): Promise<Row[]> {
  return JSON.parse((await rig.resource(table).list(identity, query)).json) as Row[];
}

async function watch(rig: PropertyHarness, identity: Identity, options: { filter?: string } = {}): Promise<Page> {
  const page = new Page(rig, { filter: '', select: '', delta: false, identity, ...options });
  for (let turn = 0; turn < 50 && !page.isSettled; turn++) await turns(1);
  return page;
}

describe('rules and relations', () => {
  const LIBRARY = `
    type Item @table @export @access(read: "authenticated") {
      id: ID! @primaryKey
      authorId: ID @indexed
      secretId: ID @access(read: "librarian")
      author: Author @relationship(from: "authorId")
      secret: Author @relationship(from: "secretId")
    }
    type Author @table @export @access(read: "open==true | id==$auth.sub") {
      id: ID! @primaryKey
      name: String
      mail: String @access(read: "id==$auth.sub")
      open: Boolean
      items: [Item] @relationship(to: "authorId")
    }`;

  async function library(): Promise<PropertyHarness> {
    const rig = open(LIBRARY);
    await rig.resource('Author').createMany(SERVER, [
      { id: 'ada', name: 'Ada', mail: 'a@x', open: false },
      { id: 'ben', name: 'Ben', mail: 'b@x', open: true },
    ]);
    await rig.resource('Item').createMany(SERVER, [
      { id: '1', authorId: 'ada', secretId: 'ben' },
      { id: '2', authorId: 'ben', secretId: 'ada' },
    ]);
    return rig;
  }

  test('select returns of other tables what their own lists return', async () => {
    const rig = await library();
    expect(await list(rig, 'Item', BEN, 'select=author')).toEqual([
      { id: '1', author: null },
      { id: '2', author: { id: 'ben', name: 'Ben', mail: 'b@x', open: true } },
    ]);
    expect(await list(rig, 'Item', person('cy'), 'select=author{name,mail}')).toEqual([
      { id: '1', author: null },
      { id: '2', author: { name: 'Ben' } },
    ]);
    expect(await list(rig, 'Author', ADA, 'select=name,items{id,author{name}}')).toEqual([
      { id: 'ada', name: 'Ada', items: [{ id: '1', author: { name: 'Ada' } }] },
      { id: 'ben', name: 'Ben', items: [{ id: '2', author: { name: 'Ben' } }] },
    ]);
    const found = await rig.resource('Item').get(BEN, '1', 'select=author');
    expect(found?.json).toBe('{"id":"1","author":null}');
  });

  test('a condition on other tables finds nothing by fields that its caller cannot read', async () => {
    const rig = await library();
    expect(await list(rig, 'Item', BEN, 'author.name==Ada')).toEqual([]);
    expect(await list(rig, 'Item', ADA, 'author.name==Ada&select=id')).toEqual([{ id: '1' }]);
    expect((await list(rig, 'Item', BEN, 'author==null&select=id')).map(({ id }) => id)).toEqual(['1']);
  });

  test('a field that is not always readable cannot be filtered, sorted or followed', async () => {
    const rig = await library();
    const items = rig.resource('Item');
    const unknown = { code: 'INVALID_QUERY', status: 400 };
    for (const query of ['secretId==ben', 'sort=secretId', 'select=secretId', 'select=secret', 'secret.name==Ben']) {
      expect(() => items.parseList(BEN, query), query).toThrow(expect.objectContaining(unknown));
      expect(() => items.parseSubscription(BEN, query, undefined), query).toThrow(expect.objectContaining(unknown));
    }
    for (const query of ['mail==x', 'sort=mail', 'mail=sw=a']) {
      expect(() => rig.resource('Author').parseList(ADA, query), query).toThrow(expect.objectContaining(unknown));
    }
    const librarian = person('lib', { roles: ['librarian'] });
    expect(await list(rig, 'Item', librarian, 'secretId==ben&select=id')).toEqual([{ id: '1' }]);
    expect(await list(rig, 'Item', BEN)).toEqual([
      { id: '1', authorId: 'ada' },
      { id: '2', authorId: 'ben' },
    ]);
  });

  test('totals are of the records and fields that their caller can read', async () => {
    const rig = open(`
      type Order @table @export @access(read: "clerk | ownerId==$auth.sub") {
        id: ID! @primaryKey
        ownerId: ID
        total: Int @access(read: "clerk")
        tip: Int @access(read: "clerk | ownerId==$auth.sub")
        items: Int
      }`);
    const orders = rig.resource('Order');
    await orders.createMany(SERVER, [
      { id: '1', ownerId: 'ada', total: 10, tip: 1, items: 1 },
      { id: '2', ownerId: 'ada', total: 20, tip: 2, items: 2 },
      { id: '3', ownerId: 'ben', total: 40, tip: 4, items: 4 },
    ]);
    const clerk = person('cy', { roles: ['clerk'] });
    const query = 'aggregate=count,sum(items)&group=ownerId';
    const [ofAda, ofBen] = [
      { ownerId: 'ada', count: 2, sum_items: 3 },
      { ownerId: 'ben', count: 1, sum_items: 4 },
    ];
    expect(await list(rig, 'Order', ADA, query)).toEqual([ofAda]);
    expect(await list(rig, 'Order', BEN, query)).toEqual([ofBen]);
    expect(await list(rig, 'Order', clerk, query)).toEqual([ofAda, ofBen]);
    expect(await list(rig, 'Order', person('eve'), 'aggregate=count,sum(items)')).toEqual([
      { count: 0, sum_items: null },
    ]);
    expect(await list(rig, 'Order', clerk, 'aggregate=sum(total)')).toEqual([{ sum_total: 70 }]);
    for (const field of ['total', 'tip']) {
      for (const named of [`aggregate=sum(${field})`, `aggregate=count(${field})`, `aggregate=count&group=${field}`]) {
        expect(() => orders.parseList(ADA, named), named).toThrow(`Order has no field "${field}"`);
      }
    }
    expect(() => orders.parseList(ADA, 'aggregate=count&having=sum_total=gt=0')).toThrow('no field "sum_total"');
    expect(() => orders.parseList(ADA, 'aggregate=count&total=gt=15')).toThrow('no field or parameter "total"');
  });

  test('a table that is not readable is not returned through another one', async () => {
    const rig = open(`
      type Item @table @export @access(read: "authenticated") {
        id: ID! @primaryKey a: ID other: Other @relationship(from: "a") }
      type Other @table @export @access(read: "editor") { id: ID! @primaryKey }`);
    expect(() => rig.resource('Item').parseList(ADA, 'select=other')).toThrow(expect.objectContaining(FORBIDDEN));
    expect(() => rig.resource('Item').parseList(ADA, 'other!=null')).toThrow(expect.objectContaining(FORBIDDEN));
  });
});

describe('rules and writes', () => {
  const NOTES = `type Item @table @export @access(read: "owner==$auth.sub | shared==true", create: "owner==$auth.sub",
      update: "owner==$auth.sub", delete: "owner==$auth.sub", publish: "owner==$auth.sub") {
    id: ID! @primaryKey
    owner: String
    shared: Boolean @default(value: false)
    text: String
    state: String @default(value: "new") @access(write: "editor")
    price: Int @access(write: "shared==true")
    token: String @hidden @access(write: "editor")
  }`;

  test('a caller cannot give away, take over or guess records', async () => {
    const rig = open(NOTES);
    const notes = rig.resource('Item');
    await expect(notes.create(ADA, { id: '1', owner: 'ben' })).rejects.toMatchObject(FORBIDDEN);
    await notes.create(ADA, { id: '1', owner: 'ada' });
    await notes.create(ADA, { id: '2', owner: 'ada', shared: true });
    await expect(notes.patch(ADA, '1', { owner: 'ben' })).rejects.toMatchObject(FORBIDDEN);
    // A record that BEN cannot read is not found; one that BEN can read and not change is refused.
    await expect(notes.patch(BEN, '1', { owner: 'ben' })).rejects.toMatchObject(NOT_FOUND);
    await expect(notes.put(BEN, '1', { owner: 'ben' })).rejects.toMatchObject(NOT_FOUND);
    await expect(notes.delete(BEN, '1')).rejects.toMatchObject(NOT_FOUND);
    await expect(notes.patch(BEN, '2', { text: 'x' })).rejects.toMatchObject(FORBIDDEN);
    await expect(notes.patch(BEN, '3', { text: 'x' })).rejects.toMatchObject(NOT_FOUND);
    expect(await notes.get(BEN, '1')).toBeUndefined();
    await expect(notes.createMany(ADA, [{ owner: 'ada' }, { owner: 'ben' }])).rejects.toMatchObject(FORBIDDEN);
    expect(await list(rig, 'Item', SERVER, 'select=id')).toEqual([{ id: '1' }, { id: '2' }]);
    await notes.delete(ADA, '1');
  });

  test('a write by filter changes the records that its writer may change, and no others', async () => {
    const rig = open(NOTES);
    const notes = rig.resource('Item');
    await notes.createMany(SERVER, [
      { id: '1', owner: 'ada' },
      { id: '2', owner: 'ben', shared: true },
      { id: '3', owner: 'ben' },
    ]);
    expect((await notes.patchMany(ADA, 'all=true', { text: 'x' })).json).toBe('{"matched":1,"changed":1}');
    await expect(notes.patchMany(ADA, 'all=true', { owner: 'ben' })).rejects.toMatchObject(FORBIDDEN);
    expect((await notes.deleteMany(BEN, 'id!=3')).json).toBe('{"matched":1,"changed":1}');
    await expect(notes.deleteMany(ANONYMOUS, 'all=true')).rejects.toMatchObject(FORBIDDEN);
    expect((await list(rig, 'Item', SERVER)).map(({ id, owner }) => [id, owner])).toEqual([
      ['1', 'ada'],
      ['3', 'ben'],
    ]);
  });

  test('a field without write rights stays as it is', async () => {
    const rig = open(NOTES);
    const notes = rig.resource('Item');
    const refused = { ...FORBIDDEN, errors: [{ field: 'state', message: 'may not be written by you' }] };
    await expect(notes.create(ADA, { id: '1', owner: 'ada', state: 'done' })).rejects.toMatchObject(refused);
    await notes.create(ADA, { id: '1', owner: 'ada' });
    await expect(notes.patch(ADA, '1', { state: 'done' })).rejects.toMatchObject(refused);
    await expect(notes.patchMany(ADA, 'all=true', { token: 't' })).rejects.toMatchObject(FORBIDDEN);
    const editor = person('ada', { roles: ['editor'] });
    await notes.patch(editor, '1', { state: 'done', token: 't' });
    await notes.put(ADA, '1', { owner: 'ada', text: 'new' });
    expect(await list(rig, 'Item', SERVER, 'select=state,text')).toEqual([{ id: '1', state: 'done', text: 'new' }]);
    await expect(notes.patch(ADA, '1', { price: 5 })).rejects.toMatchObject({ errors: [{ field: 'price' }] });
    await expect(notes.patch(ADA, '1', { price: 5, shared: true })).rejects.toMatchObject(FORBIDDEN);
    await notes.patch(ADA, '1', { shared: true });
    await notes.patch(ADA, '1', { price: 5 });
  });

  test('a message goes to subscribers that can read its record, also on resume', async () => {
    const rig = open(NOTES);
    const notes = rig.resource('Item');
    await notes.createMany(SERVER, [
      { id: '1', owner: 'ada' },
      { id: '2', owner: 'ada', shared: true },
    ]);
    const ada = await watch(rig, ADA);
    const ben = await watch(rig, BEN, { filter: 'owner==ben' });
    const messages = (identity: Identity) => published(rig, identity, ada.url);
    const start = rig.store.lastSeq;
    await expect(notes.publish(BEN, '1', { owner: 'ben' })).rejects.toMatchObject(NOT_FOUND);
    await expect(notes.publish(BEN, '2', { owner: 'ben' })).rejects.toMatchObject(FORBIDDEN);
    await expect(notes.publish(ADA, null, {})).rejects.toMatchObject(FORBIDDEN);
    await expect(notes.publish(ADA, 'nope', {})).rejects.toMatchObject(FORBIDDEN);
    await notes.publish(ADA, '1', { owner: 'ben', n: 1 });
    await notes.publish(ADA, '2', { owner: 'ben', n: 2 });
    await notes.publish(SERVER, null, { n: 3 });
    expect(await messages(ADA)(start)).toEqual([1, 2]);
    expect(await messages(BEN)(start)).toEqual([2]);
    expect(await messages(SERVER)(start)).toEqual([1, 2, 3]);
    expect([ada.wrongs, ben.wrongs]).toEqual([[], []]);
  });

  /** Returns the published messages that a subscription receives after a position. */
  function published(rig: PropertyHarness, identity: Identity, url: string) {
    return async (since: number): Promise<unknown[]> => {
      const lines: unknown[] = [];
      const page = new Page(rig, {
        filter: url,
        select: '',
        delta: false,
        identity,
        since,
        onPublish: (data) => lines.push((data as { n: number }).n),
      });
      for (let turn = 0; turn < 50 && !page.isSettled; turn++) await turns(1);
      page.leave();
      return lines;
    };
  }
});

describe('accounts', () => {
  const SDL = `type Item @table @export @account(field: "org", claim: "org")
      @access(read: "authenticated", create: "authenticated", update: "authenticated", delete: "authenticated") {
    id: ID! @primaryKey
    org: String! @indexed
    text: String
  }`;
  const ONE = person('ada', { claims: { org: 'one' } });
  const TWO = person('ben', { claims: { org: 'two' } });

  test('read and change their own records, are set on new ones, and cannot move a record', async () => {
    const rig = open(SDL);
    const items = rig.resource('Item');
    expect(JSON.parse((await items.create(ONE, { id: '1' })).json)).toMatchObject({ org: 'one' });
    await items.put(TWO, '2', { text: 'x' });
    await expect(items.create(TWO, { id: '3', org: 'one' })).rejects.toMatchObject(FORBIDDEN);
    await expect(items.patch(TWO, '2', { org: 'one' })).rejects.toMatchObject(FORBIDDEN);
    await expect(items.patch(TWO, '1', { text: 'x' })).rejects.toMatchObject(NOT_FOUND);
    expect((await items.deleteMany(TWO, 'org==one')).json).toBe('{"matched":0,"changed":0}');
    expect(await list(rig, 'Item', ONE, 'select=org&count=true')).toEqual([{ id: '1', org: 'one' }]);
    for (const denied of [person('cy'), ANONYMOUS]) {
      expect(() => items.parseList(denied, '')).toThrow(expect.objectContaining(FORBIDDEN));
      expect(() => items.parseSubscription(denied, '', undefined)).toThrow(expect.objectContaining(FORBIDDEN));
    }
  });

  test('1,000 interleaved writes cross no border', async () => {
    const rig = open(SDL);
    const items = rig.resource('Item');
    const pages = [await watch(rig, ONE), await watch(rig, TWO)];
    const writes = Array.from({ length: 1000 }, (_, n) =>
      items.put(n % 2 === 0 ? ONE : TWO, `${n % 2}-${n % 40}`, { text: String(n) }),
    );
    await Promise.all(writes);
    for (let turn = 0; turn < 500 && !pages.every(({ isSettled }) => isSettled); turn++) await turns(1);
    for (const [index, page] of pages.entries()) {
      const org = index === 0 ? 'one' : 'two';
      expect([...page.records.values()].every((record) => record.org === org)).toBe(true);
      expect(page.records.size).toBe(20);
      expect(page.wrongs).toEqual([]);
    }
    expect(rig.faults).toEqual([]);
  });
});

describe('rights that change while a stream is open', () => {
  const SDL = `type Item @table @export @access(read: ["editor", "owner==$auth.sub"]) {
    id: ID! @primaryKey
    owner: String
    secret: String @access(read: "editor")
  }`;
  const EDITOR = person('ada', { roles: ['editor'] });
  const settle = async (page: Page) => {
    for (let turn = 0; turn < 100 && !page.isSettled; turn++) await turns(1);
  };

  test('apply from then on, to every record', async () => {
    const rig = open(SDL);
    const items = rig.resource('Item');
    await items.createMany(SERVER, [
      { id: '1', owner: 'ada', secret: 'x' },
      { id: '2', owner: 'ben', secret: 'y' },
    ]);
    const page = await watch(rig, ADA);
    const mine = { id: '1', owner: 'ada' };
    expect([...page.records.values()]).toEqual([mine]);
    page.reauthorize(EDITOR);
    await items.put(SERVER, '3', { owner: 'cy' });
    await settle(page);
    expect([...page.records.keys()]).toEqual(['1', '2', '3']);
    expect(page.records.get('1')).toEqual({ ...mine, secret: 'x' });
    page.reauthorize(ADA);
    await settle(page);
    expect([...page.records.values()]).toEqual([mine]);
    await items.patch(SERVER, '2', { owner: 'ada' });
    await settle(page);
    expect([...page.records.keys()]).toEqual(['1', '2']);
    expect(page.wrongs).toEqual([]);
  });

  test('leave a stream alone that has the same records with them', async () => {
    const rig = open(SDL);
    const page = await watch(rig, ADA);
    const resets = page.resets;
    page.reauthorize(person('ada', { roles: ['cook'], claims: { more: 1 } }));
    await rig.resource('Item').put(SERVER, '1', { owner: 'ada' });
    await settle(page);
    expect([page.resets, page.records.size]).toEqual([resets, 1]);
  });

  test('end it when they no longer allow any record', async () => {
    const rig = open('type Item @table @export @access(read: "editor") { id: ID! @primaryKey }');
    const page = await watch(rig, EDITOR);
    expect(() => page.reauthorize(ADA)).toThrow(expect.objectContaining(FORBIDDEN));
  });
});
