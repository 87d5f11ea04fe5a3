import { describe, expect, test } from 'vitest';
import { ChangeView } from '../../src/hub/change-view.ts';
import { Channel } from '../../src/hub/channel.ts';
import { EVERYTHING, type Selection } from '../../src/hub/selection.ts';
import { type GroupHost, ShapeGroup } from '../../src/hub/shape-group.ts';
import { Subscription } from '../../src/hub/subscription.ts';
import type { Change } from '../../src/store/store.ts';
import { tableOf } from '../schema/mistakes.ts';
import { LINES } from '../support/engine.ts';
import { Reader } from './hub-harness.ts';

const table = tableOf('type T @table { id: ID! @primaryKey }');
const RAW = { ...LINES, key: 'raw', frame: ({ data }: { data: string }) => Buffer.from(data) };

function change(seq: number, data = `<${seq}>`): Change {
  return { seq, table, op: 'publish', id: null, data, before: null };
}

function hostOf(serve: (group: ShapeGroup) => void): GroupHost {
  return {
    serve,
    opened: () => {},
    failed: (_group, error) => {
      throw error;
    },
  };
}

/** Returns true when the group asked to serve its live subscriptions. */
function append(group: ShapeGroup, one: Change): boolean {
  let served = false;
  group.append(
    new ChangeView(one),
    hostOf(() => {
      served = true;
    }),
  );
  return served;
}

/** A group with one live subscription. */
function liveGroup(head = 0): ShapeGroup {
  const channel = new Channel(table, undefined);
  const group = channel.group(RAW, EVERYTHING, head);
  group.live.push(new Subscription(channel, group, new Reader(), head));
  return group;
}

describe('the fan-out buffer of a group', () => {
  test('is empty without live subscriptions, and reaches back to the newest change only', () => {
    const group = new ShapeGroup(RAW, EVERYTHING, 5);
    expect([group.reaches(4), group.reaches(5), group.endOffset]).toEqual([false, true, 0]);
    expect(append(group, change(9))).toBe(false);
    expect([group.reaches(8), group.reaches(9), group.endOffset]).toEqual([false, true, 0]);
  });

  test('returns frames by cursor, and the cursor after a position', () => {
    const group = liveGroup(5);
    for (const seq of [10, 20, 30]) expect(append(group, change(seq))).toBe(true);
    expect([5, 9, 10, 15, 20, 30, 99].map((position) => group.cursorAfter(position))).toEqual([0, 0, 1, 1, 2, 3, 3]);
    expect([0, 1, 2].map((cursor) => [group.seqAt(cursor), String(group.frameAt(cursor))])).toEqual([
      [10, '<10>'],
      [20, '<20>'],
      [30, '<30>'],
    ]);
    expect([String(group.join(0, 3)), String(group.join(1, 2)), String(group.join(1, 3))]).toEqual([
      '<10><20><30>',
      '<20>',
      '<20><30>',
    ]);
    expect(group.join(0, 3)).not.toBe(group.join(1, 3));
    expect(group.join(1, 3)).toBe(group.join(1, 3));
    expect([group.remaining, group.reaches(5), group.reaches(4)]).toEqual([1, true, false]);
  });

  test('has no frame for a change that its selection does not match', () => {
    const channel = new Channel(table, undefined);
    const group = channel.group(RAW, { key: 'none', matches: () => false }, 0);
    group.live.push(new Subscription(channel, group, new Reader(), 0));
    expect(append(group, change(1, '{}'))).toBe(false);
    expect([group.endOffset, group.remaining, group.reaches(0)]).toEqual([0, 0, true]);
  });

  test('is cleared when all subscriptions have it, and cursors go on', () => {
    const group = liveGroup();
    append(group, change(1));
    append(group, change(2));
    group.flushed(7);
    expect([group.offset, group.endOffset, group.reaches(6), group.reaches(7)]).toEqual([2, 2, false, true]);
    append(group, change(8));
    expect([group.cursorAfter(7), group.endOffset, String(group.frameAt(2))]).toEqual([2, 3, '<8>']);
  });

  test('is kept, up to a maximum, while a subscription is about to join', () => {
    const group = liveGroup();
    group.lagging = 1;
    const text = 'x'.repeat(100 * 1024);
    for (const seq of [1, 2, 3, 4]) append(group, change(seq, text));
    group.flushed(4);
    expect([group.offset, group.endOffset]).toEqual([2, 4]);
    expect([group.reaches(1), group.reaches(2)]).toEqual([false, true]);
    group.flushed(4);
    expect(group.offset).toBe(2);
  });

  test('is cut at the old end when it grows too long', () => {
    const group = liveGroup();
    const text = 'x'.repeat(1024 * 1024);
    for (let seq = 1; seq <= 8; seq++) append(group, change(seq, text));
    expect(group.offset).toBe(0);
    append(group, change(9, text));
    expect([group.offset, group.endOffset]).toEqual([5, 9]);
    expect([group.reaches(4), group.reaches(5), group.seqAt(5)]).toEqual([false, true, 6]);
  });

  test('is written in pieces of limited size, at least one frame each', () => {
    const group = liveGroup();
    for (const [seq, kilobytes] of [1, 100, 20, 50, 300, 1].entries()) {
      append(group, change(seq + 1, 'x'.repeat(kilobytes * 1024)));
    }
    const ends = [group.writeEnd(0), group.writeEnd(3), group.writeEnd(4), group.writeEnd(5)];
    expect(ends).toEqual([3, 4, 5, 6]);
  });
});

describe('a group whose frames include related records', () => {
  /** Opens a group whose reads of related records are resolved by the test, by the id of the record. */
  function open() {
    const reads = new Map<unknown, { resolve(text: string): void; reject(error: Error): void }>();
    const readRelated: Selection['readRelated'] = ({ id }) =>
      new Promise((resolve, reject) => reads.set(id, { resolve, reject }));
    const channel = new Channel(table, undefined);
    const group = channel.group(RAW, { key: 'related', fields: ['id'], readRelated }, 0);
    const subscription = new Subscription(channel, group, new Reader(), 0);
    group.live.push(subscription);
    const served: string[] = [];
    const failures: unknown[] = [];
    const host: GroupHost = {
      opened: () => {},
      serve: () => void served.push(String(group.frameAt(group.endOffset - 1))),
      failed: (_group, error) => {
        failures.push(error);
        group.live.length = 0;
      },
    };
    const put = (seq: number) =>
      group.append(
        new ChangeView({ seq, table, op: 'create', id: `${seq}`, data: `{"id":${seq}}`, before: null }),
        host,
      );
    return { group, subscription, reads, served, failures, host, put };
  }

  test('sends frames in order, in whichever order the reads resolve, and its position waits for them', async () => {
    const { group, reads, served, put, host } = open();
    put(10);
    put(20);
    const removed = { seq: 30, table, op: 'delete', id: 'x', data: '{"id":"x"}', before: '{"id":"x"}' } as const;
    group.append(new ChangeView(removed), host);
    expect([group.settled(99), group.endOffset]).toEqual([9, 0]);
    reads.get(20)?.resolve(',"of":2');
    await turn();
    expect(served).toEqual([]);
    reads.get(10)?.resolve(',"of":1');
    await turn();
    expect(served).toEqual(['{"id":10,"of":1}', '{"id":20,"of":2}', '{"id":"x"}']);
    expect([group.settled(99), group.endOffset]).toEqual([99, 3]);
  });

  test('lets its subscribers read the log when a read fails, and goes on', async () => {
    const { group, subscription, reads, served, failures, put } = open();
    put(10);
    put(20);
    reads.get(10)?.reject(new Error('away'));
    await turn();
    expect([failures.map(String), served, group.reaches(9), group.reaches(10)]).toEqual([
      ['Error: away'],
      [],
      false,
      true,
    ]);
    group.live.push(subscription);
    reads.get(20)?.resolve('');
    await turn();
    expect([served, group.settled(99)]).toEqual([['{"id":20}'], 99]);
  });

  test('keeps unread changes for subscriptions that join, and drops them without live ones', async () => {
    const { group, reads, served, put } = open();
    put(10);
    group.flushed(50);
    expect([group.reaches(9), group.reaches(8)]).toEqual([true, false]);
    group.live.length = 0;
    put(60);
    reads.get(10)?.resolve('');
    await turn();
    expect([served, group.reaches(59), group.reaches(60)]).toEqual([[], false, true]);
  });
});

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe('a channel', () => {
  test('shares a group where encoding and selection are equal, and removes it when it is empty', () => {
    const channel = new Channel(table, 'a');
    const group = channel.group(RAW, EVERYTHING, 0);
    expect(channel.group(RAW, { key: '' }, 9)).toBe(group);
    expect(channel.group(LINES, EVERYTHING, 0)).not.toBe(group);
    expect(channel.group(RAW, { key: 'x' }, 0)).not.toBe(group);
    expect(channel.size).toBe(3);
    group.lagging = 2;
    channel.removeIfEmpty(group);
    expect([channel.size, channel.audience]).toEqual([3, 2]);
    group.lagging = 0;
    channel.removeIfEmpty(group);
    channel.removeIfEmpty(group);
    expect(channel.size).toBe(2);
  });

  test('serves the groups that have frames to send', () => {
    const channel = new Channel(table, undefined);
    const [one, two] = [channel.group(RAW, EVERYTHING, 0), channel.group(LINES, EVERYTHING, 0)];
    one.live.push(new Subscription(channel, one, new Reader(), 0));
    const served: ShapeGroup[] = [];
    channel.append(
      new ChangeView(change(3)),
      hostOf((group) => served.push(group)),
    );
    expect(served).toEqual([one]);
    expect(two.reaches(2)).toBe(false);
  });

  test('tries only groups whose value the record has or had', () => {
    const channel = new Channel(table, undefined);
    const tried: string[] = [];
    const open = (field: string, value: string | number | boolean) => {
      const key = `${field}=${value}`;
      const matches = (record: Readonly<Record<string, unknown>>) => {
        tried.push(key);
        return record[field] === value;
      };
      const group = channel.group(RAW, { key, matches, equal: { field, value } }, 0);
      group.live.push(new Subscription(channel, group, new Reader(), 0));
      return group;
    };
    const groups = [open('room', 'a'), open('room', 'b'), open('room', 'c'), open('n', 1), open('n', 2)];
    const served: string[] = [];
    const host = hostOf(({ selection }) => served.push(selection.key));
    const update = (seq: number, data: object, before: object): ChangeView => {
      const json = { data: JSON.stringify(data), before: JSON.stringify(before) };
      return new ChangeView({ seq, table, op: 'update', id: 'x', ...json });
    };
    channel.append(update(1, { room: 'b', n: 1 }, { room: 'a' }), host);
    expect(served).toEqual(['room=b', 'room=a', 'n=1']);
    expect(new Set(tried)).toEqual(new Set(['room=a', 'room=b', 'n=1']));
    tried.length = 0;
    channel.append(update(2, { room: 'z' }, { room: 'y' }), host);
    expect(tried).toEqual([]);
    for (const group of groups) {
      group.live.length = 0;
      channel.removeIfEmpty(group);
    }
    expect(channel.size).toBe(0);
    channel.append(update(3, { room: 'a' }, {}), host);
    expect(tried).toEqual([]);
  });
});
