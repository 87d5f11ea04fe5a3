import fc from 'fast-check';
import { SERVER } from '../../src/auth/identity.ts';
import { turns } from '../support/engine.ts';
import type { PropertyHarness } from './harness.ts';
import type { SlowSink } from './sink.ts';

/** Client of a run. */
export interface RunPage {
  readonly sink: SlowSink | undefined;
  readonly isSettled: boolean;
  open(): void;
  leave(): void;
}

const number = fc.integer({ min: 0, max: 3 });

/** Steps of clients and of the server. */
export const turnStep = {
  weight: 6,
  arbitrary: fc.record({ do: fc.constant('turns' as const), count: fc.integer({ min: 1, max: 3 }) }),
};
export const clientSteps = [
  { weight: 2, arbitrary: fc.record({ do: fc.constant('leave' as const), client: fc.nat() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('return' as const), client: fc.nat() }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('read' as const), client: fc.nat(), size: fc.nat(1500) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
  turnStep,
] as const;

/** Steps of a test whose records are of the table `Item`, which has a number `n`. */
export function itemSteps<Fields, Query>(
  key: fc.Arbitrary<string>,
  fields: fc.Arbitrary<Fields>,
  query: fc.Arbitrary<Query>,
) {
  return fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('put' as const), id: key, fields }) },
    { weight: 5, arbitrary: fc.record({ do: fc.constant('patch' as const), id: key, fields }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), id: key }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('clear' as const), n: number }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('all' as const), n: number }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('publish' as const), id: fc.option(key) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('open' as const), query }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('trim' as const), limit: fc.integer({ min: 1, max: 9 }) }) },
    ...clientSteps,
  );
}

export type ClientStep = (typeof clientSteps)[number]['arbitrary'] extends fc.Arbitrary<infer T> ? T : never;
export type ItemStep<Fields, Query> =
  | { readonly do: 'put' | 'patch'; readonly id: string; readonly fields: Fields }
  | { readonly do: 'delete'; readonly id: string }
  | { readonly do: 'clear' | 'all'; readonly n: number }
  | { readonly do: 'publish'; readonly id: string | null }
  | { readonly do: 'open'; readonly query: Query }
  | { readonly do: 'trim'; readonly limit: number }
  | ClientStep;

/** Clients that come, go and read at their own pace, while records are written. */
export class Runner<Page extends RunPage> {
  readonly rig: PropertyHarness;
  readonly pages: Page[] = [];
  readonly #writes: Promise<unknown>[] = [];

  constructor(rig: PropertyHarness) {
    this.rig = rig;
  }

  /** Remembers a write that is under way; its refusal is no fault. */
  keep(written: Promise<unknown>): void {
    this.#writes.push(written.catch(() => {}));
  }

  async executeClient(one: ClientStep): Promise<void> {
    if (one.do === 'turns') return turns(one.count);
    if (one.do === 'restart') {
      await Promise.all(this.#writes);
      for (const page of this.pages) page.leave();
      return this.rig.restart();
    }
    const page = this.pages[one.client % this.pages.length];
    if (one.do === 'leave') page?.leave();
    else if (one.do === 'return') page?.open();
    else page?.sink?.drain(one.size);
  }

  /** Executes a step of `itemSteps`; `open` opens a client. */
  async execute<Fields, Query>(one: ItemStep<Fields, Query>, open: (query: Query) => unknown): Promise<void> {
    const item = this.rig.resource('Item');
    switch (one.do) {
      case 'put':
        return this.keep(item.put(SERVER, one.id, one.fields));
      case 'patch':
        return this.keep(item.patch(SERVER, one.id, one.fields));
      case 'delete':
        return this.keep(item.delete(SERVER, one.id));
      case 'clear':
        return this.keep(item.deleteMany(SERVER, `n=ge=${one.n}`));
      case 'all':
        return this.keep(item.patchMany(SERVER, 'all=true', { n: one.n }));
      case 'publish':
        return this.keep(item.publish(SERVER, one.id, {}));
      case 'open':
        return void (this.pages.length > 8 ? undefined : await open(one.query));
      case 'trim':
        return void (await this.rig.outerStore.trim(Date.now(), one.limit));
      default:
        return this.executeClient(one);
    }
  }

  /** Lets all clients come back and read everything. */
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
}
