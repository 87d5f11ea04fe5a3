import { describe, expect, test } from 'vitest';
import { tableOf } from '../schema/mistakes.ts';
import { turns } from '../support/engine.ts';
import { HubHarness, Reader, SDL } from './hub-harness.ts';

describe('a subscription from now on', () => {
  test('is ready at once and receives each change in order, each once', async () => {
    const bench = new HubHarness();
    bench.put('old', 1);
    const reader = bench.subscribe();
    await bench.until(() => reader.lines.length === 1);
    expect(reader.lines).toEqual([{ type: 'ready', seq: bench.feed.head }]);
    bench.put('a', 1);
    bench.put('a', 2);
    bench.publish('a', { text: 'hi' });
    bench.publish(null, [1]);
    bench.remove('a');
    await bench.until(() => reader.changes.length === 5);
    expect(reader.changes.map(({ type, op, id, data }) => [type, op, id, data])).toEqual([
      ['Update', 'create', 'a', { id: 'a', n: 1, text: null }],
      ['Update', 'update', 'a', { id: 'a', n: 2, text: null }],
      ['Publish', 'publish', 'a', { text: 'hi' }],
      ['Publish', 'publish', null, [1]],
      ['Delete', 'delete', 'a', { id: 'a' }],
    ]);
    expect(reader.changes.map(({ seq }) => seq)).toEqual(bench.history.slice(1).map(({ seq }) => seq));
    expect(bench.faults).toEqual([]);
  });

  test('of a record receives only changes and messages of that record', async () => {
    const bench = new HubHarness();
    const reader = bench.subscribe({ id: 'a' });
    bench.put('b', 1);
    bench.put('a', 1);
    bench.publish(null, 'to all');
    bench.publish('a', 'to a');
    await bench.until(() => reader.changes.length === 2);
    await turns(3);
    expect(reader.changes.map(({ id, op }) => [id, op])).toEqual([
      ['a', 'create'],
      ['a', 'publish'],
    ]);
  });

  test('receives what was committed between being opened and being ready', async () => {
    const bench = new HubHarness();
    const reader = bench.subscribe();
    const seq = bench.put('a', 1);
    await bench.until(() => reader.changes.length === 1);
    expect(reader.changes[0]?.seq).toBe(seq);
  });
});

describe('the number of subscriptions', () => {
  test('is that of those which a message reaches', async () => {
    const bench = new HubHarness();
    const { hub, table } = bench;
    expect([hub.audience(table, 'a'), hub.audience(table, null), hub.size]).toEqual([0, 0, 0]);
    const readers = [bench.subscribe(), bench.subscribe({ id: 'a' }), bench.subscribe({ id: 'b' })];
    expect([hub.audience(table, 'a'), hub.audience(table, 'c'), hub.audience(table, null)]).toEqual([2, 1, 1]);
    await bench.until(() => readers.every(({ lines }) => lines.length > 0));
    expect([hub.audience(table, 'a'), hub.size]).toEqual([2, 3]);
    for (const { subscription } of readers) if (subscription !== undefined) hub.unsubscribe(subscription);
    expect([hub.audience(table, 'a'), hub.audience(table, null), hub.size]).toEqual([0, 0, 0]);
  });

  test('is right when a subscription ends twice', () => {
    const bench = new HubHarness();
    const { subscription } = bench.subscribe();
    bench.subscribe();
    if (subscription === undefined) throw new Error('there is a subscription');
    bench.hub.unsubscribe(subscription);
    bench.hub.unsubscribe(subscription);
    expect(bench.hub.size).toBe(1);
  });
});

describe('ending a subscription', () => {
  test('stops its frames at once, including those that wait to be sent', async () => {
    const bench = new HubHarness();
    const [first, second] = [bench.subscribe(), bench.subscribe()];
    await bench.until(() => second.lines.length === 1);
    bench.put('a', 1);
    if (first.subscription !== undefined) bench.hub.unsubscribe(first.subscription);
    await bench.until(() => second.changes.length === 1);
    await turns(3);
    expect(first.changes).toEqual([]);
    expect(first.end).toBeUndefined();
  });

  test('while others are being served loses nothing for them', async () => {
    const bench = new HubHarness();
    const readers = Array.from({ length: 20 }, () => bench.subscribe());
    await bench.until(() => readers.every(({ lines }) => lines.length === 1));
    for (const [index, reader] of readers.entries()) {
      if (index % 3 !== 0) continue;
      // Removes itself and its neighbour during the flush.
      reader.onWrite = () => {
        for (const gone of [reader, readers[index + 1]]) {
          if (gone?.subscription !== undefined) bench.hub.unsubscribe(gone.subscription);
        }
      };
    }
    bench.put('a', 1);
    bench.put('a', 2);
    const staying = readers.filter((_, index) => index % 3 === 2);
    await bench.until(() => staying.every(({ changes }) => changes.length === 2));
    expect(bench.hub.size).toBe(staying.length);
    expect(readers.every(({ changes }) => changes.length <= 2)).toBe(true);
  });

  test('after an internal error is reported to the subscriber and to onError', async () => {
    const fault = new Error('the disk is gone');
    const bench = new HubHarness({
      wrap: (store) =>
        new Proxy(store, {
          get: (target, name) => {
            if (name === 'page') throw fault;
            const member: unknown = Reflect.get(target, name, target);
            return typeof member === 'function' ? (member.bind(target) as unknown) : member;
          },
        }),
    });
    const reader = bench.subscribe({ retained: true });
    const other = bench.subscribe();
    await bench.until(() => reader.end !== undefined && other.lines.length === 1);
    expect([reader.end, other.end]).toEqual(['failed', undefined]);
    expect(bench.faults).toEqual([fault]);
    expect(bench.hub.size).toBe(1);
  });
});

test('own changes of a subscriber are left out with suppressEcho', async () => {
  const bench = new HubHarness();
  const [quiet, loud] = [bench.subscribe({ suppressEcho: true }), bench.subscribe()];
  expect(loud.subscription?.suppressedSeqs).toBeUndefined();
  await bench.until(() => quiet.lines.length === 1 && loud.lines.length === 1);
  for (let n = 0; n < 4; n++) {
    const seq = bench.put('a', n);
    if (n % 2 === 0) quiet.subscription?.suppressedSeqs?.add(seq);
  }
  await bench.until(() => loud.changes.length === 4 && quiet.changes.length === 2);
  expect(quiet.changes.map(({ data }) => data?.n)).toEqual([1, 3]);
  expect(quiet.subscription?.suppressedSeqs?.size).toBe(0);
});

test('changes of a table without subscribers do not reach those of other tables', async () => {
  const bench = new HubHarness();
  const reader = bench.subscribe();
  await bench.until(() => reader.lines.length === 1);
  const other = tableOf(SDL);
  const after = bench.feed.head;
  const head = after + 1;
  bench.bus.ring({
    after,
    head,
    changes: [{ seq: head, table: other, op: 'create', id: 'x', data: '{}', before: null }],
  });
  await turns(3);
  expect(reader.lines).toHaveLength(1);
});

test('a reader that was never full is never served from the log', async () => {
  let reads = 0;
  const bench = new HubHarness({
    wrap: (store) =>
      new Proxy(store, {
        get: (target, name) => {
          if (name === 'readLog') reads++;
          const member: unknown = Reflect.get(target, name, target);
          return typeof member === 'function' ? (member.bind(target) as unknown) : member;
        },
      }),
  });
  const reader = bench.subscribe({}, new Reader());
  for (let n = 0; n < 50; n++) {
    bench.put('a', n);
    if (n % 7 === 0) await turns(1);
  }
  await bench.until(() => reader.changes.length === 50);
  expect(reads).toBe(0);
});
