import { describe, expect, test } from 'vitest';
import { Feed } from '../../src/events/feed.ts';
import type { Change } from '../../src/store/store.ts';
import { tableOf } from '../schema/mistakes.ts';

const table = tableOf('type T @table { id: ID! @primaryKey }');

function change(seq: number): Change {
  return { seq, table, op: 'publish', id: null, data: '1', before: null };
}

describe('the feed', () => {
  test('hands the changes of a commit to every listener, in order', () => {
    const feed = new Feed(10);
    const told: [string, number[]][] = [];
    feed.listen((changes) => told.push(['first', changes.map(({ seq }) => seq)]));
    feed.listen((changes) => told.push(['second', changes.map(({ seq }) => seq)]));
    expect(feed.head).toBe(10);
    feed.deliver([change(11), change(13)]);
    feed.deliver([]);
    expect(told).toEqual([
      ['first', [11, 13]],
      ['second', [11, 13]],
    ]);
    expect(feed.head).toBe(13);
  });

  test.each([[[10]], [[9]], [[12, 12]], [[12, 11]]])('refuses %j after 10, and tells nobody', (seqs) => {
    const feed = new Feed(10);
    let told = 0;
    feed.listen(() => told++);
    expect(() => feed.deliver(seqs.map(change))).toThrow(/^The feed got seq \d+ after \d+\.$/);
    expect(told).toBe(0);
  });
});
