import fc from 'fast-check';
import { expect, test } from 'vitest';
import { House, INDEXED, KEEP_ONE, MORE, OTHER, SDL } from '../store/migration-harness.ts';

const RUNS = Number(process.env.PROPERTY_RUNS ?? 60);
const FROM = JSON.parse(process.env.PROPERTY_FROM ?? '{}') as fc.Parameters<unknown>;

type Step =
  | { readonly do: 'write'; readonly table: string; readonly count: number }
  | { readonly do: 'start'; readonly from: 'here' | 'copy'; readonly sdl: string; readonly trims: boolean }
  | { readonly do: 'copy' }
  | { readonly do: 'trim' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      table: fc.constantFrom('A', 'B'),
      count: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('start' as const),
      from: fc.constantFrom('here' as const, 'copy' as const),
      sdl: fc.constantFrom(SDL, SDL, MORE, OTHER, INDEXED),
      trims: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('copy' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('trim' as const) }) },
);

/** Store with the positions that it has issued: in its history, and in those that it has lost. */
class Story {
  readonly #house = new House();
  readonly #lost = new Set<number>();
  #given = new Set<number>([this.#house.head]);
  #copied = new Set(this.#given);

  constructor() {
    this.#house.copy();
    this.#house.restart();
  }

  take(step: Step): void {
    if (step.do === 'write') {
      for (const seq of this.#house.write(step.table, step.count)) this.#given.add(seq).add(seq - 1);
    } else if (step.do === 'start') this.#start(step);
    else if (step.do === 'trim') this.#house.trim();
    else {
      this.#house.copy();
      this.#house.restart();
      this.#copied = new Set(this.#given);
    }
    this.#given.add(this.#house.head);
  }

  pass(milliseconds: number): void {
    this.#house.pass(milliseconds);
  }

  expectKnown(): void {
    expect(this.#house.unknown([...this.#given])).toEqual([]);
  }

  expectUnknown(): void {
    const lost = [...this.#lost];
    expect(this.#house.unknown(lost)).toEqual(lost);
  }

  close(): void {
    this.#house.close();
  }

  #start({ from, sdl, trims }: Extract<Step, { do: 'start' }>): void {
    const options = trims ? KEEP_ONE : {};
    if (from === 'here') {
      this.#house.restart(sdl, options);
      return;
    }
    for (const position of this.#given) if (!this.#copied.has(position)) this.#lost.add(position);
    this.#given = new Set(this.#copied);
    this.#house.putBack(sdl, options);
  }
}

function check(passed: fc.Arbitrary<number>, holds: (story: Story) => void): void {
  const steps = fc.array(fc.tuple(passed, step), { minLength: 1, maxLength: 15 });
  const property = fc.property(steps, (taken) => {
    const story = new Story();
    try {
      for (const [milliseconds, each] of taken) {
        story.pass(milliseconds);
        story.take(each);
        holds(story);
      }
    } finally {
      story.close();
    }
  });
  fc.assert(property, { numRuns: RUNS, ...(FROM as object) });
}

test('a store knows every position that it has issued, after any restarts, restores and changes of the clock', {
  retry: 0,
  timeout: 120_000,
}, () => {
  check(fc.integer({ min: -50_000, max: 100_000 }), (story) => story.expectKnown());
});

test('while the clock goes on, a store knows no position of a lost future', { retry: 0, timeout: 120_000 }, () => {
  check(fc.integer({ min: 1, max: 100_000 }), (story) => {
    story.expectKnown();
    story.expectUnknown();
  });
});
