import { describe, expect, test } from 'vitest';
import type { Subscription } from '../../src/hub/subscription.ts';
import { StoreFolder } from '../store/stores.ts';
import { turns } from '../support/engine.ts';
import { HubHarness, type Line, type Reader } from './hub-harness.ts';

/** Returns the state that a client has after these lines. */
function stateOf(lines: readonly Line[]): Map<unknown, unknown> {
  const state = new Map<unknown, unknown>();
  for (const { type, id, data } of lines) {
    if (type === 'reset') state.clear();
    if (type === 'Update' || type === 'Retained') state.set(id, data);
    if (type === 'Delete') state.delete(id);
  }
  return state;
}

function stored({ store, table }: HubHarness): Map<unknown, unknown> {
  return new Map(store.page(table, undefined, 10_000).map(({ id, json }) => [id, JSON.parse(json)]));
}

function ids(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `r${String(index).padStart(3, '0')}`);
}

/** Waits until later writes have another timestamp than earlier ones. */
async function nextMillisecond(bench: HubHarness): Promise<void> {
  const before = Date.now();
  await bench.until(() => Date.now() > before);
}

describe('a snapshot', () => {
  test('is sent before ready, with the seq of each record', async () => {
    const bench = new HubHarness();
    const seqs = ids(3).map((id, n) => bench.put(id, n));
    const reader = bench.subscribe({ retained: true });
    await bench.until(() => reader.lines.length === 4);
    expect(reader.lines.map(({ type, id, seq }) => [type, id, seq])).toEqual([
      ['Retained', 'r000', seqs[0]],
      ['Retained', 'r001', seqs[1]],
      ['Retained', 'r002', seqs[2]],
      ['ready', undefined, seqs[2]],
    ]);
  });

  test('of a record is that record, or empty', async () => {
    const bench = new HubHarness();
    bench.put('a', 1);
    bench.put('b', 1);
    const [a, none] = [bench.subscribe({ retained: true, id: 'a' }), bench.subscribe({ retained: true, id: 'x' })];
    await bench.until(() => a.types.includes('ready') && none.types.includes('ready'));
    expect(a.lines.map(({ type, id }) => [type, id])).toEqual([
      ['Retained', 'a'],
      ['ready', undefined],
    ]);
    expect(none.types).toEqual(['ready']);
  });

  test('has only records and fields of the selection', async () => {
    const bench = new HubHarness({ replayPage: 2 });
    for (const [n, id] of ids(6).entries()) bench.put(id, n, 'long');
    const selection = {
      key: 'even',
      matches: ({ n }: Readonly<Record<string, unknown>>) => Number(n) % 2 === 0,
      fields: ['id', 'n'],
    };
    const reader = bench.subscribe({ retained: true, selection });
    await bench.until(() => reader.types.includes('ready'));
    expect(reader.lines.slice(0, -1).map(({ data }) => data)).toEqual([
      { id: 'r000', n: 0 },
      { id: 'r002', n: 2 },
      { id: 'r004', n: 4 },
    ]);
  });

  test('of many pages during writes is exactly the state at ready', async () => {
    const bench = new HubHarness({ replayPage: 4 });
    for (const id of ids(60)) bench.put(id, 0);
    const reader = bench.subscribe({ retained: true });
    let page = 0;
    reader.onWrite = () => {
      if (page++ > 10 || reader.types.includes('ready')) return;
      bench.put('r000', page);
      bench.put('r059', page);
      bench.put(`r05${page % 8}`, page);
      bench.put(`x${page}`, page);
      if (page === 3) bench.remove('r030');
    };
    await bench.until(() => reader.types.includes('ready'));
    const ready = reader.lines.findIndex(({ type }) => type === 'ready');
    expect(stateOf(reader.lines.slice(0, ready))).toEqual(stored(bench));
    expect(reader.lines[ready]?.seq).toBe(bench.feed.head);
    expect(page).toBeGreaterThan(10);
    const seqs = reader.changes.map(({ seq }) => seq);
    expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
    bench.put('after', 1);
    await bench.until(() => reader.lines.at(-1)?.id === 'after');
  });

  test('stops when the subscription is ended', async () => {
    const bench = new HubHarness({ replayPage: 1 });
    for (const id of ids(20)) bench.put(id, 0);
    const reader = bench.subscribe({ retained: true });
    reader.onWrite = () => reader.subscription && bench.hub.unsubscribe(reader.subscription);
    await bench.until(() => bench.hub.size === 0);
    const { length } = reader.lines;
    await turns(5);
    expect(reader.lines).toHaveLength(length);
    expect(length).toBeLessThan(20);
  });
});

describe('resuming', () => {
  test('sends exactly what came after the position, then ready', async () => {
    const bench = new HubHarness({ replayPage: 3 });
    for (let n = 0; n < 20; n++) bench.put(`r${n % 4}`, n);
    for (const from of [0, 1, 10, 18, 19]) {
      const since = bench.history[from]?.seq as number;
      const [all, one] = [bench.subscribe({ since }), bench.subscribe({ since, id: 'r1' })];
      await bench.until(() => all.types.includes('ready') && one.types.includes('ready'));
      const expected = bench.history.slice(from + 1);
      expect(all.changes.map(({ seq }) => seq)).toEqual(expected.map(({ seq }) => seq));
      expect(one.changes.map(({ seq }) => seq)).toEqual(expected.filter(({ id }) => id === 'r1').map(({ seq }) => seq));
      expect([all.types.at(-1), all.lines.at(-1)?.seq]).toEqual(['ready', bench.feed.head]);
    }
  });

  test('from a position that was trimmed sends a reset and the whole state', async () => {
    const bench = new HubHarness({ replayPage: 3, maxCount: 4 });
    for (let n = 0; n < 12; n++) bench.put(`r${n % 8}`, n);
    bench.store.trim(Date.now(), 100);
    const reader = bench.subscribe({ since: bench.history[2]?.seq as number });
    await bench.until(() => reader.types.includes('ready'));
    expect(reader.lines[0]).toEqual({ type: 'reset', reason: 'position_trimmed', seq: bench.feed.head });
    expect(reader.types.slice(1)).toEqual([...new Array<string>(8).fill('Retained'), 'ready']);
    expect(stateOf(reader.lines)).toEqual(stored(bench));
    const kept = bench.subscribe({ since: bench.history[7]?.seq as number });
    await bench.until(() => kept.types.includes('ready'));
    expect(kept.types).toEqual([...new Array<string>(4).fill('Update'), 'ready']);
  });

  test('from before the table existed sends a reset', async () => {
    const bench = new HubHarness();
    const reader = bench.subscribe({ since: 0 });
    await bench.until(() => reader.types.includes('ready'));
    expect(reader.lines.map(({ type, reason }) => [type, reason])).toEqual([
      ['reset', 'position_trimmed'],
      ['ready', undefined],
    ]);
  });

  test('from a position that was never issued sends a reset', async () => {
    const bench = new HubHarness();
    bench.put('a', 1);
    const reader = bench.subscribe({ since: bench.feed.head + 1, id: 'a' });
    await bench.until(() => reader.types.includes('ready'));
    expect(reader.lines.map(({ type, reason, id }) => [type, reason, id])).toEqual([
      ['reset', 'position_unknown', undefined],
      ['Retained', undefined, 'a'],
      ['ready', undefined, undefined],
    ]);
  });

  test('from a position of a lost future sends a reset, also when the log has passed it', async () => {
    const folder = new StoreFolder();
    const kept = new HubHarness({ folder }).put('a', 1);
    folder.copy();
    const ahead = new HubHarness({ folder });
    await nextMillisecond(ahead);
    const lost = ahead.put('lost', 2);
    folder.putBack();
    const bench = new HubHarness({ folder });
    await nextMillisecond(bench);
    bench.put('b', 3);
    const [misled, other] = [bench.subscribe({ since: lost }), bench.subscribe({ since: kept })];
    const one = bench.subscribe({ since: lost, id: 'lost' });
    bench.put('c', 4);
    await bench.until(() => [misled, other, one].every(({ types }) => types.includes('ready')));
    await bench.until(() => [misled, other].every(({ lines }) => lines.some(({ id }) => id === 'c')));
    expect(misled.lines[0]).toMatchObject({ type: 'reset', reason: 'position_unknown' });
    expect(one.lines.map(({ type, reason }) => [type, reason])).toEqual([
      ['reset', 'position_unknown'],
      ['ready', undefined],
    ]);
    expect(stateOf(misled.lines)).toEqual(stored(bench));
    expect(other.changes.map(({ id }) => id)).toEqual(['b', 'c']);
    expect(other.types).not.toContain('reset');
  });

  test('waits for a store that checks the position asynchronously', async () => {
    const answers: ((known: boolean) => void)[] = [];
    const bench = new HubHarness({
      wrap: (store) =>
        new Proxy(store, {
          get: (target, name) => {
            if (name === 'wasIssued') return () => new Promise<boolean>((resolve) => answers.push(resolve));
            const member: unknown = Reflect.get(target, name, target);
            return typeof member === 'function' ? (member.bind(target) as unknown) : member;
          },
        }),
    });
    const since = bench.put('a', 1);
    const readers = [1, 2, 3].map(() => bench.subscribe({ since }));
    bench.put('b', 2);
    await turns(2);
    expect(readers.map(({ types }) => types)).toEqual([[], [], []]);
    const [known, unknown, gone] = readers as [Reader, Reader, Reader];
    bench.hub.unsubscribe(gone.subscription as Subscription);
    for (const [index, answer] of answers.entries()) answer(index === 0);
    await bench.until(() => [known, unknown].every(({ types }) => types.includes('ready')));
    await turns(2);
    expect(known.types).toEqual(['Update', 'ready']);
    expect(unknown.types).toEqual(['reset', 'Retained', 'Retained', 'ready']);
    expect(gone.types).toEqual([]);
  });

  test('sends a reset when the log is trimmed past the reader while it reads', async () => {
    const bench = new HubHarness({ replayPage: 2, maxCount: 3 });
    for (let n = 0; n < 30; n++) bench.put(`r${n % 3}`, n);
    const reader = bench.subscribe({ since: bench.history[0]?.seq as number });
    reader.onWrite = () => {
      if (reader.lines.length === 4) bench.store.trim(Date.now(), 100);
    };
    await bench.until(() => reader.types.includes('ready'));
    expect(reader.types).toEqual([
      ...new Array<string>(4).fill('Update'),
      'reset',
      ...new Array<string>(3).fill('Retained'),
      'ready',
    ]);
    expect(stateOf(reader.lines)).toEqual(stored(bench));
  });
});

describe('a subscriber that does not read', () => {
  test('lags, is not written to, and receives everything in order when it reads again', async () => {
    const bench = new HubHarness({ clientBuffer: 500, replayPage: 3 });
    const [slow, fast] = [bench.subscribe(), bench.subscribe()];
    await bench.until(() => slow.types.includes('ready') && fast.types.includes('ready'));
    slow.reads = false;
    for (let n = 0; n < 40; n++) {
      bench.put('a', n, 'x'.repeat(100));
      await turns(2);
    }
    await bench.until(() => fast.changes.length === 40);
    const told = slow.changes.length;
    expect(told).toBeLessThan(10);
    expect(slow.subscription?.state).toBe('behind');
    expect(slow.pending).toBeLessThan(500 + 300);
    slow.resume();
    await bench.until(() => slow.subscription?.state === 'live');
    bench.put('last', 1);
    await bench.until(() => slow.changes.length === 41);
    expect(slow.changes).toEqual(fast.changes.slice(0, 41));
    expect(slow.types.filter((type) => type === 'ready')).toHaveLength(1);
  });

  test('during a snapshot is waited for after each page', async () => {
    const bench = new HubHarness({ clientBuffer: 300, replayPage: 2 });
    for (const id of ids(12)) bench.put(id, 0, 'x'.repeat(100));
    const reader = bench.subscribe({ retained: true });
    reader.reads = false;
    await turns(10);
    const { length } = reader.lines;
    expect(length).toBeLessThan(6);
    await turns(10);
    expect(reader.lines).toHaveLength(length);
    reader.resume();
    await bench.until(() => reader.types.includes('ready'));
    expect(stateOf(reader.lines)).toEqual(stored(bench));
  });

  test('receives a reset and ready again when its position is trimmed meanwhile', async () => {
    const bench = new HubHarness({ clientBuffer: 500, maxCount: 2 });
    const reader = bench.subscribe();
    await bench.until(() => reader.types.includes('ready'));
    reader.reads = false;
    for (let n = 0; n < 20; n++) {
      bench.put(`r${n % 3}`, n, 'x'.repeat(100));
      await turns(2);
    }
    bench.store.trim(Date.now(), 100);
    reader.resume();
    await bench.until(() => reader.types.at(-1) === 'ready' && reader.types.includes('reset'));
    expect(stateOf(reader.lines)).toEqual(stored(bench));
    expect(reader.lines.find(({ type }) => type === 'reset')?.reason).toBe('position_trimmed');
  });

  test('does not receive its own changes from the log', async () => {
    const bench = new HubHarness({ clientBuffer: 500 });
    const reader = bench.subscribe({ suppressEcho: true });
    await bench.until(() => reader.types.includes('ready'));
    reader.reads = false;
    for (let n = 0; n < 12; n++) {
      const seq = bench.put('a', n, 'x'.repeat(100));
      if (n >= 8) reader.subscription?.suppressedSeqs?.add(seq);
      await turns(2);
    }
    reader.resume();
    await bench.until(() => reader.subscription?.state === 'live');
    expect(reader.changes.map(({ data }) => data?.n)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });
});
