import { describe, expect, onTestFinished, test } from 'vitest';
import { type Identity, type Principal, SERVER } from '../../src/auth/identity.ts';
import { PropertyHarness } from '../property/harness.ts';

type Row = Readonly<Record<string, unknown>>;

const SDL = `
  type Board @table @export
    @access(read: "members.userId==$auth.sub | ownerId==$auth.sub", create: "ownerId==$auth.sub", update: "ownerId==$auth.sub") {
    id: ID! @primaryKey
    ownerId: ID
    name: String
    budget: Int @access(read: "members(userId==$auth.sub & role==manager)", write: "members(userId==$auth.sub & role==manager)")
    members: [Member] @relationship(to: "boardId")
    cards: [Card] @relationship(to: "boardId")
  }
  type Member @table @export
    @access(read: "board.members.userId==$auth.sub", create: "board.ownerId==$auth.sub", delete: ["board.ownerId==$auth.sub", "userId==$auth.sub"]) {
    id: ID! @primaryKey
    boardId: ID @indexed
    userId: ID @indexed
    role: String
    board: Board @relationship(from: "boardId")
  }
  type Card @table @export
    @access(
      read: "board.members.userId==$auth.sub"
      create: "board.members(userId==$auth.sub & role=in=(manager,writer))"
      update: "board.members(userId==$auth.sub & role=in=(manager,writer))"
      delete: "board.members(userId==$auth.sub & role==manager)"
      publish: "board.members(userId==$auth.sub & role=in=(manager,writer))"
    ) {
    id: ID! @primaryKey
    boardId: ID @indexed
    title: String
    board: Board @relationship(from: "boardId")
  }`;

function person(sub: string, more: Partial<Principal> = {}): Principal {
  return { type: 'principal', sub, roles: [], claims: {}, expiresAt: undefined, ...more };
}

const [ADA, BEN, CY, DI] = ['ada', 'ben', 'cy', 'di'].map((sub) => person(sub)) as [
  Principal,
  Principal,
  Principal,
  Principal,
];
const FORBIDDEN = { code: 'FORBIDDEN', status: 403 };
const NOT_FOUND = { code: 'NOT_FOUND', status: 404 };

/** Two boards: on the first ada is the manager, ben writes and cy reads; di has the second. */
async function team(later: boolean): Promise<PropertyHarness> {
  const rig = new PropertyHarness({ sdl: SDL, later });
  onTestFinished(() => rig[Symbol.dispose]());
  await rig.resource('Board').createMany(SERVER, [
    { id: 'b1', ownerId: 'ada', name: 'One', budget: 7 },
    { id: 'b2', ownerId: 'di', name: 'Two', budget: 8 },
  ]);
  await rig.resource('Member').createMany(SERVER, [
    { id: '1', boardId: 'b1', userId: 'ada', role: 'manager' },
    { id: '2', boardId: 'b1', userId: 'ben', role: 'writer' },
    { id: '3', boardId: 'b1', userId: 'cy', role: 'reader' },
    { id: '4', boardId: 'b2', userId: 'di', role: 'manager' },
  ]);
  await rig.resource('Card').createMany(SERVER, [
    { id: 'c1', boardId: 'b1', title: 'first' },
    { id: 'c2', boardId: 'b2', title: 'second' },
    { id: 'c3', boardId: null, title: 'loose' },
  ]);
  return rig;
}

async function list(rig: PropertyHarness, table: string, identity: Identity, query = ''): Promise<Row[]> {
  return JSON.parse((await rig.resource(table).list(identity, query)).json) as Row[];
}

const ids = (rows: readonly Row[]) => rows.map(({ id }) => id).join(' ');

describe.each([
  ['the embedded engine', false],
  ['an engine that answers later', true],
])('rules over relations on %s', (_name, later) => {
  test('show the records of the boards that their reader is a member of', async () => {
    const rig = await team(later);
    for (const [who, cards, boards] of [
      [ADA, 'c1', 'b1'],
      [CY, 'c1', 'b1'],
      [DI, 'c2', 'b2'],
      [person('eve'), '', ''],
    ] as const) {
      expect(ids(await list(rig, 'Card', who)), who.sub).toBe(cards);
      expect(ids(await list(rig, 'Board', who)), who.sub).toBe(boards);
    }
    const { total } = await rig.resource('Card').list(ADA, 'count=true');
    expect(total).toBe(1);
    expect(await rig.resource('Card').get(ADA, 'c2')).toBeUndefined();
    expect((await rig.resource('Card').get(ADA, 'c1'))?.json).toBe('{"id":"c1","boardId":"b1","title":"first"}');
    expect(ids(await list(rig, 'Member', BEN))).toBe('1 2 3');
    // What others show of a table follows its rules too.
    expect(await list(rig, 'Card', ADA, 'select=title,board{name,members{userId}}')).toEqual([
      {
        id: 'c1',
        title: 'first',
        board: { name: 'One', members: [{ userId: 'ada' }, { userId: 'ben' }, { userId: 'cy' }] },
      },
    ]);
    expect(ids(await list(rig, 'Card', SERVER, 'board.members.userId==di'))).toBe('c2');
    expect(await list(rig, 'Board', DI, 'cards.title==first')).toEqual([]);
  });

  test('decide on every write, with one record that meets all conditions in brackets', async () => {
    const rig = await team(later);
    const cards = rig.resource('Card');
    await cards.create(BEN, { id: 'c4', boardId: 'b1', title: 'ben' });
    await expect(cards.create(CY, { id: 'c5', boardId: 'b1' })).rejects.toMatchObject(FORBIDDEN);
    await expect(cards.create(BEN, { id: 'c5', boardId: 'b2' })).rejects.toMatchObject(FORBIDDEN);
    await expect(cards.create(BEN, { id: 'c5' })).rejects.toMatchObject(FORBIDDEN);
    await cards.patch(BEN, 'c1', { title: 'changed' });
    await expect(cards.patch(CY, 'c1', { title: 'no' })).rejects.toMatchObject(FORBIDDEN);
    await expect(cards.patch(DI, 'c1', { title: 'no' })).rejects.toMatchObject(NOT_FOUND);
    // Nobody moves a record to a board of others.
    await expect(cards.patch(BEN, 'c1', { boardId: 'b2' })).rejects.toMatchObject(FORBIDDEN);
    await expect(cards.put(BEN, 'c1', { boardId: 'b2' })).rejects.toMatchObject(FORBIDDEN);
    await expect(cards.delete(BEN, 'c1')).rejects.toMatchObject(FORBIDDEN);
    expect((await cards.patchMany(BEN, 'all=true', { title: 'many' })).json).toBe('{"matched":2,"changed":2}');
    expect((await cards.deleteMany(CY, 'all=true')).json).toBe('{"matched":0,"changed":0}');
    await expect(cards.publish(CY, 'c1', 1)).rejects.toMatchObject(FORBIDDEN);
    await cards.publish(BEN, 'c1', 1);
    await cards.delete(ADA, 'c1');
    expect((await list(rig, 'Card', SERVER)).map(({ title }) => title)).toEqual(['second', 'loose', 'many']);
  });

  test('follow the memberships at once', async () => {
    const rig = await team(later);
    const cards = rig.resource('Card');
    const members = rig.resource('Member');
    const eve = person('eve');
    await expect(members.create(BEN, { id: '5', boardId: 'b1', userId: 'eve', role: 'writer' })).rejects.toMatchObject(
      FORBIDDEN,
    );
    await members.create(ADA, { id: '5', boardId: 'b1', userId: 'eve', role: 'writer' });
    expect(ids(await list(rig, 'Card', eve))).toBe('c1');
    expect((await cards.create(eve, { id: 'c6', boardId: 'b1', title: 'x' })).json).toContain('"title":"x"');
    await members.delete(eve, '5');
    expect(ids(await list(rig, 'Card', eve))).toBe('');
    await expect(cards.patch(eve, 'c6', { title: 'y' })).rejects.toMatchObject(NOT_FOUND);
    await expect(members.delete(eve, '1')).rejects.toMatchObject(NOT_FOUND);
  });

  test('hide and keep fields', async () => {
    const rig = await team(later);
    const boards = rig.resource('Board');
    expect(await list(rig, 'Board', ADA)).toEqual([{ id: 'b1', ownerId: 'ada', name: 'One', budget: 7 }]);
    expect(await list(rig, 'Board', BEN)).toEqual([{ id: 'b1', ownerId: 'ada', name: 'One' }]);
    expect((await boards.get(BEN, 'b1'))?.json).toBe('{"id":"b1","ownerId":"ada","name":"One"}');
    expect((await boards.get(ADA, 'b1'))?.json).toContain('"budget":7');
    expect((await boards.patch(ADA, 'b1', { budget: 9 })).json).toContain('"budget":9');
    await rig.resource('Member').delete(SERVER, '1');
    await expect(boards.patch(ADA, 'b1', { budget: 10 })).rejects.toMatchObject({
      ...FORBIDDEN,
      errors: [{ field: 'budget' }],
    });
    expect((await boards.patch(ADA, 'b1', { name: 'New' })).json).toBe('{"id":"b1","ownerId":"ada","name":"New"}');
    expect(() => boards.parseList(ADA, 'budget==9')).toThrow(expect.objectContaining({ code: 'INVALID_QUERY' }));
  });

  test('a list and a record have another version after a change of a related record', async () => {
    const rig = await team(later);
    const cards = rig.resource('Card');
    const versionOf = () => cards.versionOf(cards.parseList(ADA, ''), ADA);
    const version = versionOf();
    await rig.resource('Member').create(SERVER, { id: '9', boardId: 'b2', userId: 'ada' });
    expect(versionOf()).not.toBe(version);
    expect(await cards.get(ADA, 'c2')).toMatchObject({ isShared: true });
    expect(ids(await list(rig, 'Card', ADA))).toBe('c1 c2');
  });
});
