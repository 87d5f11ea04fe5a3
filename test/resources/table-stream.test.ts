import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SERVER } from '../../src/auth/identity.ts';
import type { TableHandle, TableSubscription } from '../../src/resources/table/handle.ts';
import { makeHandle } from '../../src/resources/table/make-handle.ts';
import { PropertyHarness } from '../property/harness.ts';
import { turns } from '../support/engine.ts';
import { meanwhile } from '../support/wait.ts';

const SDL = 'type Item @table @export { id: ID! @primaryKey n: Int pad: String }';
const CLIENT_BUFFER = 500;

let rig: PropertyHarness;
let table: TableHandle;
beforeEach(() => {
  rig = new PropertyHarness({ sdl: SDL, clientBuffer: CLIENT_BUFFER, replayPage: 7, slowClientTimeout: 100 });
  table = makeHandle(rig.resource('Item'));
});
afterEach(() => {
  expect(rig.faults).toEqual([]);
  rig[Symbol.dispose]();
});

/** Returns the next frames as `type id` or the name of a control frame. */
async function take(subscription: TableSubscription, count: number): Promise<string[]> {
  const received: string[] = [];
  while (received.length < count) {
    const { value } = await subscription.next();
    received.push(value === undefined ? 'end' : (value.type ?? `${value.message_type} ${value.id}`));
  }
  return received;
}

describe('subscribe', () => {
  test('delivers the changes from now on, as a WebSocket does', async () => {
    await table.create({ id: 'before' });
    const subscription = table.subscribe();
    const made = rig.resource('Item').create(SERVER, { id: 'é', n: 1 });
    expect((await subscription.next()).value).toEqual({ type: 'ready', seq: expect.any(Number) });
    const { seq } = await made;
    expect((await subscription.next()).value).toEqual({
      message_type: 'Update',
      data: { id: 'é', n: 1, pad: null },
      id: 'é',
      timestamp: new Date(Math.trunc(seq / 1000)).toISOString(),
      seq,
      op: 'create',
    });
    await table.delete('é');
    expect((await subscription.next()).value).toMatchObject({ message_type: 'Delete', op: 'delete', id: 'é' });
    await table.publish(null, 'to all');
    expect((await subscription.next()).value).toMatchObject({ message_type: 'Publish', id: null, data: 'to all' });
    expect(await subscription.return()).toEqual({ done: true, value: undefined });
    expect(await subscription.next()).toEqual({ done: true, value: undefined });
  });

  test('accepts a filter, the stored state, one record, and a position', async () => {
    await table.create({ id: 'a', n: 1 });
    await table.create({ id: 'b', n: 2 });
    const some = table.subscribe('n==2', { retained: true });
    expect(await take(some, 2)).toEqual(['Retained b', 'ready']);
    const one = table.subscribe('', { id: 'a' });
    expect(await take(one, 2)).toEqual(['Retained a', 'ready']);
    await table.patch('a', { n: 2 });
    await table.patch('b', { n: 3 });
    expect(await take(one, 1)).toEqual(['Update a']);
    const { value } = await some.next();
    expect(await take(some, 1)).toEqual(['Delete b']);
    const again = table.subscribe('n==2', { since: value?.seq });
    expect(await take(again, 2)).toEqual(['Delete b', 'ready']);
    expect(await take(table.subscribe('', { since: 1 }), 4)).toEqual(['reset', 'Retained a', 'Retained b', 'ready']);
  });

  test.each([
    ['nn==1', {}, 'INVALID_QUERY'],
    ['', { since: 1.5 }, 'INVALID_POSITION'],
    ['retained=true', { retained: true }, 'INVALID_QUERY'],
    ['offset=-1', {}, 'INVALID_QUERY'],
  ])('refuses %j with %j at once: %s', (query, options, code) => {
    expect(() => table.subscribe(query, options)).toThrow(expect.objectContaining({ code }));
    expect([rig.hub.size, rig.resource('Item').streams.size]).toEqual([0, 0]);
  });

  test('ends by signal, by leaving the loop, and when the server stops, and leaves nothing open', async () => {
    const { streams } = rig.resource('Item');
    const abort = new AbortController();
    const aborted = table.subscribe('', { signal: abort.signal });
    const stopped = table.subscribe();
    const all = meanwhile(async () => {
      for await (const frame of aborted) expect(frame.type).toBe('ready');
    });
    for await (const { type } of table.subscribe()) if (type === 'ready') break;
    const failing = (async () => {
      for await (const { type } of table.subscribe()) if (type === 'ready') throw new Error('in the loop');
    })();
    await expect(failing).rejects.toThrow('in the loop');
    expect([rig.hub.size, streams.size]).toEqual([2, 2]);
    abort.abort();
    await all;
    expect([rig.hub.size, streams.size]).toEqual([1, 1]);
    expect(await take(table.subscribe('', { signal: abort.signal }), 1)).toEqual(['end']);
    expect(await take(stopped, 1)).toEqual(['ready']);
    const waiting = [stopped.next(), stopped.next()];
    streams.stop();
    expect(await Promise.all(waiting)).toEqual([
      { done: true, value: undefined },
      { done: true, value: undefined },
    ]);
    expect([rig.hub.size, streams.size]).toEqual([0, 0]);
    expect(() => table.subscribe()).toThrow(expect.objectContaining({ code: 'STOPPING' }));
  });

  test('answers several waiting calls in order', async () => {
    const subscription = table.subscribe();
    const waiting = [1, 2, 3].map(() => subscription.next());
    await table.create({ id: 'a' });
    await table.create({ id: 'b' });
    const received = (await Promise.all(waiting)).map(({ value }) =>
      value?.message_type === undefined ? value?.type : value.id,
    );
    expect(received).toEqual(['ready', 'a', 'b']);
  });

  test('keeps one buffer for a reader that pauses, and delivers everything when it continues', async () => {
    const subscription = table.subscribe();
    expect(await take(subscription, 1)).toEqual(['ready']);
    for (let n = 0; n < 300; n++) await table.create({ id: `i${n}`, n, pad: 'p'.repeat(100) });
    // Several times the time limit of slow clients elsewhere.
    await new Promise((resolve) => setTimeout(resolve, 400));
    const waiting = (subscription as unknown as { pending: number }).pending;
    expect(waiting).toBeGreaterThan(0);
    expect(waiting).toBeLessThan(CLIENT_BUFFER + 128 * 1024);
    expect(await take(subscription, 300)).toEqual(Array.from({ length: 300 }, (_, n) => `Update i${n}`));
    await table.create({ id: 'last' });
    expect(await take(subscription, 1)).toEqual(['Update last']);
  });

  test('throws an internal error of the hub once', async () => {
    const subscription = table.subscribe();
    expect(await take(subscription, 1)).toEqual(['ready']);
    const next = subscription.next();
    (subscription as unknown as { ended(reason: 'failed'): void }).ended('failed');
    await expect(next).rejects.toMatchObject({ code: 'INTERNAL' });
    expect(await subscription.next()).toEqual({ done: true, value: undefined });
    expect(rig.hub.size).toBe(0);
  });
});

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('write' as const), id: fc.constantFrom('a', 'b', 'é'), size: fc.nat(300) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), id: fc.constantFrom('a', 'b', 'é') }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('publish' as const), size: fc.nat(300) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('read' as const), count: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('turns' as const), count: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('resume' as const) }) },
);

test('every change is delivered once and in order, whatever the pace of writes and reads', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
      using own = new PropertyHarness({ sdl: SDL, clientBuffer: CLIENT_BUFFER, replayPage: 3 });
      const items = makeHandle(own.resource('Item'));
      let subscription = items.subscribe();
      const received: number[] = [];
      const writes: Promise<unknown>[] = [];
      const read = async () => {
        const { value } = await subscription.next();
        expect(value?.type === 'reset').toBe(false);
        if (value?.message_type !== undefined) received.push(value.seq);
        return value?.seq ?? 0;
      };
      const ready = await read();
      for (const each of steps) {
        if (each.do === 'write') writes.push(items.put(each.id, { pad: 'p'.repeat(each.size) }));
        else if (each.do === 'delete') writes.push(items.delete(each.id).catch(() => undefined));
        else if (each.do === 'publish') writes.push(items.publish(null, 'p'.repeat(each.size)));
        else if (each.do === 'turns') await turns(each.count);
        else if (each.do === 'resume') {
          await subscription.return();
          subscription = items.subscribe('', { since: received.at(-1) ?? ready });
        } else for (let n = 0; n < each.count && received.length < own.history.length; n++) await read();
      }
      await Promise.all(writes);
      while (received.length < own.history.length) await read();
      await subscription.return();
      expect(received).toEqual(own.history.map(({ seq }) => seq));
      expect([own.hub.size, own.faults]).toEqual([0, []]);
    }),
    { numRuns: 60 },
  );
});
