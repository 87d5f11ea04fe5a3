import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { ANONYMOUS, SERVER } from '../../src/auth/identity.ts';
import { Access } from '../../src/auth/policy/access.ts';
import { MemoryBus, ring } from '../../src/events/bus.ts';
import { Feed } from '../../src/events/feed.ts';
import { Hub } from '../../src/hub/hub.ts';
import { PageCache } from '../../src/resources/read-caches.ts';
import { Retention } from '../../src/resources/retention.ts';
import { TableResource } from '../../src/resources/table/resource.ts';
import type { Plan } from '../../src/schema/plan.ts';
import type { Store } from '../../src/store/store.ts';
import { WriteQueue } from '../../src/store/write-queue.ts';
import { Reader } from '../hub/hub-harness.ts';
import { LIMITS } from '../query/tables.ts';
import { onlyTable, StoreFolder } from '../store/stores.ts';
import { LINES } from '../support/engine.ts';

const SDL = 'type T @table @export { id: ID! @primaryKey n: Int text: String }';

interface OpenTable {
  readonly plan: Plan;
  readonly store: Store;
  readonly commits: WriteQueue;
  readonly resource: TableResource;
  readonly calls: string[];
}

function open(sdl = SDL, wrap: (store: Store) => Store = (store) => store): OpenTable {
  const opened = new StoreFolder().open(sdl, { events: { retention: 86_400_000, maxCount: 3, replayPage: 10 } });
  const store = wrap(opened.store);
  const calls: string[] = [];
  const onError = (error: unknown) => calls.push(String(error));
  const bus = new MemoryBus();
  const feed = new Feed({ log: store, tables: opened.plan.tables, bus, onError });
  const channels = { slowClientTimeout: 1000, clientBuffer: 1000 };
  const hub = new Hub({ store, feed, channels, replayPage: 10, onError });
  onTestFinished(() => hub.close());
  const commits = new WriteQueue({ store, busyTimeout: 100, onCommitted: (result) => ring(bus, result) });
  const access = new Access(opened.plan, { secured: false });
  const resource = new TableResource(onlyTable(opened), {
    access,
    store,
    commits,
    hub,
    limits: { ...LIMITS, batch: 3 },
    pages: new PageCache(LIMITS.listCache),
  });
  return { plan: opened.plan, store, commits, resource, calls };
}

describe('a table', () => {
  test('stores, finds and removes records, and counts the requests', async () => {
    const { resource } = open();
    const { id, json } = await resource.create(SERVER, { text: 'x' });
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    expect(JSON.parse(json)).toEqual({ id, n: null, text: 'x' });
    await resource.put(SERVER, 'a', { n: 1 });
    await resource.put(SERVER, undefined, { id: 'b', n: 2 });
    await resource.patch(SERVER, 'a', { id: 'a', text: 'y' });
    expect(await resource.get(SERVER, 'a', '')).toMatchObject({ json: '{"id":"a","n":1,"text":"y"}' });
    expect(await resource.get(SERVER, 'a', 'select=n')).toMatchObject({ id: 'a', json: '{"id":"a","n":1}' });
    expect(await resource.get(SERVER, 'x', 'select=n')).toBeUndefined();
    expect(JSON.parse((await resource.list(SERVER, 'n=ge=1&select=id')).json)).toEqual([{ id: 'a' }, { id: 'b' }]);
    await resource.delete(SERVER, 'a');
    await expect(resource.delete(SERVER, 'a')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(resource.counters).toEqual({ reads: 4, cached: 0, writes: 5, messages: 0, refused: 1 });
    expect(resource.versionOf(resource.parseList(SERVER, ''), SERVER)).toBe(String(resource.head));
  });

  test('refuses an id that differs from that of the URL, or that no URL can have', async () => {
    const { resource } = open();
    await expect(resource.put(SERVER, 'a', { id: 'b' })).rejects.toMatchObject({
      code: 'VALIDATION_ERROR',
      errors: [{ field: 'id', message: 'must be "a", the id of the address' }],
    });
    await expect(resource.put(SERVER, 'a\n', {})).rejects.toMatchObject({ code: 'INVALID_ID' });
    const numbers = open('type T @table @export { id: Int! @primaryKey }').resource;
    await expect(numbers.create(SERVER, {})).rejects.toMatchObject({ errors: [{ field: 'id' }] });
    expect(await numbers.create(SERVER, { id: 7 })).toMatchObject({ id: 7 });
  });

  test.each(['.', '..'])(
    'makes no record with the id %s, and reads, changes and removes one that is there',
    async (id) => {
      const { resource, commits } = open();
      const refused = { code: 'VALIDATION_ERROR', errors: [{ field: 'id' }] };
      await expect(resource.create(SERVER, { id })).rejects.toMatchObject(refused);
      await expect(resource.createMany(SERVER, [{ id }])).rejects.toMatchObject({ errors: [{ field: '[0].id' }] });
      await expect(resource.put(SERVER, undefined, { id })).rejects.toMatchObject(refused);
      await expect(resource.put(SERVER, id, {})).rejects.toMatchObject({ code: 'INVALID_ID' });
      // Stored by an earlier version.
      await commits.submit([{ type: 'create', table: resource.table, id, cells: [id, 1, null] }]);
      expect(await resource.get(SERVER, id, '')).toMatchObject({ id });
      expect(await resource.patch(SERVER, id, { n: 2 })).toMatchObject({ created: false });
      expect(await resource.patch(SERVER, id, { id, n: 3 })).toMatchObject({ created: false });
      await resource.delete(SERVER, id);
      expect(await resource.get(SERVER, id, '')).toBeUndefined();
    },
  );

  test('stores several records at once, all or none', async () => {
    const { resource } = open();
    expect(await resource.createMany(SERVER, [])).toEqual([]);
    expect(await resource.createMany(SERVER, [{ id: 'a' }, { id: 'b' }])).toMatchObject([{ id: 'a' }, { id: 'b' }]);
    await expect(resource.createMany(SERVER, [{ id: 'c' }, { id: 'a' }])).rejects.toMatchObject({ code: 'CONFLICT' });
    await expect(resource.createMany(SERVER, [{}, {}, {}, {}])).rejects.toMatchObject({ code: 'BAD_REQUEST' });
    expect(JSON.parse((await resource.list(SERVER, '')).json)).toHaveLength(2);
  });

  test('is closed to anonymous callers unless the schema says otherwise', async () => {
    const { resource } = open('type T @table @export(public: [read, create]) { id: ID! @primaryKey text: String }');
    const forbidden = { code: 'FORBIDDEN', status: 403 };
    await resource.create(ANONYMOUS, { id: 'a' });
    expect(await resource.get(ANONYMOUS, 'a', '')).toBeDefined();
    expect(await resource.put(ANONYMOUS, 'b', {})).toMatchObject({ created: true });
    await expect(resource.put(ANONYMOUS, 'b', { text: 'x' })).rejects.toMatchObject(forbidden);
    expect(await resource.put(ANONYMOUS, 'c', {}, { precondition: 'none' })).toMatchObject({ created: true });
    await expect(resource.put(ANONYMOUS, 'b', {}, { precondition: 'any' })).rejects.toMatchObject(forbidden);
    await expect(resource.patch(ANONYMOUS, 'a', {})).rejects.toMatchObject(forbidden);
    await expect(resource.delete(ANONYMOUS, 'a')).rejects.toMatchObject(forbidden);
    await expect(resource.publish(ANONYMOUS, 'a', 1)).rejects.toMatchObject(forbidden);
    expect(() => resource.parseSubscription(ANONYMOUS, '', undefined)).toThrow(expect.objectContaining(forbidden));
  });

  test('caches parsed queries, for many different ones', async () => {
    const { resource } = open();
    await resource.put(SERVER, 'a', { n: 200 });
    for (let n = 0; n < 250; n++) await resource.list(SERVER, `n=${n}`);
    expect(JSON.parse((await resource.list(SERVER, 'n=200')).json)).toHaveLength(1);
    expect(() => resource.parseList(SERVER, 'nope=1')).toThrow(expect.objectContaining({ code: 'INVALID_QUERY' }));
  });

  test('publishes to subscribers', async () => {
    const { resource } = open();
    const query = resource.parseSubscription(SERVER, '', undefined);
    const reader = new Reader();
    const subscription = resource.subscribe(query, LINES, reader);
    expect(await resource.publish(SERVER, 'a', { x: 1 })).toMatchObject({ delivered: 1 });
    while (reader.changes.length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(reader.changes[0]).toMatchObject({ type: 'Publish', id: 'a', data: { x: 1 } });
    resource.unsubscribe(subscription);
    expect(await resource.publish(SERVER, null, 1)).toMatchObject({ delivered: 0 });
    await expect(resource.publish(SERVER, 'a', undefined)).rejects.toMatchObject({ code: 'VALIDATION_ERROR' });
  });

  test('refuses a message that is nested too deeply', async () => {
    const { resource } = open();
    const deep: unknown = JSON.parse(`${'['.repeat(20_000)}${']'.repeat(20_000)}`);
    await expect(resource.publish(SERVER, 'a', deep)).rejects.toMatchObject({ code: 'TOO_DEEP' });
  });
});

/** Counts the calls of the store. */
function counting(store: Store, counts: Map<string, number>, fail?: () => unknown): Store {
  return new Proxy(store, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      return (...values: unknown[]) => {
        counts.set(String(name), (counts.get(String(name)) ?? 0) + 1);
        const error = name === 'trim' ? fail?.() : undefined;
        if (error !== undefined) throw error;
        return (member as (...values: unknown[]) => unknown).apply(target, values);
      };
    },
  });
}

describe('retention', () => {
  const EXPIRING = 'type T @table(expiration: 60) @export { id: ID! @primaryKey n: Int }';
  const START = Date.parse('2100-01-01T00:00:00Z');

  function openRetention(
    fail?: () => unknown,
  ): OpenTable & { counts: Map<string, number>; faults: unknown[]; keeper: Retention } {
    vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'], now: START });
    onTestFinished(() => void vi.useRealTimers());
    const counts = new Map<string, number>();
    const faults: unknown[] = [];
    const bench = open(EXPIRING, (store) => counting(store, counts, fail));
    const keeper = new Retention({ ...bench, onError: (error) => faults.push(error) });
    onTestFinished(() => keeper.stop());
    return { ...bench, counts, faults, keeper };
  }

  test('removes expired records as ordinary deletes, and trims the log', async () => {
    const { resource, store, keeper, faults } = openRetention();
    await resource.createMany(SERVER, [{ id: 'a' }, { id: 'b' }]);
    vi.setSystemTime(START + 30_000);
    await resource.create(SERVER, { id: 'young' });
    const query = resource.parseSubscription(SERVER, '', undefined);
    const reader = new Reader();
    resource.subscribe(query, LINES, reader);
    vi.setSystemTime(START + 60_000);
    vi.advanceTimersByTime(1000);
    while (reader.changes.length < 2) await new Promise((resolve) => setImmediate(resolve));
    expect(reader.changes.map(({ type, id }) => [type, id])).toEqual([
      ['Delete', 'a'],
      ['Delete', 'b'],
    ]);
    await keeper.stop();
    expect(JSON.parse((await resource.list(SERVER, '')).json)).toEqual([{ id: 'young', n: null }]);
    vi.setSystemTime(START + 62_000);
    expect(faults).toEqual([]);
    expect(store.resumeFloor(resource.table)).toBeGreaterThan(0);
  });

  test('runs one round at a time, and none after it was stopped', async () => {
    const { keeper, counts } = openRetention();
    vi.advanceTimersByTime(3000);
    await keeper.stop();
    const rounds = counts.get('expired') ?? 0;
    expect(rounds).toBe(1);
    vi.advanceTimersByTime(5000);
    await new Promise((resolve) => setImmediate(resolve));
    expect(counts.get('expired')).toBe(rounds);
  });

  test('reports an internal error, and tries again', async () => {
    const broken = new Error('broken');
    const { faults, counts } = openRetention(() => broken);
    vi.advanceTimersByTime(1000);
    while (faults.length < 1) await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    vi.advanceTimersByTime(1000);
    while (faults.length < 2) await new Promise((resolve) => setImmediate(resolve));
    expect(faults).toEqual([broken, broken]);
    expect(counts.get('trim')).toBe(2);
  });

  test('does not loop when records cannot be removed', async () => {
    const { resource, commits, counts, keeper } = openRetention();
    await resource.create(SERVER, { id: 'first' });
    // The clock goes back: the seq of a write now is ahead of it.
    vi.setSystemTime(START - 3_600_000);
    const writes = Array.from({ length: 500 }, (_, n) => resource.create(SERVER, { id: `${n}` }));
    await Promise.all(writes);
    vi.setSystemTime(START - 3_600_000 + 61_000);
    vi.advanceTimersByTime(1000);
    for (let turn = 0; turn < 300; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(counts.get('expired')).toBeLessThanOrEqual(3);
    await keeper.stop();
    await commits.drain();
  });
});
