import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ANONYMOUS, type Identity, SERVER } from '../../src/auth/identity.ts';
import { AppError } from '../../src/errors.ts';
import { turns } from '../support/engine.ts';
import { PropertyHarness } from './harness.ts';
import { Page } from './page.ts';
import { holds, PEOPLE, principalOf, type Tree, tree, type Who, write } from './rules.ts';

const RUNS = Number(process.env.PROPERTY_RUNS ?? 100);
const FROM = JSON.parse(process.env.PROPERTY_FROM ?? '{}') as fc.Parameters<unknown>;

interface Rules {
  readonly read: Tree;
  readonly create: Tree;
  readonly update: Tree;
  readonly remove: Tree;
  readonly secret: Tree;
}

type Row = Readonly<Record<string, unknown>>;

const quote = (rule: Tree) => JSON.stringify(write(rule));
const schema = ({ read, create, update, remove, secret }: Rules) => `
  type Item @table @export @access(read: ${quote(read)}, create: ${quote(create)}, update: ${quote(update)}, delete: ${quote(remove)}) {
    id: ID! @primaryKey
    owner: String
    n: Int
    open: Boolean
    secret: String @access(read: ${quote(secret)})
  }
`;

const key = fc.constantFrom('a', 'b', 'c');
const fields = fc.record(
  {
    owner: fc.constantFrom('ada', 'ben', null),
    n: fc.integer({ min: 0, max: 2 }),
    open: fc.boolean(),
    secret: fc.constantFrom('x', 'y', null),
  },
  { requiredKeys: [] },
);
const who = fc.nat({ max: PEOPLE.length });
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('put' as const), id: key, fields, who }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('patch' as const), id: key, fields, who }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), id: key, who }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), client: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('return' as const), client: fc.nat() }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const identities: readonly Identity[] = PEOPLE.map((one) => (one.sub === undefined ? ANONYMOUS : principalOf(one)));

/** Fields of a record that a caller may read, by the rules. */
function shown(row: Row, one: Who, rules: Rules): Row {
  if (holds(rules.secret, one, row)) return row;
  const { secret: _hidden, ...rest } = row;
  return rest;
}

/** `ok`, or the code of the refusal. */
async function outcomeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'ok';
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
}

class Scene {
  readonly rig: PropertyHarness;
  readonly rules: Rules;
  readonly pages: readonly Page[];

  constructor(rig: PropertyHarness, rules: Rules, pages: readonly Page[]) {
    this.rig = rig;
    this.rules = rules;
    this.pages = pages;
  }

  async settle(): Promise<void> {
    for (let turn = 0; turn < 200 && !this.pages.every(({ isSettled }) => isSettled); turn++) await turns(1);
  }

  async stored(): Promise<Map<unknown, Row>> {
    const { json } = await this.rig.resource('Item').list(SERVER, '');
    return new Map((JSON.parse(json) as Row[]).map((row) => [row.id, row]));
  }

  /** Writes, and compares the outcome with the rules. */
  async write(one: Extract<Step, { who: number }>): Promise<void> {
    const resource = this.rig.resource('Item');
    const person = PEOPLE[one.who];
    const identity = identities[one.who] ?? SERVER;
    const before = (await this.stored()).get(one.id);
    const outcome = await outcomeOf(
      one.do === 'delete'
        ? resource.delete(identity, one.id)
        : one.do === 'put'
          ? resource.put(identity, one.id, one.fields)
          : resource.patch(identity, one.id, one.fields),
    );
    if (person === undefined) return;
    const blank = { id: one.id, owner: null, n: null, open: null, secret: null };
    const after = one.do === 'delete' ? undefined : { ...blank, ...(one.do === 'patch' ? before : {}), ...one.fields };
    const stored = (await this.stored()).get(one.id);
    if (outcome === 'ok') {
      expect(stored).toEqual(after);
      expect(this.#allows(person, before, after)).toBe(true);
    } else {
      expect(stored).toEqual(before);
      const isAbsent = before === undefined && one.do !== 'put';
      expect(isAbsent || !this.#allows(person, before, after)).toBe(true);
    }
  }

  /** Not found: the caller may not read the record, so it cannot write it either. */
  #allows(person: Who, before: Row | undefined, after: Row | undefined): boolean {
    const { read, create, update, remove } = this.rules;
    if (before !== undefined && !this.#neverReads(person) && !holds(read, person, before)) return false;
    const rule = before === undefined ? create : after === undefined ? remove : update;
    return [before, after].every((row) => row === undefined || holds(rule, person, row));
  }

  /** Allowed: a caller without read rights may still write where a rule allows it. */
  #neverReads(person: Who): boolean {
    return outcomes(() => this.rig.resource('Item').parseList(identities[PEOPLE.indexOf(person)] as Identity, ''));
  }

  /** Checks that every transport returns exactly what the rules allow, for every caller. */
  async compare(): Promise<void> {
    const resource = this.rig.resource('Item');
    const rows = [...(await this.stored()).values()];
    for (const [index, person] of PEOPLE.entries()) {
      const identity = identities[index] as Identity;
      const expected = rows
        .filter((row) => holds(this.rules.read, person, row))
        .map((row) => shown(row, person, this.rules));
      if (outcomes(() => resource.parseList(identity, ''))) {
        expect(expected).toEqual([]);
        continue;
      }
      const { json, total } = await resource.list(identity, 'count=true');
      expect(JSON.parse(json)).toEqual(expected);
      expect(total).toBe(expected.length);
      for (const { id } of rows) {
        const found = await resource.get(identity, id as string);
        expect(found && JSON.parse(found.json)).toEqual(expected.find((row) => row.id === id));
      }
    }
    for (const page of this.pages) {
      expect(page.wrongs).toEqual([]);
      if (!page.isOpen) continue;
      const { json } = await resource.list(page.identity, page.url);
      const listed = new Map((JSON.parse(json) as Row[]).map((row) => [row.id, row]));
      expect(page.records, page.url).toEqual(listed);
    }
  }
}

/** True when it is refused. */
function outcomes(work: () => unknown): boolean {
  try {
    work();
    return false;
  } catch {
    return true;
  }
}

test('every caller reads and writes on every transport what the rules allow, and nothing else', {
  retry: 0,
  timeout: 600_000,
}, async () => {
  let compared = 0;
  const rules = fc.record({ read: tree, create: tree, update: tree, remove: tree, secret: tree });
  const page = fc.record({ who, filter: fc.constantFrom('', '', 'n==1', 'open==true'), delta: fc.boolean() });
  const property = fc.asyncProperty(
    rules,
    fc.array(page, { minLength: 2, maxLength: 6 }),
    fc.array(step, { minLength: 5, maxLength: 25 }),
    async (written, wanted, steps) => {
      using rig = new PropertyHarness({ sdl: schema(written) });
      await rig.resource('Item').createMany(SERVER, [
        { id: 'a', owner: 'ada', n: 1, open: true, secret: 'x' },
        { id: 'b', owner: 'ben', n: 2, secret: 'y' },
      ]);
      const pages = wanted.flatMap((one) => {
        const identity = identities[one.who] ?? SERVER;
        const options = { filter: one.filter, select: '', delta: one.delta, identity };
        // A caller that may not read anything cannot subscribe either.
        if (outcomes(() => rig.resource('Item').parseSubscription(identity, '', undefined))) return [];
        return [new Page(rig, options)];
      });
      const scene = new Scene(rig, written, pages);
      // Changes before a page has its snapshot are sent from the log, including deletes.
      await scene.settle();
      for (const one of steps) {
        if ('who' in one) await scene.write(one);
        else if (one.do === 'leave') pages[one.client % Math.max(1, pages.length)]?.leave();
        else pages[one.client % Math.max(1, pages.length)]?.open();
        await scene.settle();
        await scene.compare();
        compared++;
      }
      expect(rig.faults).toEqual([]);
    },
  );
  await fc.assert(property, { numRuns: RUNS, ...(FROM as object) });
  expect(compared).toBeGreaterThan(RUNS);
});
