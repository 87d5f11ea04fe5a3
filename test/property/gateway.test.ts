import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SERVER } from '../../src/auth/identity.ts';
import { WriteLock } from '../../src/hub/fan-out/write-lock.ts';
import type { Subscription } from '../../src/hub/subscription.ts';
import { OPERATIONS, type Wire } from '../../src/transports/multiplex/frames.ts';
import { Subscriptions } from '../../src/transports/multiplex/subscriptions.ts';
import { turns } from '../support/engine.ts';
import { PropertyHarness } from './harness.ts';
import { type Line, SlowSink } from './sink.ts';

const RUNS = Number(process.env.PROPERTY_RUNS ?? 120);
const FROM = JSON.parse(process.env.PROPERTY_FROM ?? '{}') as fc.Parameters<unknown>;
const CLIENT_BUFFER = 500;
const LARGEST_FRAME = 600;

const SDL = `
  type Post @table @export { id: ID! @primaryKey n: Int pad: String }
  type Note @table @export { id: ID! @primaryKey n: Int pad: String }
`;
const WIRE: Wire = { key: 'lines', pack: (json) => Buffer.from(`${json}\n`) };
const FILTERS = ['', 'n=gt=2', 'n==1', 'n=lt=4|pad==null'];

const key = fc.constantFrom('a', 'b', 'c', 'd');
const table = fc.constantFrom('Post', 'Note');
const name = fc.nat({ max: 3 });
const fields = fc.record(
  { n: fc.integer({ min: 0, max: 5 }), pad: fc.constantFrom(null, 'p'.repeat(90), 'q'.repeat(300)) },
  { requiredKeys: [] },
);
const command = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('put' as const), table, id: key, fields }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), table, id: key }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('subscribe' as const), name }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('unsubscribe' as const), name }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('replace' as const), name }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('reconnect' as const) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('read' as const), size: fc.nat(1500) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('trim' as const), limit: fc.integer({ min: 1, max: 30 }) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('turns' as const), count: fc.integer({ min: 1, max: 3 }) }) },
);
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

/** State of one subscription in a client: the records that its events add up to, and the position to resume from. */
interface Fold {
  readonly table: string;
  readonly filter: string;
  readonly records: Map<unknown, unknown>;
  position: number | undefined;
  /** Number of times that it was subscribed to. */
  times: number;
  /** True when it is subscribed, as far as the client has read. */
  open: boolean;
  inSnapshot: boolean;
}

/** Connection of a client that knows only what it reads, and reconnects with its positions. */
class Connection {
  readonly folds: Fold[];
  readonly #rig: PropertyHarness;
  readonly #fast: boolean;
  /** Subscriptions that the server has. */
  readonly #asked = new Set<number>();
  subscriptions!: Subscriptions;
  sink!: SlowSink;
  resets = 0;

  constructor(rig: PropertyHarness, fast: boolean) {
    this.#rig = rig;
    this.#fast = fast;
    this.folds = Array.from({ length: 4 }, (_, n) => ({
      table: n % 2 === 0 ? 'Post' : 'Note',
      filter: FILTERS[n % FILTERS.length] ?? '',
      records: new Map(),
      position: undefined,
      times: 0,
      open: false,
      inSnapshot: false,
    }));
    this.connect();
  }

  connect(): void {
    const sink = Object.assign(new SlowSink((line) => this.#read(line), this.#fast), { lane: new WriteLock() });
    this.sink = sink;
    this.subscriptions = new Subscriptions(sink, WIRE);
    const { subscriptions } = this;
    // The socket notifies the connection that it has drained, and not one subscription.
    sink.subscription = { drained: () => subscriptions.drained() } as Subscription;
  }

  reconnect(): void {
    this.subscriptions.closeAll();
    this.sink.closed = true;
    const back = [...this.#asked];
    this.#asked.clear();
    for (const fold of this.folds) {
      // In the middle of a snapshot there is no position yet.
      if (fold.inSnapshot) fold.position = undefined;
      fold.open = false;
    }
    this.connect();
    for (const n of back) this.subscribe(n);
  }

  /** Subscribes from its position, or with everything that is stored. */
  subscribe(n: number): void {
    if (this.#asked.has(n)) return;
    this.#asked.add(n);
    const { position } = this.#fold(n);
    this.#fold(n).times++;
    this.#ask(n, position === undefined ? 'retained=true' : `since=${position}`);
  }

  /** Subscribes again without a position: the server continues where the first subscription was. */
  replace(n: number): void {
    if (this.#asked.has(n) && !this.#fold(n).inSnapshot && this.#fold(n).open) this.#ask(n, '');
  }

  unsubscribe(n: number): void {
    if (!this.#asked.delete(n)) return;
    const fold = this.#fold(n);
    this.subscriptions.close(fold.table, n);
    // Frames that are on their way to the client are skipped, and requested again.
    if (fold.inSnapshot || !fold.open) fold.position = fold.inSnapshot ? undefined : fold.position;
    fold.open = false;
    this.sink.write(WIRE.pack(JSON.stringify({ type: 'unsubscribed', id: n })));
  }

  get isSettled(): boolean {
    const { position, size } = this.subscriptions;
    return this.sink.pending === 0 && (size === 0 || (position !== undefined && position >= this.#rig.feed.head));
  }

  async check(): Promise<void> {
    for (const n of this.#asked) {
      const { table: of, filter, records } = this.#fold(n);
      const query = filter === '' ? '' : `filter=${encodeURIComponent(filter)}`;
      const { json } = await this.#rig.resource(of).list(SERVER, query);
      const listed = new Map((JSON.parse(json) as { id: string }[]).map((record) => [record.id, record]));
      expect(records, `${n}: ${of} ${filter}`).toEqual(listed);
    }
  }

  #ask(n: number, start: string): void {
    const { table: collection, filter, times } = this.#fold(n);
    const resource = this.#rig.resource(collection);
    const query = [filter && `filter=${encodeURIComponent(filter)}`, start].filter(Boolean).join('&');
    const request = { collection, id: n, operations: new Set(OPERATIONS), query, positions: true };
    const checked = resource.parseSubscription(SERVER, query, undefined);
    this.sink.write(
      WIRE.pack(JSON.stringify({ type: start === '' ? 'replaced' : `subscribed ${start}`, id: n, times })),
    );
    this.subscriptions.open({ request, resource, query: checked });
  }

  #fold(n: number): Fold {
    return this.folds[n] as Fold;
  }

  #read({ type, id, seq, data, collection, times }: Line): void {
    const fold = this.#fold(Number(id));
    if (type === 'replaced' || type === 'unsubscribed') return;
    if (type.startsWith('subscribed')) {
      // It may have been unsubscribed and subscribed again while this was on its way.
      fold.open = this.#asked.has(Number(id)) && times === fold.times;
      if (!fold.open || type !== 'subscribed retained=true') return;
      fold.records.clear();
      fold.inSnapshot = true;
      return;
    }
    if (!fold.open) return;
    const [of, event] = type.split('.');
    expect(collection ?? of).toBe(fold.table);
    if (type === 'reset') {
      this.resets++;
      fold.records.clear();
      fold.inSnapshot = true;
    } else if (type === 'ready') {
      fold.inSnapshot = false;
      fold.position = seq;
    } else {
      const record = data as { id: string };
      if (event !== 'retained' && !fold.inSnapshot) {
        expect(seq, 'in order, none twice').toBeGreaterThan(fold.position ?? 0);
        fold.position = seq;
      }
      if (event === 'delete') fold.records.delete(record.id);
      else fold.records.set(record.id, record);
    }
  }
}

async function settle(connection: Connection): Promise<void> {
  for (let quiet = 0, turn = 0; quiet < 4; turn++) {
    if (turn > 600) throw new Error(`it does not settle: ${connection.sink.pending} bytes pending`);
    connection.sink.drain();
    await turns(1);
    quiet = connection.isSettled ? quiet + 1 : 0;
  }
}

async function execute(rig: PropertyHarness, connection: Connection, step: Command): Promise<void> {
  switch (step.do) {
    case 'put':
      await rig.resource(step.table).put(SERVER, step.id, step.fields);
      break;
    case 'delete':
      await rig
        .resource(step.table)
        .delete(SERVER, step.id)
        .catch(() => undefined);
      break;
    case 'trim':
      await rig.outerStore.trim(Date.now(), step.limit);
      break;
    case 'turns':
      await turns(step.count);
      break;
    case 'read':
      connection.sink.drain(step.size);
      break;
    case 'reconnect':
      connection.reconnect();
      break;
    default:
      connection[step.do](step.name);
  }
}

/** Case in which the position is trimmed while the client is away: chance alone would rarely produce it. */
const RESET: [{ maxCount: number; replayPage: number; fast: boolean }, Command[]] = [
  { maxCount: 1, replayPage: 1, fast: true },
  [
    { do: 'subscribe', name: 0 },
    { do: 'turns', count: 3 },
    { do: 'unsubscribe', name: 0 },
    ...[1, 2, 3, 4].map((n): Command => ({ do: 'put', table: 'Post', id: 'a', fields: { n } })),
    { do: 'trim', limit: 30 },
    { do: 'trim', limit: 30 },
    { do: 'subscribe', name: 0 },
  ],
];

/** Case in which a subscription is replaced while it sends the state after a `reset` that the client has not read yet. */
const INTERRUPTED: [{ maxCount: number; replayPage: number; fast: boolean }, Command[]] = [
  { maxCount: 1, replayPage: 1, fast: false },
  [
    { do: 'subscribe', name: 1 },
    { do: 'put', table: 'Post', id: 'a', fields: {} },
    { do: 'subscribe', name: 0 },
    { do: 'put', table: 'Note', id: 'a', fields: { n: 3 } },
    { do: 'put', table: 'Post', id: 'a', fields: {} },
    { do: 'put', table: 'Note', id: 'd', fields: { n: 3 } },
    { do: 'trim', limit: 4 },
    { do: 'read', size: 324 },
    { do: 'read', size: 308 },
    { do: 'delete', table: 'Post', id: 'a' },
    { do: 'unsubscribe', name: 0 },
    { do: 'delete', table: 'Post', id: 'a' },
    { do: 'replace', name: 1 },
    { do: 'trim', limit: 1 },
    { do: 'put', table: 'Post', id: 'a', fields: {} },
    { do: 'turns', count: 1 },
    { do: 'put', table: 'Post', id: 'a', fields: {} },
  ],
];

test('each subscription of a connection adds up to its table, in any order of subscribing, leaving and resuming', {
  retry: 0,
  timeout: Math.max(120_000, RUNS * 300),
}, async () => {
  let resets = 0;
  const settings = fc.record({
    maxCount: fc.constantFrom(1, 3, 100_000),
    replayPage: fc.constantFrom(1, 2, 500),
    flushed: fc.boolean(),
    fast: fc.boolean(),
  });
  const property = fc.asyncProperty(
    settings,
    fc.array(command, { minLength: 10, maxLength: 90, size: 'max' }),
    async ({ fast, ...options }, steps) => {
      using rig = new PropertyHarness({ sdl: SDL, clientBuffer: CLIENT_BUFFER, ...options });
      for (const of of ['Post', 'Note']) {
        await rig.resource(of).createMany(
          SERVER,
          ['a', 'b', 'c'].map((id, n) => ({ id, n, pad: 'r'.repeat(200) })),
        );
      }
      const connection = new Connection(rig, fast);
      for (const step of steps) {
        await execute(rig, connection, step);
        // All subscriptions of the connection have one buffer; a page and a flush begin while there is room.
        expect(connection.sink.mostPending).toBeLessThan(3 * CLIENT_BUFFER + 5 * LARGEST_FRAME);
      }
      await settle(connection);
      await connection.check();
      expect([rig.faults, connection.sink.end]).toEqual([[], undefined]);
      resets += connection.resets;
    },
  );
  await fc.assert(property, { numRuns: RUNS, examples: [RESET, INTERRUPTED], ...(FROM as object) });
  expect(resets).toBeGreaterThan(0);
});
