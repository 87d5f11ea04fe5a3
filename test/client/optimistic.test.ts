import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { TablecastError } from '../../src/client/index.ts';
import type { ChangeFrame } from '../../src/client/live/frames.ts';
import { LiveQuery } from '../../src/client/live/live-query.ts';
import type { Overlay, WriteStep } from '../../src/client/live/overlay.ts';
import type { SubscribeOptions, Subscription } from '../../src/client/live/subscription.ts';
import { applyOperation, makeOperation } from '../../src/client/optimistic/operation.ts';
import { optimistic } from '../../src/client/optimistic/optimistic.ts';
import { PARAMETERS, takeOut } from '../../src/client/query.ts';

type Item = Readonly<Record<string, unknown>> & { readonly id: string };
type State = ReadonlyMap<string, Item>;

interface Sent {
  readonly steps: readonly WriteStep[];
  /** Position of the commit; undefined until then. */
  position?: number;
  isRefused?: boolean;
  resolve(result: { position: number }): void;
  reject(error: Error): void;
}

interface Stream {
  readonly options: SubscribeOptions<Item>;
  readonly matches: (item: Item) => boolean;
  /** Position up to which changes were delivered. */
  position: number;
}

/** A server in memory, whose answers and changes come when the test says so. */
class Server {
  readonly states: State[] = [new Map()];
  readonly sent: Sent[] = [];
  readonly #streams = new Map<string, Stream>();

  get head(): number {
    return this.states.length - 1;
  }

  send(steps: readonly WriteStep[]): Promise<{ position: number }> {
    return new Promise((resolve, reject) => this.sent.push({ steps, resolve, reject }));
  }

  commit(steps: readonly WriteStep[]): number {
    const state = new Map(this.states.at(-1));
    for (const step of steps) {
      const after = applyStep(state.get(String(step.id)), step);
      if (after === undefined) state.delete(String(step.id));
      else state.set(String(step.id), after);
    }
    this.states.push(state);
    return this.head;
  }

  open(name: string, matches: (item: Item) => boolean, overlay: Overlay, search: string): LiveQuery<Item> {
    let stream: Stream | undefined;
    const subscription = {
      status: 'live',
      error: undefined,
      get position() {
        return stream?.position;
      },
      catchUp() {},
      close() {},
    };
    const query = new LiveQuery<Item>(
      search,
      (_search, options) => {
        stream = { options, matches, position: this.head };
        this.#streams.set(name, stream);
        return subscription as unknown as Subscription<Item>;
      },
      {
        linger: 0,
        onEnd: () => {},
        overlay: (it) =>
          overlay.attach(it, { table: 'Item', id: undefined, search, ...takeOut(search, ...PARAMETERS) }),
      },
    );
    stream?.options.onReady?.({ type: 'ready', seq: stream.position });
    return query;
  }

  positionOf(name: string): number {
    return this.#streams.get(name)?.position ?? 0;
  }

  /** Delivers the next change to one query. */
  deliver(name: string): void {
    const stream = this.#streams.get(name) as Stream;
    if (stream.position >= this.head) return;
    const seq = ++stream.position;
    const [before, after] = [this.states[seq - 1] as State, this.states[seq] as State];
    const ids = [...new Set([...before.keys(), ...after.keys()])].filter((id) => before.get(id) !== after.get(id));
    const frames = ids.flatMap((id): ChangeFrame<Item>[] => {
      const [was, is] = [before.get(id), after.get(id)];
      const common = { id, seq, timestamp: '' };
      if (is !== undefined && stream.matches(is)) {
        return [{ ...common, message_type: 'Update', op: was === undefined ? 'create' : 'update', data: is }];
      }
      if (was === undefined || !stream.matches(was)) return [];
      return [{ ...common, message_type: 'Delete', op: 'delete', data: { id } }];
    });
    frames.forEach((frame, at) => {
      stream.options.onChange?.(at < frames.length - 1 ? { ...frame, more: true } : frame);
    });
    // The position of a change that this query does not get is told, too.
    if (frames.length === 0) stream.options.onReady?.({ type: 'ready', seq });
  }
}

function applyStep(item: Item | undefined, step: WriteStep): Item | undefined {
  const write = { operations: [], isSent: true, position: undefined };
  return applyOperation(item, makeOperation(write, step, 'id')) as Item | undefined;
}

const LISTS = {
  all: { search: 'sort=n', matches: () => true },
  some: { search: 'n=ge=3&sort=-n', matches: ({ n }: Item) => (n as number) >= 3 },
  named: { search: 'title==a&sort=title,n', matches: ({ title }: Item) => title === 'a' },
};
type Name = keyof typeof LISTS;
const NAMES = Object.keys(LISTS) as Name[];

type Act =
  | { readonly type: 'write' | 'foreign'; readonly steps: readonly WriteStep[] }
  | { readonly type: 'commit' | 'refuse' | 'answer'; readonly which: number }
  | { readonly type: 'deliver'; readonly name: Name };

const id = fc.constantFrom('a', 'b', 'c');
const n = fc.integer({ min: 0, max: 6 });
const title = fc.constantFrom('a', 'b');
const step: fc.Arbitrary<WriteStep> = fc.oneof(
  fc.record({ op: fc.constant('put' as const), table: fc.constant('Item'), id, data: fc.record({ n, title }) }),
  fc.record({
    op: fc.constant('patch' as const),
    table: fc.constant('Item'),
    id,
    data: fc.oneof(fc.record({ n }), fc.record({ title }), fc.constant({ n: { $inc: 1 } })),
  }),
  fc.record({ op: fc.constant('delete' as const), table: fc.constant('Item'), id }),
);
const steps = fc.uniqueArray(step, { minLength: 1, maxLength: 2, selector: (one) => one.id });
const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('write' as const), steps }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('foreign' as const), steps }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('commit' as const), which: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('refuse' as const), which: fc.nat(5) }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('answer' as const), which: fc.nat(5) }) },
  {
    weight: 8,
    arbitrary: fc.record({ type: fc.constant('deliver' as const), name: fc.constantFrom<Name[]>(...NAMES) }),
  },
);

interface Own {
  readonly steps: readonly WriteStep[];
  sent?: Sent;
  isRefused: boolean;
}

class Model {
  readonly server = new Server();
  readonly overlay = optimistic()();
  readonly own: Own[] = [];
  readonly told: string[] = [];
  readonly queries = new Map(
    NAMES.map((name) => {
      const { search, matches } = LISTS[name];
      return [name, this.server.open(name, matches, this.overlay, search)] as const;
    }),
  );

  async run(one: Act): Promise<void> {
    const { server } = this;
    if (one.type === 'write') this.#write(one.steps);
    else if (one.type === 'foreign') server.commit(one.steps);
    else if (one.type === 'deliver') server.deliver(one.name);
    else if ('which' in one) this.#answer(one.type, one.which);
    // Promises of the client settle, and listeners are called.
    for (let turn = 0; turn < 12; turn++) await Promise.resolve();
  }

  #write(given: readonly WriteStep[]): void {
    const own: Own = { steps: given, isRefused: false };
    this.own.push(own);
    this.overlay
      .write(given, (named) => {
        const answered = this.server.send(named);
        own.sent = this.server.sent.at(-1) as Sent;
        return answered;
      })
      .catch((error: TablecastError) => {
        own.isRefused = true;
        this.told.push(error.code);
      });
  }

  #answer(type: 'commit' | 'refuse' | 'answer', which: number): void {
    const { sent } = this.server;
    if (type === 'answer') {
      const due = sent.filter(({ position, isRefused }) => position !== undefined || isRefused === true);
      const one = due[which % Math.max(1, due.length)];
      if (one === undefined) return;
      sent.splice(sent.indexOf(one), 1);
      if (one.position === undefined) one.reject(new TablecastError('FORBIDDEN', 'refused', { status: 403 }));
      else one.resolve({ position: one.position });
      return;
    }
    const open = sent.filter(({ position, isRefused }) => position === undefined && isRefused === undefined);
    const one = open[which % Math.max(1, open.length)];
    if (one === undefined) return;
    if (type === 'refuse') one.isRefused = true;
    else one.position = this.server.commit(one.steps);
  }

  /** Fails unless each record of each list is the server's at its position with the writes that it does not contain yet. */
  check(): void {
    for (const [name, query] of this.queries) {
      const position = this.server.positionOf(name);
      const { matches } = LISTS[name];
      const shown = new Map(query.snapshot().data.map((item) => [item.id, item]));
      expect(shown.size, 'no record twice').toBe(query.snapshot().data.length);
      for (const key of ['a', 'b', 'c']) {
        const isHere = this.server.states[position]?.get(key);
        // A record that is patched and not in this list is taken over from a list that has it.
        const others =
          isHere !== undefined && matches(isHere) ? [] : NAMES.map((other) => this.server.positionOf(other));
        const states = [position, ...others].flatMap((at) => this.#explained(key, at));
        const allowed = states.map((item) => (item && matches(item) ? item : undefined));
        const found = shown.get(key);
        const texts = allowed.map((item) => JSON.stringify(sorted(item)));
        expect(texts, `${key} in ${name} at ${position}`).toContain(JSON.stringify(sorted(found)));
      }
    }
  }

  /** States of a record that the server and the writes explain: the newest, and those of rows that are held. */
  #explained(key: string, position: number): (Item | undefined)[] {
    const counting = this.own.find(
      ({ steps: given, sent, isRefused }) =>
        !isRefused &&
        sent !== undefined &&
        this.server.sent.includes(sent) &&
        given.some((one) => one.id === key && isCounting(one)),
    );
    const from = counting === undefined ? position : 0;
    const states: (Item | undefined)[] = [];
    for (let at = from; at <= position; at++) {
      for (const isKnown of [true, false]) {
        const steps = this.own.flatMap(({ steps: given, sent, isRefused }) => {
          const isContained = sent?.position !== undefined && sent.position <= at;
          // Until its answer tells that it is contained, a write that may be applied twice is shown on top.
          const isOnTop = !isKnown && sent !== undefined && this.server.sent.includes(sent);
          if (isRefused || (isContained && !isOnTop)) return [];
          return given.filter((one) => one.id === key && !(isContained && isCounting(one)));
        });
        states.push(steps.reduce(applyStep, this.server.states[at]?.get(key)));
      }
    }
    return states;
  }

  async settle(): Promise<void> {
    for (let round = 0; round < 200 && (this.server.sent.length > 0 || round < 3); round++) {
      await this.run({ type: 'commit', which: 0 });
      await this.run({ type: 'answer', which: 0 });
    }
    for (const name of NAMES) {
      while (this.server.positionOf(name) < this.server.head) await this.run({ type: 'deliver', name });
    }
  }
}

const isCounting = (one: WriteStep) => JSON.stringify(one).includes('$inc');
const sorted = (item: Item | undefined) =>
  item && Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)));

const put = (key: string, data: object): WriteStep => ({ op: 'put', table: 'Item', id: key, data });
const patch = (key: string, data: object): WriteStep => ({ op: 'patch', table: 'Item', id: key, data });
const write = (...given: WriteStep[]): Act => ({ type: 'write', steps: given });
const foreign = (...given: WriteStep[]): Act => ({ type: 'foreign', steps: given });
const deliver = (name: Name): Act => ({ type: 'deliver', name });
const [commit, answer, refuse] = (['commit', 'answer', 'refuse'] as const).map((type): Act => ({ type, which: 0 })) as [
  Act,
  Act,
  Act,
];
const ZERO = { n: 0, title: 'a' };

/** Orders of events in which records were shown without a write, or did not come back. */
const FOUND: readonly Act[][] = [
  // Answered before the rows of an earlier change brought the record.
  [
    foreign(put('a', ZERO)),
    write(patch('a', { n: 0 })),
    foreign(patch('a', { n: 1 })),
    commit,
    answer,
    deliver('all'),
    deliver('all'),
  ],
  // Hidden by a later write that is refused.
  [
    write(put('b', ZERO)),
    write({ op: 'delete', table: 'Item', id: 'b' }, put('a', ZERO)),
    commit,
    answer,
    refuse,
    answer,
    deliver('all'),
  ],
  // Held until its answer, and looked at by another list before the list is made anew.
  [write(patch('a', { n: { $inc: 1 } })), foreign(put('a', ZERO)), commit, deliver('all'), answer],
  // Taken over from a list that has the record by a write alone.
  [write(put('b', ZERO)), commit, write(patch('b', { n: 3 })), deliver('some'), answer],
  // Taken over from a list that loses it.
  [
    foreign(put('b', ZERO)),
    deliver('named'),
    foreign({ op: 'delete', table: 'Item', id: 'b' }),
    write(patch('b', { title: 'a' })),
    deliver('named'),
  ],
];

describe('writes that are shown at once', () => {
  test('explain every state together with the server, and the last one is that of the server', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 1, maxLength: 40 }), async (acts) => {
        const model = new Model();
        // What evaluates conditions.
        await vi.dynamicImportSettled();
        for (const one of acts) {
          await model.run(one);
          model.check();
        }
        await model.settle();
        model.check();
        const last = model.server.states.at(-1) as State;
        for (const [name, query] of model.queries) {
          const { matches } = LISTS[name];
          const expected = [...last.values()].filter(matches);
          expect(query.snapshot().data.map(sorted)).toHaveLength(expected.length);
          expect(
            query
              .snapshot()
              .data.map(({ id: key }) => key)
              .sort(),
          ).toEqual(expected.map(({ id: key }) => key).sort());
          expect(query.snapshot().pending).toBe(0);
        }
        expect(model.told).toHaveLength(model.own.filter(({ isRefused }) => isRefused).length);
      }),
      { numRuns: Number(process.env.PROPERTY_RUNS ?? 100), examples: FOUND.map((acts): [Act[]] => [acts]) },
    );
  });

  test('leave records where they are until what evaluates conditions is loaded', async () => {
    const put = (key: string): Act => {
      const step = { op: 'put' as const, table: 'Item', id: key, data: { n: 5, title: 'b' } };
      return { type: 'write', steps: [step] };
    };
    const shown = (model: Model) =>
      NAMES.map((name) =>
        model.queries
          .get(name)
          ?.snapshot()
          .data.map(({ id: key }) => key),
      );
    const model = new Model();
    const first = model.run(put('a'));
    expect(shown(model)).toEqual([['a'], [], []]);
    await first;
    await vi.dynamicImportSettled();
    void model.run(put('b'));
    expect(shown(model)).toEqual([['a', 'b'], ['a', 'b'], []]);
    await model.settle();
  });
});
