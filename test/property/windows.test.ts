import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SERVER } from '../../src/auth/identity.ts';
import { turns } from '../support/engine.ts';
import { PropertyHarness } from './harness.ts';
import { WindowPage } from './window-page.ts';

const RUNS = Number(process.env.PROPERTY_RUNS ?? 100);
const FROM = JSON.parse(process.env.PROPERTY_FROM ?? '{}') as fc.Parameters<unknown>;

const SDL = `
  enum Kind { RED BLUE }
  type Item @table @export {
    id: ID! @primaryKey n: Int @indexed s: String k: Kind b: Boolean l: Long f: Float d: Date pad: String
  }
`;
const FIELDS = ['n', 's', 'k', 'b', 'l', 'f', 'd', 'id'];

const KEYS = ['a', 'b', 'c', 'd', 'e', 'é', '😀', '\uff5e'];
const key = fc.constantFrom(...KEYS);
const number = fc.integer({ min: 0, max: 3 });
const fields = fc.record(
  {
    n: fc.option(number),
    s: fc.option(fc.constantFrom('', 'a', 'ab', 'Été', '😀', '\uff5e', 'B')),
    k: fc.option(fc.constantFrom('RED', 'BLUE')),
    b: fc.option(fc.boolean()),
    l: fc.option(fc.constantFrom(1, -1, '9223372036854775807', '9007199254740993', '-9223372036854775808')),
    f: fc.option(fc.constantFrom(0, 0.1, -2.5, 1e300, 1)),
    d: fc.option(fc.constantFrom('2025-01-01', '2025-01-01T00:00:00.001Z', '1969-01-01')),
    pad: fc.constantFrom(null, 'p'.repeat(150)),
  },
  { requiredKeys: [] },
);
const sort = fc
  .uniqueArray(fc.tuple(fc.constantFrom(...FIELDS), fc.boolean()), { maxLength: 3, selector: ([name]) => name })
  .map((keys) => keys.map(([name, down]) => `${down ? '-' : ''}${name}`).join());
const query = fc.record({
  filter: fc.constantFrom('', '', 'n=gt=0', 'n==1', 'k==RED', '!b==true', 's=sw=a|n==2', 'l=gt=5'),
  sort,
  limit: fc.integer({ min: 1, max: 4 }),
  offset: fc.constantFrom(0, 0, 0, 1, 2, 5),
  /** Begins at the second page of the list, if there is one. */
  cursor: fc.boolean(),
  select: fc.constantFrom('', '', 'select=n', 'select=s,l'),
  delta: fc.boolean(),
  fast: fc.boolean(),
});
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('put' as const), id: key, fields }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('patch' as const), id: key, fields }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), id: key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('clear' as const), n: number }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('all' as const), n: number }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('publish' as const), id: fc.option(key) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('open' as const), query }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('leave' as const), client: fc.nat() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('return' as const), client: fc.nat() }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('read' as const), client: fc.nat(), size: fc.nat(1500) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('trim' as const), limit: fc.integer({ min: 1, max: 9 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('turns' as const), count: fc.integer({ min: 1, max: 3 }) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
type Query = typeof query extends fc.Arbitrary<infer T> ? T : never;

class Run {
  readonly pages: WindowPage[] = [];
  readonly rig: PropertyHarness;
  readonly #writes: Promise<unknown>[] = [];

  constructor(rig: PropertyHarness) {
    this.rig = rig;
  }

  async open({ filter, sort: order, limit, offset, cursor, select, delta, fast }: Query): Promise<void> {
    const parts = [filter, order === '' ? '' : `sort=${order}`, `limit=${limit}`, select];
    const list = parts.filter(Boolean).join('&');
    const { next } = cursor ? await this.rig.resource('Item').list(SERVER, list) : {};
    const place = next === undefined ? (offset === 0 ? '' : `&offset=${offset}`) : `&cursor=${next}`;
    this.pages.push(new WindowPage(this.rig, { url: `${list}${place}`, delta, fast, identity: SERVER }));
  }

  async execute(one: Step): Promise<void> {
    const item = this.rig.resource('Item');
    switch (one.do) {
      case 'put':
        return this.#write(item.put(SERVER, one.id, one.fields));
      case 'patch':
        return this.#write(item.patch(SERVER, one.id, one.fields));
      case 'delete':
        return this.#write(item.delete(SERVER, one.id));
      case 'clear':
        return this.#write(item.deleteMany(SERVER, `n=ge=${one.n}`));
      case 'all':
        return this.#write(item.patchMany(SERVER, 'all=true', { n: one.n }));
      case 'publish':
        return this.#write(item.publish(SERVER, one.id, {}));
      case 'open':
        return this.pages.length > 8 ? undefined : this.open(one.query);
      case 'turns':
        return turns(one.count);
      case 'trim':
        return void (await this.rig.outerStore.trim(Date.now(), one.limit));
      case 'restart':
        await Promise.all(this.#writes);
        for (const page of this.pages) page.leave();
        return this.rig.restart();
    }
    const page = this.pages[one.client % this.pages.length];
    if (one.do === 'leave') page?.leave();
    else if (one.do === 'return') page?.open();
    else page?.sink?.drain(one.size);
  }

  async settle(): Promise<void> {
    await Promise.all(this.#writes);
    for (const page of this.pages) page.open();
    for (let quiet = 0, turn = 0; quiet < 4; turn++) {
      if (turn > 800) throw new Error(`it does not settle: ${this.rig.faults}`);
      for (const { sink } of this.pages) sink?.drain();
      await turns(1);
      quiet = this.pages.every(({ isSettled }) => isSettled) ? quiet + 1 : 0;
    }
  }

  #write(written: Promise<unknown>): void {
    this.#writes.push(written.catch(() => {}));
  }
}

test('a window that is folded from its frames is what the list returns, at every position', {
  retry: 0,
  timeout: 240_000,
}, async () => {
  let compared = 0;
  const property = fc.asyncProperty(
    fc.array(query, { minLength: 1, maxLength: 4 }),
    fc.array(step, { minLength: 10, maxLength: 60 }),
    fc.constantFrom<object[]>({}, { flushed: true }, { later: true }),
    fc.record({ replayPage: fc.constantFrom(1, 3, 500), maxCount: fc.constantFrom(3, 100_000) }),
    async (queries, steps, how, bounds) => {
      using rig = new PropertyHarness({ sdl: SDL, clientBuffer: 500, ...bounds, ...how });
      const run = new Run(rig);
      const many = Array.from({ length: 14 }, (_, n) => ({ id: `m${n}`, n: n % 4, s: 'ab', f: n / 10 }));
      await rig.resource('Item').createMany(SERVER, many);
      for (const one of queries) await run.open(one);
      for (const one of steps) await run.execute(one);
      await run.settle();
      expect(run.pages.flatMap(({ wrongs }) => wrongs)).toEqual([]);
      for (const page of run.pages) {
        const { json } = await rig.resource('Item').list(SERVER, page.url);
        expect(page.list, page.url).toEqual(JSON.parse(json));
        compared += page.compared;
      }
      expect(rig.faults).toEqual([]);
    },
  );
  await fc.assert(property, { numRuns: RUNS, ...(FROM as object) });
  expect(compared).toBeGreaterThan(RUNS);
});
