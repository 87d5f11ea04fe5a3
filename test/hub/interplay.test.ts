import { describe, expect, test } from 'vitest';
import { SERVER } from '../../src/auth/identity.ts';
import type { Subscription } from '../../src/hub/subscription.ts';
import { PropertyHarness, type PropertyHarnessOptions } from '../property/harness.ts';
import { type Line, SlowSink } from '../property/sink.ts';
import { LINES, turns } from '../support/engine.ts';

const SDL = 'type Item @table @export { id: ID! @primaryKey n: Int text: String u: String @unique }';

interface Opened {
  readonly sink: SlowSink;
  readonly lines: Line[];
  readonly subscription: Subscription;
}

function open(options: Partial<PropertyHarnessOptions> = {}): PropertyHarness {
  return new PropertyHarness({ sdl: SDL, ...options });
}

function subscribe(
  rig: PropertyHarness,
  query = '',
  { fast = true, id }: { fast?: boolean; id?: string } = {},
): Opened {
  const item = rig.resource('Item');
  const lines: Line[] = [];
  const sink = new SlowSink((line) => lines.push(line), fast);
  const subscription = item.subscribe(item.parseSubscription(SERVER, query, id), LINES, sink);
  sink.subscription = subscription;
  return { sink, lines, subscription };
}

async function put(rig: PropertyHarness, id: string, record: Record<string, unknown> = {}): Promise<number> {
  return (await rig.resource('Item').put(SERVER, id, record)).seq;
}

/** Reads until no more lines arrive. */
async function drainAll(...opened: readonly Opened[]): Promise<void> {
  for (let turn = 0; turn < 200; turn++) {
    for (const { sink } of opened) sink.drain();
    await turns(1);
  }
}

const seqs = ({ lines }: Opened, type = 'Update'): number[] =>
  lines.filter((line) => line.type === type).map(({ seq }) => seq);

describe('joining and leaving', () => {
  test('a subscription that joins between a commit and its flush removes no other from the flush', async () => {
    using rig = open();
    const first = subscribe(rig);
    await put(rig, 'a', { n: 1 });
    await turns(3);
    const seq = await put(rig, 'a', { n: 2 });
    // The commit is done and its frame is not written yet: the new subscription starts after it.
    expect(seqs(first)).toHaveLength(1);
    subscribe(rig);
    await turns(3);
    expect(seqs(first).at(-1)).toBe(seq);
  });

  test('a subscription that leaves between a commit and its flush removes no other from the flush', async () => {
    using rig = open();
    const opened = Array.from({ length: 5 }, () => subscribe(rig));
    await put(rig, 'a', { n: 1 });
    await turns(3);
    for (const leaving of [0, 3, 1]) {
      const seq = await put(rig, 'a', { n: 10 + leaving });
      const { subscription } = opened[leaving] as Opened;
      rig.resource('Item').unsubscribe(subscription);
      await turns(3);
      for (const other of opened) {
        if (other.subscription.state === 'live') expect(seqs(other).at(-1)).toBe(seq);
      }
    }
    expect(rig.hub.size).toBe(2);
  });

  test('nothing is written to a sink after its subscription was ended', async () => {
    using rig = open({ clientBuffer: 500, maxCount: 2 });
    const since = await put(rig, 'a', { n: 1 });
    const opened = [subscribe(rig, `since=${since - 1}`, { fast: false }), subscribe(rig, '', { fast: false })];
    for (let n = 2; n < 12; n++) await put(rig, 'a', { n, text: 'x'.repeat(200) });
    await turns(3);
    for (const { subscription, sink } of opened) {
      expect(subscription.state).toBe('behind');
      rig.store.trim(Date.now(), 1000);
      rig.resource('Item').unsubscribe(subscription);
      sink.closed = true;
    }
    await turns(5);
    for (const { sink } of opened) expect(sink.late).toBe(0);
    expect(rig.hub.size).toBe(0);
    expect(rig.hub.audience(rig.table('Item'), 'a')).toBe(0);
  });

  test('a subscription that has ended reads nothing more from the store', async () => {
    const rig = open({ replayPage: 1 });
    const since = await put(rig, 'a', { n: 1 });
    for (let n = 2; n < 300; n++) void put(rig, 'a', { n });
    await rig.commits.drain();
    // More than fit one turn of the loop, so that some wait in the queue.
    const opened = Array.from({ length: 50 }, () => subscribe(rig, `since=${since}`));
    for (const { subscription } of opened) rig.resource('Item').unsubscribe(subscription);
    rig[Symbol.dispose]();
    await turns(60);
    expect(rig.faults).toEqual([]);
  });
});

describe('positions', () => {
  test('entries that are trimmed while a subscriber waits to read are never left out silently', async () => {
    using rig = open({ replayPage: 1, maxCount: 3 });
    const since = await put(rig, 'a', { n: 0 });
    const written: number[] = [];
    for (let n = 1; n <= 20; n++) written.push(await put(rig, 'a', { n }));
    // The first ones fill the turn of the loop; the others wait with a position that is still in the log.
    const opened = Array.from({ length: 40 }, () => subscribe(rig, `since=${since}`));
    for (let turn = 0; turn < 4; turn++) {
      rig.store.trim(Date.now(), 3);
      await turns(1);
    }
    rig.store.trim(Date.now(), 1000);
    await drainAll(...opened);
    for (const one of opened) {
      const resets = one.lines.filter(({ type }) => type === 'reset');
      const start = resets.at(-1)?.seq ?? since;
      const told = one.lines.slice(one.lines.findLastIndex(({ type }) => type === 'reset') + 1);
      const updates = told.filter(({ type }) => type === 'Update').map(({ seq }) => seq);
      expect(updates).toEqual(written.filter((seq) => seq > start));
    }
  });

  test('a write that was refused does not move the position that a subscriber receives', async () => {
    using rig = open();
    await put(rig, 'a', { u: 'taken' });
    const logged = rig.store.readLog(rig.table('Item'), 0, 100).at(-1)?.seq;
    await expect(put(rig, 'b', { u: 'taken' })).rejects.toMatchObject({ code: 'CONFLICT' });
    const many = [{ id: 'c' }, { id: 'd', u: 'taken' }];
    await expect(rig.resource('Item').createMany(SERVER, many)).rejects.toMatchObject({ code: 'CONFLICT' });
    const { lines } = subscribe(rig);
    await turns(2);
    expect(lines).toEqual([{ type: 'ready', seq: logged }]);
    // It would lie beyond the log after a restart, and the client would have to fetch everything again.
    await rig.restart();
    const again = subscribe(rig, `since=${lines[0]?.seq}`);
    await drainAll(again);
    expect(again.lines.map(({ type }) => type)).toEqual(['ready']);
  });

  test('a position of the future is answered with a reset and the whole state', async () => {
    using rig = open();
    await put(rig, 'a', { n: 1 });
    const one = subscribe(rig, `since=${rig.store.lastSeq + 1}`);
    await drainAll(one);
    expect(one.lines.map(({ type }) => type)).toEqual(['reset', 'Retained', 'ready']);
    expect(one.lines[0]).toEqual({ type: 'reset', reason: 'position_unknown', seq: rig.store.lastSeq });
  });

  test('a change that the log has and the feed has not delivered yet is sent once', async () => {
    using rig = open({ commitTurns: 4 });
    const since = rig.store.lastSeq;
    const written = put(rig, 'a', { n: 1 });
    await turns(2);
    const late = subscribe(rig, `since=${since}`);
    const fresh = subscribe(rig);
    await turns(2);
    const seq = await written;
    await drainAll(late, fresh);
    expect(seqs(late)).toEqual([seq]);
    expect(seqs(fresh)).toEqual([]);
    expect(fresh.lines).toEqual([{ type: 'ready', seq }]);
  });
});

describe('snapshots', () => {
  test('a record that changes while its snapshot is read is sent once, in its new state', async () => {
    using rig = open({ replayPage: 2, clientBuffer: 300 });
    for (const id of ['a', 'b', 'c', 'd', 'e']) await put(rig, id, { text: 'x'.repeat(200) });
    const one = subscribe(rig, 'retained=true', { fast: false });
    await turns(2);
    expect(one.sink.pending).toBeGreaterThan(300);
    const changed = await put(rig, 'e', { text: 'new' });
    await drainAll(one);
    const told = one.lines.map(({ type, id }) => (id === undefined ? type : `${type} ${id}`));
    expect(told).toEqual(['Retained a', 'Retained b', 'Retained c', 'Retained d', 'Update e', 'ready']);
    expect(one.lines.at(-1)).toEqual({ type: 'ready', seq: changed });
  });

  test('the limit applies to the snapshot and to later changes', async () => {
    using rig = open({ replayPage: 2 });
    for (const id of ['a', 'b', 'c', 'd', 'e']) await put(rig, id, { n: id === 'b' ? 1 : 2 });
    const one = subscribe(rig, 'retained=true&limit=3&n==2');
    await turns(2);
    expect(one.lines.filter(({ type }) => type === 'Retained').map(({ id }) => id)).toEqual(['a', 'c', 'd']);
    await put(rig, 'e', { n: 2, text: 'x' });
    await put(rig, 'b', { n: 2 });
    await turns(2);
    expect(one.lines.slice(4).map(({ type, id, at }) => [type, id, at])).toEqual([
      ['Delete', 'd', undefined],
      ['Update', 'b', 1],
    ]);
  });
});

describe('invariant 6: slow readers', () => {
  const BIG = 'x'.repeat(100_000);

  test.each([
    ['a snapshot', 'retained=true', false],
    ['a resume', 'since=SINCE', false],
    ['live frames', '', true],
  ])('%s of large records waits in memory only up to a bound', async (_what, query, writeAfter) => {
    using rig = open();
    const since = rig.store.lastSeq;
    const write = async () => {
      for (let n = 0; n < 100; n++) await put(rig, `k${n}`, { text: BIG });
    };
    if (!writeAfter) await write();
    const one = subscribe(rig, query.replace('SINCE', String(since)), { fast: false });
    if (writeAfter) await write();
    await turns(20);
    // 10 MB are sent. The buffer (256 KiB), plus one write, which need not be larger than that.
    expect(one.sink.mostPending).toBeLessThan(1024 * 1024);
    for (let turn = 0; turn < 1000 && one.sink.pending > 0; turn++) {
      one.sink.drain();
      await turns(1);
    }
    expect(new Set(one.lines.flatMap(({ id }) => id ?? [])).size).toBe(100);
    expect(one.sink.mostPending).toBeLessThan(1024 * 1024);
  });

  test('a reader that accepts nothing before the timeout is ended, and one that accepts a little is not', async () => {
    using rig = open({ slowClientTimeout: 200, clientBuffer: 1000 });
    const stuck = subscribe(rig, '', { fast: false });
    const slow = subscribe(rig, '', { fast: false });
    const fast = subscribe(rig);
    const written: number[] = [];
    for (let n = 0; n < 20; n++) written.push(await put(rig, 'a', { n, text: 'x'.repeat(200) }));
    const end = performance.now() + 2000;
    while (stuck.sink.end === undefined && performance.now() < end) {
      slow.sink.drain(10);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(stuck.sink.end).toBe('slow');
    expect(slow.sink.end).toBeUndefined();
    expect(stuck.subscription.state).toBe('closed');
    expect(seqs(fast)).toEqual(written);
    await drainAll(slow);
    expect(seqs(slow)).toEqual(written);
    const again = subscribe(rig, `since=${(written[0] ?? 0) - 1}`);
    await drainAll(again);
    expect(seqs(again)).toEqual(written);
  });

  test('suppressed seqs are removed, also where the filter leaves the change out', async () => {
    using rig = open();
    for (const query of ['echo=false', 'echo=false&n=gt=100']) {
      const one = subscribe(rig, query);
      await turns(1);
      for (let n = 0; n < 50; n++) one.subscription.mute(await put(rig, 'a', { n }));
      await turns(3);
      expect(seqs(one), query).toEqual([]);
      expect(one.subscription.suppressedSeqs?.size, query).toBe(0);
    }
  });
});
