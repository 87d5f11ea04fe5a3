import { expect, test } from 'vitest';
import { SERVER } from '../../../src/auth/identity.ts';
import type { Encoding } from '../../../src/hub/encode.ts';
import { WriteLock } from '../../../src/hub/fan-out/write-lock.ts';
import type { EndReason, Sink, Subscription } from '../../../src/hub/subscription.ts';
import { PropertyHarness } from '../../property/harness.ts';
import { LINES, turns } from '../../support/engine.ts';

const SDL = `
  type A @table @export { id: ID! @primaryKey pad: String }
  type B @table @export { id: ID! @primaryKey pad: String }
`;
const BUFFER = 1000;

/** Socket of a connection with several subscriptions. Nothing leaves it before `take`. */
class SharedSink implements Sink {
  readonly writeLock = new WriteLock();
  readonly subscriptions: Subscription[] = [];
  readonly writes: string[] = [];
  pending = 0;
  maxPending = 0;
  end: EndReason | undefined;

  write(bytes: Buffer): void {
    this.writes.push(bytes.toString());
    this.pending += bytes.length;
    this.maxPending = Math.max(this.maxPending, this.pending);
  }

  ended(reason: EndReason): void {
    this.end = reason;
  }

  take(): void {
    this.pending = 0;
    for (const subscription of this.subscriptions) subscription.drained();
  }
}

function named(name: string): Encoding {
  const label = (bytes: Buffer) => Buffer.from(bytes.toString().replace('{', `{"to":"${name}",`));
  return {
    key: name,
    frame: (frame) => label(LINES.frame(frame) as Buffer),
    ready: (seq) => label(LINES.ready(seq) as Buffer),
    reset: () => undefined,
  };
}

test('a write lock has one holder at a time, in the order of the calls', async () => {
  const lock = new WriteLock();
  const order: number[] = [];
  expect(lock.enter()).toBeUndefined();
  const waiting = [1, 2, 3].map((n) => lock.enter()?.then(() => order.push(n)));
  lock.leave();
  await waiting[0];
  expect(order).toEqual([1]);
  lock.leave();
  lock.leave();
  await Promise.all(waiting);
  expect(order).toEqual([1, 2, 3]);
  lock.leave();
  expect(lock.enter()).toBeUndefined();
});

test('subscriptions of one connection share one buffer, and none waits for all of another one', async () => {
  using rig = new PropertyHarness({ sdl: SDL, clientBuffer: BUFFER });
  const records = Array.from({ length: 40 }, (_, n) => ({ id: String(n).padStart(2, '0'), pad: 'x'.repeat(150) }));
  for (const table of ['A', 'B']) await rig.resource(table).createMany(SERVER, records);
  const sink = new SharedSink();
  const names = ['a1', 'a2', 'b1', 'b2', 'b3'];
  for (const name of names) {
    const resource = rig.resource(name.startsWith('a') ? 'A' : 'B');
    const query = resource.parseSubscription(SERVER, 'retained=true', undefined);
    sink.subscriptions.push(resource.subscribe(query, named(name), sink));
  }
  for (let turn = 0; turn < 500 && sink.subscriptions.some(({ state }) => state !== 'live'); turn++) {
    await turns(2);
    sink.take();
  }
  // The buffer, and a page that began while there was room: not one for each of the five.
  expect(sink.maxPending).toBeLessThan(2 * BUFFER + 300);
  const received = sink.writes.flatMap((write) =>
    write
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { to: string; type: string }),
  );
  for (const name of names) {
    const types = received.filter(({ to }) => to === name).map(({ type }) => type);
    expect(types).toEqual([...new Array(40).fill('Retained'), 'ready']);
  }
  const firstEnd = received.findIndex(({ type }) => type === 'ready');
  for (const name of names)
    expect(received.slice(0, firstEnd).filter(({ to }) => to === name).length).toBeGreaterThan(15);
  expect(rig.faults).toEqual([]);
});

test('a subscription that ends while it waits for the lock lets the others go on', async () => {
  using rig = new PropertyHarness({ sdl: SDL, clientBuffer: BUFFER });
  await rig.resource('A').createMany(SERVER, [{ id: 'a', pad: 'x'.repeat(2000) }]);
  const sink = new SharedSink();
  const resource = rig.resource('A');
  for (const name of ['1', '2', '3']) {
    const query = resource.parseSubscription(SERVER, 'retained=true', undefined);
    sink.subscriptions.push(resource.subscribe(query, named(name), sink));
  }
  await turns(3);
  expect(sink.pending).toBeGreaterThan(BUFFER);
  // The first waits for room, the others for the lock.
  for (const gone of sink.subscriptions.splice(0, 2)) resource.unsubscribe(gone);
  for (let turn = 0; turn < 20; turn++) {
    sink.take();
    await turns(2);
  }
  expect(sink.subscriptions[0]?.state).toBe('live');
  expect(sink.writes.at(-1)).toContain('"to":"3","type":"ready"');
});

test('a subscription whose encoding has no reset ends as lost when its position left the log', async () => {
  using rig = new PropertyHarness({ sdl: SDL, maxCount: 1 });
  const resource = rig.resource('A');
  const first = await resource.put(SERVER, 'a', {});
  for (const id of ['b', 'c', 'd']) await resource.put(SERVER, id, {});
  for (let n = 0; n < 10; n++) rig.store.trim(Date.now(), 10);
  const sink = new SharedSink();
  const query = resource.parseSubscription(SERVER, `since=${first.seq}`, undefined);
  const subscription = resource.subscribe(query, named('1'), sink);
  await turns(3);
  expect([sink.end, subscription.state, sink.writes]).toEqual(['lost', 'closed', []]);
});

test('a position is that of the last write, and is undefined during a snapshot', async () => {
  using rig = new PropertyHarness({ sdl: SDL });
  const resource = rig.resource('A');
  await resource.put(SERVER, 'a', {});
  const sink = new SharedSink();
  const live = resource.subscribe(resource.parseSubscription(SERVER, '', undefined), named('1'), sink);
  expect(resource.positionOf(live)).toBe(rig.store.lastSeq);
  const before = rig.store.lastSeq;
  const snapshot = resource.subscribe(resource.parseSubscription(SERVER, 'retained=true', undefined), named('2'), sink);
  expect(resource.positionOf(snapshot)).toBeUndefined();
  await turns(3);
  expect(resource.positionOf(snapshot)).toBe(before);
  const written = await resource.put(SERVER, 'b', {});
  // Committed, and not yet flushed.
  expect(resource.positionOf(live)).toBeLessThan(written.seq);
  expect(rig.store.wasIssued(resource.positionOf(live) as number)).toBe(true);
  await turns(3);
  expect([resource.positionOf(live), resource.positionOf(snapshot)]).toEqual([written.seq, written.seq]);
});
