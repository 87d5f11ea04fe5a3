import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { type Principal, SERVER } from '../../src/auth/identity.ts';
import type { TableFrame } from '../../src/resources/table/frames.ts';
import type { TableHandle, TableSubscription } from '../../src/resources/table/handle.ts';
import { makeHandle } from '../../src/resources/table/make-handle.ts';
import { PropertyHarness, type PropertyHarnessOptions } from '../property/harness.ts';

const SDL = `
  type Board @table @export(public: [read, create, update, delete, subscribe]) {
    id: ID! @primaryKey
    name: String
    teamId: ID @hidden
    team: Board @relationship(from: "teamId")
    members: [Member] @relationship(to: "boardId")
    cards: [Card] @relationship(to: "boardId")
  }
  type Member @table @export(public: [read, create, update, delete, subscribe]) {
    id: ID! @primaryKey
    boardId: ID @indexed
    userId: ID @indexed
    note: String
    board: Board @relationship(from: "boardId")
  }
  type Card @table @export
    @access(read: "board.members.userId==$auth.sub", publish: "board.members.userId==$auth.sub") {
    id: ID! @primaryKey
    boardId: ID @indexed
    title: String
    board: Board @relationship(from: "boardId")
  }`;

const ADA: Principal = { type: 'principal', sub: 'ada', roles: [], claims: {}, expiresAt: undefined };

interface Scene {
  readonly rig: PropertyHarness;
  readonly board: TableHandle;
  readonly member: TableHandle;
  readonly card: TableHandle;
}

async function open(later = false, more: Partial<PropertyHarnessOptions> = {}): Promise<Scene> {
  const rig = new PropertyHarness({ sdl: SDL, later, ...more });
  onTestFinished(() => rig[Symbol.dispose]());
  const handle = (name: string) => makeHandle(rig.resource(name), SERVER);
  const scene = { rig, board: handle('Board'), member: handle('Member'), card: handle('Card') };
  await rig.resource('Board').createMany(SERVER, [
    { id: 'b1', name: 'One' },
    { id: 'b2', name: 'Two' },
  ]);
  await rig.resource('Member').createMany(SERVER, [
    { id: 'm1', boardId: 'b1', userId: 'ada' },
    { id: 'm2', boardId: 'b1', userId: 'ben' },
  ]);
  await rig.resource('Card').createMany(SERVER, [
    { id: 'c1', boardId: 'b1', title: 'first' },
    { id: 'c2', boardId: 'b1', title: 'second' },
    { id: 'c3', boardId: 'b2', title: 'third' },
  ]);
  return scene;
}

/** What is compared of a frame. */
function brief(frame: TableFrame): string {
  if (frame.message_type === undefined) return frame.type === 'reset' ? `reset ${frame.reason}` : frame.type;
  const reason = 'reason' in frame ? ` ${frame.reason}` : '';
  const more = frame.more ? ' more' : '';
  return `${frame.message_type} ${frame.op} ${frame.id}${reason}${more}`;
}

async function next(stream: TableSubscription, count: number): Promise<readonly TableFrame[]> {
  const frames: TableFrame[] = [];
  while (frames.length < count) frames.push((await stream.next()).value as TableFrame);
  return frames;
}

describe.each([
  ['the embedded engine', false],
  ['an engine that answers later', true],
])('a stream under a rule over relations on %s', (_name, later) => {
  test('follows memberships, and tells nothing of other records', async () => {
    const { rig, member, card } = await open(later);
    const stream = makeHandle(rig.resource('Card'), ADA).subscribe('retained=true');
    onTestFinished(async () => void (await stream.return()));
    expect((await next(stream, 3)).map(brief)).toEqual(['Retained retained c1', 'Retained retained c2', 'ready']);
    await card.patch('c3', { title: 'hidden' });
    await member.patch('m2', { userId: 'cy' });
    await member.patch('m1', { note: 'nothing' });
    await member.create({ id: 'm3', boardId: 'b2', userId: 'ada' });
    await card.patch('c3', { title: 'seen' });
    await member.patch('m1', { boardId: 'b9' });
    await card.patch('c1', { title: 'gone' });
    await card.patch('c1', { boardId: 'b2' });
    await member.delete('m3');
    expect((await next(stream, 7)).map(brief)).toEqual([
      'Update update c3',
      'Update update c3',
      'Delete update c1 filter more',
      'Delete update c2 filter',
      'Update update c1',
      'Delete update c1 filter more',
      'Delete update c3 filter',
    ]);
  });

  test('reads related records once for all subscribers, and again when they have changed', async () => {
    const { rig, member, card } = await open(later);
    const users = ['ada', 'ben', 'cy', 'dan', 'eve'];
    const streams = users.map((sub) => {
      const caller = makeHandle(rig.resource('Card'), { ...ADA, sub });
      return caller.subscribe('retained=true');
    });
    onTestFinished(async () => void (await Promise.all(streams.map((stream) => stream.return()))));
    const [ada, ben, cy] = streams as [TableSubscription, TableSubscription, TableSubscription];
    for (const stream of [ada, ben]) await next(stream, 3);
    for (const stream of streams.slice(2)) await next(stream, 1);
    const reads = vi.spyOn(rig.store, 'recordsBy');
    for (let i = 0; i < 10; i++) {
      await card.patch('c1', { title: `title ${i}` });
      for (const stream of [ada, ben]) expect((await next(stream, 1)).map(brief)).toEqual(['Update update c1']);
    }
    // The board, and its members.
    expect(reads).toHaveBeenCalledTimes(2);
    await member.patch('m2', { userId: 'cy' });
    await card.patch('c1', { title: 'for another' });
    expect((await next(ben, 2)).map(brief)).toEqual(['Delete update c1 filter more', 'Delete update c2 filter']);
    expect((await next(cy, 3)).map(brief)).toEqual(['Update update c1 more', 'Update update c2', 'Update update c1']);
    expect((await next(ada, 1)).map(brief)).toEqual(['Update update c1']);
  });

  test('resumes from any position, also between two frames of one change', async () => {
    const { rig, member, card } = await open(later);
    const cards = makeHandle(rig.resource('Card'), ADA);
    const since = rig.store.lastSeq;
    await member.delete('m1');
    await card.patch('c1', { title: 'unseen' });
    await member.create({ id: 'm4', boardId: 'b2', userId: 'ada' });
    const resumed = cards.subscribe('', { since });
    onTestFinished(async () => void (await resumed.return()));
    const frames = await next(resumed, 4);
    expect(frames.map(brief)).toEqual([
      'Delete update c1 filter more',
      'Delete update c2 filter',
      'Update update c3',
      'ready',
    ]);
    const [first, last, came] = frames.map(({ seq }) => seq);
    expect(first).toBe(last);
    expect(came).toBe(rig.store.lastSeq);
    // The record itself has not changed: its own seq stands beside.
    expect(frames[2]).toMatchObject({ record_seq: since, data: { title: 'third' } });
  });

  test('a message goes to those who may read its record', async () => {
    const { rig, member, card } = await open(later);
    const stream = makeHandle(rig.resource('Card'), ADA).subscribe('');
    onTestFinished(async () => void (await stream.return()));
    expect((await next(stream, 1)).map(brief)).toEqual(['ready']);
    await card.publish('c3', 'no');
    await card.publish('c1', 'yes');
    await member.delete('m1');
    await card.publish('c1', 'no');
    await member.create({ id: 'm1', boardId: 'b2', userId: 'ada' });
    expect((await next(stream, 4)).map(brief)).toEqual([
      'Publish publish c1',
      'Delete update c1 filter more',
      'Delete update c2 filter',
      'Update update c3',
    ]);
  });

  test('the channel of a record comes and goes with the membership', async () => {
    const { rig, member, board } = await open(later);
    const stream = makeHandle(rig.resource('Card'), ADA).subscribe('select=title,board{name}', { id: 'c1' });
    onTestFinished(async () => void (await stream.return()));
    await next(stream, 2);
    await member.delete('m1');
    await board.patch('b1', { name: 'unseen' });
    await member.create({ id: 'm1', boardId: 'b1', userId: 'ada' });
    await board.patch('b1', { name: 'seen' });
    const frames = await next(stream, 3);
    expect(frames.map(brief)).toEqual(['Delete update c1 filter', 'Update update c1', 'Update update c1']);
    expect(frames[2]).toMatchObject({ data: { id: 'c1', title: 'first', board: { name: 'seen' } } });
  });
});

describe('a stream that shows or is filtered by other tables', () => {
  test('follows both sides, and the fields that it shows only', async () => {
    const { rig, board, member, card } = await open();
    const shown = makeHandle(rig.resource('Card')).subscribe('select=title,board{name}&boardId==b1');
    const filtered = makeHandle(rig.resource('Board')).subscribe('cards.title==first&select=name');
    onTestFinished(async () => void (await Promise.all([shown.return(), filtered.return()])));
    await next(shown, 1);
    await next(filtered, 1);
    await member.create({ id: 'm5', boardId: 'b1' });
    await board.patch('b2', { name: 'Other' });
    await board.patch('b1', { name: 'New' });
    await card.patch('c1', { title: 'renamed' });
    await card.patch('c3', { title: 'first' });
    expect((await next(shown, 3)).map((frame) => [brief(frame), 'data' in frame ? frame.data : undefined])).toEqual([
      ['Update update c1 more', { id: 'c1', title: 'first', board: { name: 'New' } }],
      ['Update update c2', { id: 'c2', title: 'second', board: { name: 'New' } }],
      ['Update update c1', { id: 'c1', title: 'renamed', board: { name: 'New' } }],
    ]);
    expect((await next(filtered, 3)).map(brief)).toEqual([
      'Update update b1',
      'Delete update b1 filter',
      'Update update b2',
    ]);
  });

  test('gets its state anew where one change concerns too many records', async () => {
    const { rig, board, card } = await open();
    const many = Array.from({ length: 999 }, (_, n) => ({ id: `x${n}`, boardId: 'b1' }));
    await rig.resource('Card').createMany(SERVER, many);
    const stream = makeHandle(rig.resource('Card')).subscribe('select=board{name}');
    onTestFinished(async () => void (await stream.return()));
    await next(stream, 1);
    const { lastSeq: before } = rig.store;
    await board.patch('b1', { name: 'New' });
    const [reset, ...frames] = await next(stream, 1 + 1002 + 1);
    // A resume over the change gets the state anew too, before anything else has changed.
    const early = makeHandle(rig.resource('Card')).subscribe('select=board{name}', { since: before });
    onTestFinished(async () => void (await early.return()));
    expect((await next(early, 1)).map(brief)).toEqual(['reset related_changed']);
    expect(reset && brief(reset)).toBe('reset related_changed');
    expect(frames.at(-1)).toMatchObject({ type: 'ready', seq: rig.store.lastSeq });
    expect(frames.filter((frame) => 'data' in frame && JSON.stringify(frame.data).includes('New'))).toHaveLength(1001);
    // Live again, and resumable from there on; a resume over the change gets the state anew too.
    await card.patch('c1', { title: 'live' });
    expect((await next(stream, 1)).map(brief)).toEqual(['Update update c1']);
    const resumed = makeHandle(rig.resource('Card')).subscribe('select=board{name}', { since: before });
    onTestFinished(async () => void (await resumed.return()));
    expect((await next(resumed, 1)).map(brief)).toEqual(['reset related_changed']);
    expect(rig.faults).toEqual([]);
  });

  test.each([
    // Three cards are of the board, three changes come after the position, and two cards are related to it.
    [{ related: 1000, relatedAffected: 2, relatedChanges: 5000 }, ['reset related_changed', 'reset related_changed']],
    [{ related: 1000, relatedAffected: 3, relatedChanges: 2 }, ['Update update c1 more', 'reset related_changed']],
    [{ related: 1, relatedAffected: 3, relatedChanges: 3 }, ['reset related_changed', 'reset related_changed']],
    [{ related: 3, relatedAffected: 3, relatedChanges: 3 }, ['Update update c1 more', 'Update update c1 more']],
  ])('is bounded as %j say', async (relatedLimits, expected) => {
    const { rig, board, card } = await open(false, { relatedLimits });
    await card.create({ id: 'c4', boardId: 'b1' });
    const { lastSeq: before } = rig.store;
    const stream = makeHandle(rig.resource('Card')).subscribe('select=board{name}');
    onTestFinished(async () => void (await stream.return()));
    await next(stream, 1);
    await board.patch('b1', { name: 'New' });
    const [live] = await next(stream, 1);
    for (const name of ['Newer', 'Newest']) await board.patch('b1', { name });
    const resumed = makeHandle(rig.resource('Card')).subscribe('select=board{name}', { since: before });
    onTestFinished(async () => void (await resumed.return()));
    const [first] = await next(resumed, 1);
    expect([live && brief(live), first && brief(first)]).toEqual(expected);
    expect(rig.faults).toEqual([]);
  });

  test('decides for a board with more members than are looked through', async () => {
    const { rig, card, member } = await open();
    for (const start of [0, 900]) {
      const many = Array.from({ length: 900 }, (_, n) => ({
        id: `x${start + n}`,
        boardId: 'b2',
        userId: `u${start + n}`,
      }));
      await rig.resource('Member').createMany(SERVER, many);
    }
    const stream = makeHandle(rig.resource('Card'), { ...ADA, sub: 'u1700' }).subscribe('retained=true');
    const other = makeHandle(rig.resource('Card'), { ...ADA, sub: 'u9999' }).subscribe('retained=true');
    onTestFinished(async () => void (await Promise.all([stream.return(), other.return()])));
    expect((await next(stream, 2)).map(brief)).toEqual(['Retained retained c3', 'ready']);
    expect((await next(other, 1)).map(brief)).toEqual(['ready']);
    await card.patch('c3', { title: 'changed' });
    await member.create({ id: 'm9', boardId: 'b1', userId: 'u9999' });
    await member.delete('x1700');
    expect((await next(stream, 2)).map(brief)).toEqual(['Update update c3', 'Delete update c3 filter']);
    expect((await next(other, 2)).map(brief)).toEqual(['Update update c1 more', 'Update update c2']);
    expect(rig.faults).toEqual([]);
  });

  test('cannot follow a relation over a hidden field', async () => {
    const { rig } = await open();
    const boards = makeHandle(rig.resource('Board'));
    for (const query of ['select=team{name}', 'team.name==x', 'members.board.team!=null'])
      expect(() => boards.subscribe(query), query).toThrow(/^team follows the hidden field teamId/);
    expect(await boards.find('select=team{name}&id==b1')).toEqual([{ id: 'b1', team: null }]);
  });

  test('an own write is left out with echo=false', async () => {
    const { rig, card } = await open();
    const resource = rig.resource('Card');
    const lines: string[] = [];
    const sink = { pending: 0, write: (bytes: Buffer) => void lines.push(bytes.toString()), ended: () => {} };
    const encoding = {
      key: 'x',
      frame: ({ id }: { id: unknown }) => Buffer.from(String(id)),
      ready: () => undefined,
      reset: () => undefined,
    };
    const query = resource.parseSubscription(SERVER, 'board.name==One&echo=false', undefined);
    const subscription = resource.subscribe(query, encoding, sink);
    onTestFinished(() => resource.unsubscribe(subscription));
    const { seq } = await resource.patch(SERVER, 'c1', { title: 'own' });
    subscription.mute(seq);
    await card.patch('c2', { title: 'other' });
    await expect.poll(() => lines).toEqual(['c2']);
  });
});

describe.each([
  ['the embedded engine', false],
  ['an engine that answers later', true],
])('a window that looks at other tables on %s', (_name, later) => {
  test('has the records that a change of a related record takes out and brings in', async () => {
    const { rig, board, card } = await open(later);
    const query = 'board.name==One&sort=-title&limit=1&select=title,board{name}';
    const stream = makeHandle(rig.resource('Card'), SERVER).subscribe(query);
    onTestFinished(async () => void (await stream.return()));
    expect((await next(stream, 2)).map(brief)).toEqual(['Retained retained c2', 'ready']);
    await board.patch('b2', { name: 'One' });
    await board.patch('b1', { name: 'Three' });
    await card.patch('c1', { title: 'not here' });
    await board.patch('b1', { name: 'One' });
    await board.patch('b2', { name: 'Two' });
    const frames = await next(stream, 4);
    expect(frames.map(brief)).toEqual([
      'Delete update c2 window more',
      'Update update c3',
      'Delete update c3 filter more',
      'Update update c2 window',
    ]);
    expect(frames[1]).toMatchObject({ at: 0, data: { id: 'c3', title: 'third', board: { name: 'One' } } });
  });

  test('shows the related records, and follows an access rule over relations', async () => {
    const { rig, member, board } = await open(later);
    const cards = makeHandle(rig.resource('Card'), ADA);
    const stream = cards.subscribe('sort=title&limit=2&select=title,board{name}');
    onTestFinished(async () => void (await stream.return()));
    expect((await next(stream, 3)).map(brief)).toEqual(['Retained retained c1', 'Retained retained c2', 'ready']);
    const since = rig.store.lastSeq;
    await board.patch('b1', { name: 'First' });
    await member.delete('m1');
    await member.create({ id: 'm5', boardId: 'b2', userId: 'ada' });
    const expected = [
      'Update update c1 more',
      'Update update c2',
      'Delete update c1 filter more',
      'Delete update c2 filter',
      'Update update c3',
    ];
    expect((await next(stream, 5)).map(brief)).toEqual(expected);
    const resumed = cards.subscribe('sort=title&limit=2&select=title,board{name}', { since });
    onTestFinished(async () => void (await resumed.return()));
    expect((await next(resumed, 6)).map(brief)).toEqual([...expected, 'ready']);
  });

  test('and totals under a condition on them are those of the list', async () => {
    const { rig, board } = await open(later);
    const cards = makeHandle(rig.resource('Card'), SERVER);
    const totals = cards.subscribe('board.name==One&aggregate=count&group=boardId');
    onTestFinished(async () => void (await totals.return()));
    const counted = cards.subscribe('board.name==One&sort=title&limit=1&count=true');
    onTestFinished(async () => void (await counted.return()));
    expect(await next(totals, 2)).toMatchObject([{ data: { boardId: 'b1', count: 2 } }, { type: 'ready' }]);
    expect((await next(counted, 2))[1]).toMatchObject({ type: 'ready', total: 2 });
    await board.patch('b2', { name: 'One' });
    await board.patch('b1', { name: 'Two' });
    expect(await next(totals, 2)).toMatchObject([
      { message_type: 'Update', op: 'create', data: { boardId: 'b2', count: 1 } },
      { message_type: 'Delete', data: { boardId: 'b1' }, reason: 'empty' },
    ]);
    const frames = await next(counted, 3);
    expect(frames).toMatchObject([{ type: 'total', total: 3 }, { message_type: 'Delete' }, { total: 1 }]);
  });
});
