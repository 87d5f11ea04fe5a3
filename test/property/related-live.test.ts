import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Identity, SERVER } from '../../src/auth/identity.ts';
import { AppError } from '../../src/errors.ts';
import { turns } from '../support/engine.ts';
import { PropertyHarness } from './harness.ts';
import { Page } from './page.ts';

const RUNS = Number(process.env.PROPERTY_RUNS ?? 60);
const FROM = JSON.parse(process.env.PROPERTY_FROM ?? '{}') as fc.Parameters<unknown>;

type Row = Readonly<Record<string, unknown>>;

/** Condition of a rule or of a filter as a tree: its text is written, and its meaning found without the code under test. */
type Tree =
  | { readonly is: 'field'; readonly field: string; readonly not: boolean; readonly value: string }
  | { readonly is: 'none'; readonly relation: string; readonly not: boolean }
  | { readonly is: 'any'; readonly relation: string; readonly item: Tree }
  | { readonly is: 'not'; readonly item: Tree }
  | { readonly is: 'and' | 'or'; readonly items: readonly Tree[] };

interface Relation {
  readonly target: string;
  readonly from?: string;
  readonly to?: string;
}

/** Relations both ways, over one key and over lists, and of a table to itself. */
const RELATIONS: Readonly<Record<string, Readonly<Record<string, Relation>>>> = {
  Item: {
    board: { target: 'Board', from: 'boardId' },
    tags: { target: 'Board', from: 'tagIds' },
    parent: { target: 'Item', from: 'parentId' },
    children: { target: 'Item', to: 'parentId' },
  },
  Board: {
    items: { target: 'Item', to: 'boardId' },
    members: { target: 'Member', to: 'boardId' },
    tagged: { target: 'Item', to: 'tagIds' },
  },
  Member: { board: { target: 'Board', from: 'boardId' } },
};
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  Item: ['name', 'boardId'],
  Board: ['name', 'id'],
  Member: ['who', 'name'],
};

const schema = (rule: string, secret: string) => `
  type Item @table @export @access(read: "${rule}") {
    id: ID! @primaryKey name: String boardId: ID tagIds: [ID] parentId: ID
    secret: String @access(read: "${secret}")
    board: Board @relationship(from: "boardId")
    tags: [Board] @relationship(from: "tagIds")
    parent: Item @relationship(from: "parentId")
    children: [Item] @relationship(to: "parentId")
  }
  type Board @table @export @access(read: "members.who==$auth.sub | name==a") {
    id: ID! @primaryKey name: String
    items: [Item] @relationship(to: "boardId")
    tagged: [Item] @relationship(to: "tagIds")
    members: [Member] @relationship(to: "boardId")
  }
  type Member @table @export(public: [read, subscribe]) {
    id: ID! @primaryKey who: String name: String boardId: ID
    board: Board @relationship(from: "boardId")
  }`;

const value = fc.constantFrom('a', 'b', '$auth.sub');

function treeOf(table: string, depth: number): fc.Arbitrary<Tree> {
  const field = fc.record({
    is: fc.constant('field' as const),
    field: fc.constantFrom(...(FIELDS[table] ?? [])),
    not: fc.boolean(),
    value,
  });
  const relations = Object.entries(RELATIONS[table] ?? {});
  const related = relations.map(([relation, { target }]) =>
    fc.record({
      is: fc.constant('any' as const),
      relation: fc.constant(relation),
      item:
        depth > 1
          ? treeOf(target, depth - 1)
          : fc.record({
              is: fc.constant('field' as const),
              field: fc.constantFrom(...(FIELDS[target] ?? [])),
              not: fc.boolean(),
              value,
            }),
    }),
  );
  const none = fc.record({
    is: fc.constant('none' as const),
    relation: fc.constantFrom(...relations.map(([name]) => name)),
    not: fc.boolean(),
  });
  if (depth === 0) return field;
  const one = fc.oneof(
    { weight: 1, arbitrary: field },
    { weight: 1, arbitrary: none },
    { weight: 5, arbitrary: fc.oneof(...related) },
  );
  return fc.oneof(
    { weight: 4, arbitrary: one },
    { weight: 1, arbitrary: fc.record({ is: fc.constant('not' as const), item: one }) },
    {
      weight: 2,
      arbitrary: fc.record({
        is: fc.constantFrom('and' as const, 'or' as const),
        items: fc.array(one, { minLength: 2, maxLength: 2 }),
      }),
    },
  );
}

/** Text of a rule; with a caller of a filter, which has no claims and no conditions in brackets. */
function write(tree: Tree, sub?: string): string {
  switch (tree.is) {
    case 'field':
      return `${tree.field}${tree.not ? '!=' : '=='}${tree.value === '$auth.sub' ? (sub ?? tree.value) : tree.value}`;
    case 'none':
      return `${tree.relation}${tree.not ? '!=' : '=='}null`;
    case 'any':
      return `${tree.relation}(${write(tree.item, sub)})`;
    case 'not':
      return `!(${write(tree.item, sub)})`;
    default:
      return `(${tree.items.map((item) => write(item, sub)).join(tree.is === 'and' ? ' & ' : ' | ')})`;
  }
}

class World {
  readonly rows: Readonly<Record<string, Map<unknown, Row>>> = { Item: new Map(), Board: new Map(), Member: new Map() };

  related(table: string, row: Row, name: string): Row[] {
    const { target, from, to = '' } = (RELATIONS[table] as Record<string, Relation>)[name] as Relation;
    const others = [...(this.rows[target] as Map<unknown, Row>).values()];
    const keys = (field: unknown): unknown[] =>
      (Array.isArray(field) ? (field as unknown[]) : [field]).filter((key) => key !== null);
    if (from !== undefined) return keys(row[from]).flatMap((key) => others.filter(({ id }) => id === key));
    return others.filter((other) => keys(other[to]).includes(row.id));
  }

  holds(tree: Tree, table: string, row: Row, sub: string): boolean {
    switch (tree.is) {
      case 'field': {
        const same = row[tree.field] === (tree.value === '$auth.sub' ? sub : tree.value);
        return tree.not ? !same : same;
      }
      case 'none':
        return this.related(table, row, tree.relation).length > 0 === tree.not;
      case 'any': {
        const { target } = (RELATIONS[table] as Record<string, Relation>)[tree.relation] as Relation;
        return this.related(table, row, tree.relation).some((other) => this.holds(tree.item, target, other, sub));
      }
      case 'not':
        return !this.holds(tree.item, table, row, sub);
      case 'and':
        return tree.items.every((item) => this.holds(item, table, row, sub));
      case 'or':
        return tree.items.some((item) => this.holds(item, table, row, sub));
    }
  }
}

const PEOPLE = ['ada', 'ben'] as const;
const identities: readonly Identity[] = PEOPLE.map((sub) => ({
  type: 'principal',
  sub,
  roles: [],
  claims: {},
  expiresAt: undefined,
}));
const key = fc.constantFrom('a', 'b', 'c');
const name = fc.constantFrom('a', 'b', 'ada', null);
const fields = {
  Item: fc.record(
    {
      name,
      boardId: fc.option(key),
      tagIds: fc.option(fc.uniqueArray(key, { maxLength: 2 })),
      parentId: fc.option(key),
      secret: fc.constantFrom('x', 'y'),
    },
    { requiredKeys: [] },
  ),
  Board: fc.record({ name }, { requiredKeys: [] }),
  Member: fc.record({ who: fc.constantFrom('ada', 'ben', null), name, boardId: fc.option(key) }, { requiredKeys: [] }),
};
const writeOf = (table: keyof typeof fields) =>
  fc.record({
    do: fc.constantFrom('put' as const, 'put' as const, 'patch' as const, 'delete' as const),
    table: fc.constant(table),
    id: key,
    fields: fields[table],
  });
const change = fc.oneof(writeOf('Item'), writeOf('Board'), writeOf('Member'));
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      writes: fc.array(change, { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), page: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('return' as const), page: fc.nat() }) },
);
const PARTS = [
  '',
  'board.name==a',
  'board.members.who==ada',
  'tags.name!=b',
  'parent.name==a|children!=null',
  'children.board.name==b',
];
const SELECTS = [
  '',
  '',
  'select=name',
  'select=name,board{name}',
  'select=tags{name,members{who}},children{name}',
  'select=secret,parent{name,secret}',
];
const query = fc.record({
  who: fc.nat({ max: PEOPLE.length }),
  filter: fc.constantFrom(...PARTS),
  select: fc.constantFrom(...SELECTS),
  delta: fc.boolean(),
});

async function apply(
  rig: PropertyHarness,
  one: typeof change extends fc.Arbitrary<infer T> ? T : never,
): Promise<void> {
  const resource = rig.resource(one.table);
  try {
    if (one.do === 'delete') await resource.delete(SERVER, one.id);
    else if (one.do === 'put') await resource.put(SERVER, one.id, one.fields);
    else await resource.patch(SERVER, one.id, one.fields);
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'NOT_FOUND') throw error;
  }
}

test('rules and conditions over relations give the same records by SQL, by their meaning, and on streams after every change', {
  retry: 0,
  timeout: 600_000,
}, async () => {
  let compared = 0;
  let seen = 0;
  const cases = fc.record({
    rule: treeOf('Item', 3),
    secret: treeOf('Item', 2),
    queries: fc.array(query, { minLength: 1, maxLength: 6 }),
    steps: fc.array(step, { minLength: 4, maxLength: 20 }),
    how: fc.constantFrom({}, { flushed: true }, { later: true }),
  });
  const property = fc.asyncProperty(cases, async ({ rule, secret, queries, steps, how }) => {
    using rig = new PropertyHarness({ sdl: schema(write(rule), write(secret)), ...how });
    await rig.resource('Board').createMany(SERVER, [
      { id: 'a', name: 'a' },
      { id: 'b', name: 'b' },
    ]);
    await rig.resource('Member').createMany(SERVER, [{ id: 'a', who: 'ada', boardId: 'a' }]);
    await rig.resource('Item').createMany(SERVER, [
      { id: 'a', name: 'a', boardId: 'a', tagIds: ['a', 'b'] },
      { id: 'b', boardId: 'b', parentId: 'a' },
    ]);
    const pages = queries.map(({ who, filter, select, delta }) => {
      const identity = identities[who] ?? SERVER;
      return new Page(rig, { filter, select, delta: delta && !select.includes('{'), identity });
    });
    const settle = async () => {
      for (let turn = 0; turn < 400 && !pages.every(({ isSettled }) => isSettled); turn++) await turns(1);
      expect(pages.filter(({ isSettled }) => !isSettled)).toEqual([]);
    };
    await settle();
    for (const one of steps) {
      if (one.do === 'write') await Promise.all(one.writes.map((each) => apply(rig, each)));
      else if (one.do === 'leave') pages[one.page % pages.length]?.leave();
      else pages[one.page % pages.length]?.open();
      await settle();
      const world = new World();
      for (const table of ['Item', 'Board', 'Member']) {
        const { json } = await rig.resource(table).list(SERVER, '');
        for (const row of JSON.parse(json) as Row[]) world.rows[table]?.set(row.id, row);
      }
      for (const [index, identity] of identities.entries()) {
        const sub = PEOPLE[index] as string;
        const { json } = await rig.resource('Item').list(identity, '');
        const expected = [...(world.rows.Item?.values() ?? [])]
          .filter((row) => world.holds(rule, 'Item', row, sub))
          .map(({ secret: hidden, ...row }) =>
            world.holds(secret, 'Item', { ...row, secret: hidden }, sub) ? { ...row, secret: hidden } : row,
          );
        expect(JSON.parse(json)).toEqual(expected);
        for (const { id } of expected) {
          const found = await rig.resource('Item').get(identity, id as string);
          expect(JSON.parse(found?.json ?? 'null')).toEqual(expected.find((row) => row.id === id));
        }
        seen += expected.length;
      }
      for (const page of pages) {
        expect(page.wrongs).toEqual([]);
        if (!page.isOpen) continue;
        const { json } = await rig.resource('Item').list(page.identity, page.url);
        const listed = new Map((JSON.parse(json) as Row[]).map((row) => [row.id, row]));
        expect(page.records, page.url).toEqual(listed);
        compared++;
      }
    }
    expect(rig.faults).toEqual([]);
  });
  await fc.assert(property, { numRuns: RUNS, ...(FROM as object) });
  expect(compared).toBeGreaterThan(RUNS);
  expect(seen).toBeGreaterThan(RUNS);
});
