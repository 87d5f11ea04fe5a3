import { describe, expect, test } from 'vitest';
import type { Selection } from '../../src/hub/selection.ts';
import { parseListQuery } from '../../src/query/index.ts';
import { makeSelection } from '../../src/resources/selections.ts';
import { LIMITS } from '../query/tables.ts';
import { LINES } from '../support/engine.ts';
import { HubHarness, type HubHarnessOptions, type Line, type Reader } from './hub-harness.ts';

function windowOf({ table, store }: HubHarness, query: string): Selection {
  const parsed = parseListQuery(query, table, LIMITS, new Set(['delta']));
  return makeSelection(parsed, { table, store, delta: parsed.others.has('delta'), isWindow: true });
}

/** A table with records r000 … whose `n` is their number, and subscriptions to windows of it. */
class WindowBench extends HubHarness {
  constructor(count: number, options: HubHarnessOptions = {}) {
    super(options);
    const cells = Array.from({ length: count }, (_, n) => [idOf(n), n, null]);
    this.write(...(cells.map(([id, ...rest]) => ({ type: 'create', id, cells: [id, ...rest] })) as never[]));
  }

  async follow(query: string, options: object = {}): Promise<Reader> {
    const reader = this.subscribe({ retained: true, selection: windowOf(this, query), ...options });
    await this.until(() => reader.types.includes('ready') && reader.subscription?.state === 'live');
    return reader;
  }

  async settle(reader: Reader, type: string, count: number): Promise<void> {
    await this.until(() => reader.types.filter((it) => it === type).length >= count);
  }
}

const idOf = (n: number) => `r${String(n).padStart(3, '0')}`;

/** Frames after the first state, in short. */
function told({ lines }: Reader): unknown[] {
  const from = lines.findIndex(({ type }) => type === 'ready') + 1;
  return lines.slice(from).map((line) => {
    const { type, id, reason, at, more } = line as Line & { at?: number; more?: boolean };
    return [
      type,
      id,
      ...(at === undefined ? [] : [at]),
      ...(reason === undefined ? [] : [reason]),
      ...(more ? ['more'] : []),
    ];
  });
}

describe('a window', () => {
  test('begins with its records in order', async () => {
    const bench = new WindowBench(30);
    const reader = await bench.follow('sort=-n&limit=3&offset=1');
    expect(reader.lines.map(({ type, id }) => [type, id])).toEqual([
      ['Retained', 'r028'],
      ['Retained', 'r027'],
      ['Retained', 'r026'],
      ['ready', undefined],
    ]);
  });

  test('tells who comes in, who leaves, and who moves, with a place', async () => {
    const bench = new WindowBench(30);
    const reader = await bench.follow('sort=n&limit=3&n=ge=10');
    bench.put('r012', 9);
    bench.put('r015', 10);
    bench.put('r015', 11);
    bench.put('x', 10);
    bench.remove('x');
    bench.put('r010', 99);
    bench.put('r029', 50);
    await bench.settle(reader, 'Update', 6);
    expect(told(reader)).toEqual([
      ['Delete', 'r012', 'filter', 'more'],
      ['Update', 'r013', 2, 'window'],
      ['Delete', 'r013', 'window', 'more'],
      ['Update', 'r015', 1],
      ['Update', 'r015', 2],
      ['Delete', 'r015', 'window', 'more'],
      ['Update', 'x', 1],
      ['Delete', 'x', 'more'],
      ['Update', 'r015', 2, 'window'],
      ['Delete', 'r010', 'window', 'more'],
      ['Update', 'r013', 2, 'window'],
    ]);
  });

  test('with an offset is shifted by changes before it', async () => {
    const bench = new WindowBench(10);
    const reader = await bench.follow('sort=n&limit=2&offset=2');
    bench.put('a', -1);
    bench.remove('a');
    bench.put('r000', 99);
    await bench.settle(reader, 'Update', 3);
    expect(told(reader)).toEqual([
      ['Delete', 'r003', 'window', 'more'],
      ['Update', 'r001', 0, 'window'],
      ['Delete', 'r001', 'window', 'more'],
      ['Update', 'r003', 1, 'window'],
      ['Delete', 'r002', 'window', 'more'],
      ['Update', 'r004', 1, 'window'],
    ]);
  });

  test('says of a record that comes in when it changed last', async () => {
    const bench = new WindowBench(2);
    const seq = bench.put('r001', 5, 'mine');
    const reader = await bench.follow('sort=n&limit=1');
    const removed = bench.remove('r000');
    await bench.settle(reader, 'Update', 1);
    expect(reader.lines.at(-1)).toMatchObject({
      seq: removed,
      recordSeq: seq,
      data: { id: 'r001', n: 5, text: 'mine' },
    });
  });

  test('with delta says where a record stands of which no selected field has changed', async () => {
    const bench = new WindowBench(3);
    const reader = await bench.follow('sort=n&limit=3&select=text&delta=true');
    bench.put('r000', 9);
    bench.put('r000', 8);
    bench.put('r000', 8, 'new');
    await bench.settle(reader, 'Update', 2);
    expect(reader.changes).toMatchObject([
      { id: 'r000', data: {}, changed: [], at: 2 },
      { id: 'r000', data: { text: 'new' }, changed: ['text'], at: 2 },
    ]);
  });

  test('is followed when a transaction removes more than it holds in reserve', async () => {
    const bench = new WindowBench(200);
    const reader = await bench.follow('sort=n&limit=4');
    bench.write(...(Array.from({ length: 60 }, (_, n) => ({ type: 'delete', id: idOf(n) })) as never[]));
    await bench.settle(reader, 'Update', 60);
    expect(told(reader).slice(-2)).toEqual([
      ['Delete', 'r059', 'more'],
      ['Update', 'r063', 3, 'window'],
    ]);
    expect(bench.faults).toEqual([]);
  });

  test('is sent again when more has changed than can be followed', async () => {
    const bench = new WindowBench(1500);
    const reader = await bench.follow('sort=n&limit=2&select=n');
    const since = bench.feed.head;
    bench.write(...(Array.from({ length: 1200 }, (_, n) => ({ type: 'delete', id: idOf(n) })) as never[]));
    await bench.settle(reader, 'ready', 2);
    expect(told(reader).slice(-4)).toEqual([
      ['reset', undefined, 'window_changed'],
      ['Retained', 'r1200'],
      ['Retained', 'r1201'],
      ['ready', undefined],
    ]);
    const late = bench.subscribe({ since, selection: windowOf(bench, 'sort=n&limit=2') });
    await bench.until(() => late.types.includes('ready'));
    expect(late.types).toEqual(['reset', 'Retained', 'Retained', 'ready']);
    expect(bench.faults).toEqual([]);
  });

  test('is resumed change by change', async () => {
    const bench = new WindowBench(20);
    const since = bench.feed.head;
    bench.put('r005', -1);
    bench.remove('r000');
    const reader = bench.subscribe({ since, selection: windowOf(bench, 'sort=n&limit=2') });
    await bench.until(() => reader.types.includes('ready'));
    expect(reader.lines.map(({ type, id }) => [type, id])).toEqual([
      ['Delete', 'r001'],
      ['Update', 'r005'],
      ['Delete', 'r000'],
      ['Update', 'r001'],
      ['ready', undefined],
    ]);
  });

  test('is shared by all that follow it, whatever they select: the store is read once', async () => {
    const reads: string[] = [];
    const bench = new WindowBench(50, {
      wrap: (store) =>
        new Proxy(store, {
          get(target, name) {
            if (name === 'records' || name === 'get') reads.push(name);
            const value = Reflect.get(target, name) as unknown;
            return typeof value === 'function' ? value.bind(target) : value;
          },
        }),
    });
    const readers: Reader[] = [];
    for (let n = 0; n < 6; n++) {
      const encoding = { ...LINES, key: `lines ${n % 2}` };
      readers.push(await bench.follow(`sort=n&limit=5&select=${n % 3 === 0 ? 'n' : 'text'}`, { encoding }));
    }
    reads.length = 0;
    bench.remove('r000');
    for (const reader of readers) await bench.settle(reader, 'Update', 1);
    expect(reads).toEqual(['get']);
    reads.length = 0;
    for (let n = 1; n < 12; n++) bench.remove(idOf(n));
    for (const reader of readers) await bench.settle(reader, 'Update', 12);
    expect(reads.filter((name) => name === 'records')).toHaveLength(1);
  });

  test('is forgotten with its last subscription', async () => {
    const bench = new WindowBench(5);
    const reader = await bench.follow('limit=2');
    const { group } = reader.subscription as NonNullable<Reader['subscription']>;
    expect(group.followed?.isTracked).toBe(true);
    bench.hub.unsubscribe(reader.subscription as NonNullable<Reader['subscription']>);
    expect([group.followed?.isTracked, group.followed?.groups]).toEqual([false, 0]);
  });

  test('of changes that the feed has missed begins again where each subscriber is', async () => {
    const bench = new WindowBench(10, { maxCount: 3 });
    const reader = await bench.follow('sort=n&limit=2');
    // The bell of these writes is lost, and they are past retention before the next one rings.
    const lost = Array.from({ length: 8 }, (_, n) => ({ type: 'delete', id: idOf(n), table: bench.table }));
    for (const write of lost) bench.store.commit([[write as never]]);
    bench.store.trim(Date.now(), 100);
    bench.put('r009', 100);
    await bench.settle(reader, 'ready', 2);
    expect(told(reader)).toEqual([
      ['reset', undefined, 'position_trimmed'],
      ['Retained', 'r008'],
      ['Retained', 'r009'],
      ['ready', undefined],
    ]);
  });
});
