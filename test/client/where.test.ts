import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SERVER } from '../../src/auth/identity.ts';
import { compileConditions } from '../../src/client/optimistic/conditions.ts';
import { tableSearch } from '../../src/client/query.ts';
import { PropertyHarness } from '../property/harness.ts';

const SDL = `
  type Post @table @export { id: ID! @primaryKey title: String n: Int kind: Kind open: Boolean tags: [String!] ownerId: ID
    owner: User @relationship(from: "ownerId") }
  type User @table @export { id: ID! @primaryKey name: String! }
  enum Kind { A B }
`;
/** Strings that mean something in URLs and in the query language. */
const TEXTS = [
  '',
  'a',
  'null',
  'a*',
  '(x)',
  'a&b',
  'a|b',
  'a,b',
  '"q"',
  '=gt=1',
  '[eq]',
  'é😀',
  '100%',
  'string:a',
  ' ',
];

interface Post {
  readonly id: string;
  readonly title: string | null;
  readonly n: number | null;
  readonly kind: string | null;
  readonly open: boolean | null;
  readonly tags: readonly string[] | null;
  readonly ownerId: string | null;
}
type Where = Readonly<Record<string, unknown>>;

const text = fc.constantFrom(...TEXTS);
const number = fc.integer({ min: -2, max: 2 });
const orNull = <T>(value: fc.Arbitrary<T>) => fc.option(value, { freq: 5 });
const post = fc.record({
  title: orNull(text),
  n: orNull(number),
  kind: orNull(fc.constantFrom('A', 'B')),
  open: orNull(fc.boolean()),
  tags: orNull(fc.array(text, { maxLength: 2 })),
  ownerId: orNull(fc.constantFrom('u1', 'u2', 'gone')),
});

const equality = <T>(value: fc.Arbitrary<T>) =>
  fc.oneof(
    orNull(value),
    fc.array(orNull(value), { maxLength: 2 }),
    fc.record({ eq: orNull(value) }),
    fc.record({ ne: orNull(value) }),
    fc.record({ in: fc.array(orNull(value), { maxLength: 2 }) }),
    fc.record({ out: fc.array(orNull(value), { maxLength: 2 }) }),
  );
const ordered = <T>(value: fc.Arbitrary<T>) =>
  fc.record({ gt: value, ge: value, lt: value, le: value }, { requiredKeys: [] });
const part = fc.constantFrom(...TEXTS.filter((one) => one !== ''));
const searched = fc.record({ ct: part, sw: part, ew: part }, { requiredKeys: [] });
const fields = {
  title: fc.oneof(equality(text), ordered(text), searched),
  n: fc.oneof(equality(number), ordered(number)),
  kind: equality(fc.constantFrom('A', 'B')),
  open: fc.oneof(orNull(fc.boolean()), fc.record({ ne: fc.boolean() })),
  'owner.name': fc.oneof(text, searched),
};
const groupsOf = (inner: fc.Arbitrary<Where>) => ({
  or: fc.array(inner, { minLength: 1, maxLength: 2 }),
  and: fc.array(inner, { maxLength: 2 }),
  not: inner,
});
const plain: fc.Arbitrary<Where> = fc.record(fields, { requiredKeys: [] });
const grouped: fc.Arbitrary<Where> = fc.record({ ...fields, ...groupsOf(plain) }, { requiredKeys: [] });
const where: fc.Arbitrary<Where> = fc.record({ ...fields, ...groupsOf(grouped) }, { requiredKeys: [] });

const OWNERS: Readonly<Record<string, string>> = { u1: 'a', u2: 'a*' };

/** What the words of `where` mean, in the plainest way. */
function matches(record: Post, conditions: Where): boolean {
  return Object.entries(conditions).every(([name, wanted]) => {
    if (name === 'or') return (wanted as Where[]).some((one) => matches(record, one));
    if (name === 'and') return (wanted as Where[]).every((one) => matches(record, one));
    if (name === 'not') return !matches(record, wanted as Where);
    const value = name === 'owner.name' ? OWNERS[record.ownerId ?? ''] : record[name as keyof Post];
    if (Array.isArray(wanted)) return compare(value, 'in', wanted);
    if (typeof wanted !== 'object' || wanted === null) return compare(value, 'eq', wanted);
    return Object.entries(wanted).every(([operator, operand]) => compare(value, operator, operand));
  });
}

function compare(value: unknown, operator: string, operand: unknown): boolean {
  const present = value ?? null;
  if (operator === 'eq') return present === operand;
  if (operator === 'ne') return present !== operand;
  if (operator === 'in') return (operand as unknown[]).includes(present);
  if (operator === 'out') return !(operand as unknown[]).includes(present);
  if (present === null) return false;
  if (operator === 'ct') return String(present).includes(String(operand));
  if (operator === 'sw') return String(present).startsWith(String(operand));
  if (operator === 'ew') return String(present).endsWith(String(operand));
  const order = typeof present === 'number' ? present - Number(operand) : bytes(present).compare(bytes(operand));
  return { gt: order > 0, ge: order >= 0, lt: order < 0, le: order <= 0 }[operator] as boolean;
}

const bytes = (value: unknown) => Buffer.from(String(value));
/** `not`, `or` and `and` without any condition say nothing, which the server cannot be asked. */
const isEmpty = (conditions: Where): boolean =>
  Object.entries(conditions).every(([name, value]) => {
    if (name === 'or') return (value as Where[]).some(isEmpty);
    if (name === 'and') return (value as Where[]).every(isEmpty);
    if (name === 'not') return false;
    return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0;
  });
const isAsked = (conditions: Where): boolean =>
  Object.entries(conditions).every(([name, value]) => {
    if (name === 'not') return !isEmpty(value as Where) && isAsked(value as Where);
    return name === 'or' || name === 'and' ? (value as Where[]).every(isAsked) : true;
  });
/** Limits of filters that the server has by default. */
const isSmall = (conditions: Where): boolean => {
  const filter = decodeURIComponent(tableSearch({ where: conditions }));
  return filter.length < 4000 && (filter.match(/=(?:[a-z]+)=/g) ?? []).length <= 32;
};

test('`where` of the client finds what its words mean, whatever the values contain', { timeout: 600_000 }, async () => {
  const property = fc.asyncProperty(
    fc.array(post, { minLength: 1, maxLength: 8 }),
    fc.array(
      where.filter((one) => isAsked(one) && isSmall(one)),
      { minLength: 1, maxLength: 5 },
    ),
    async (posts, conditions) => {
      using rig = new PropertyHarness({ sdl: SDL });
      const records = posts.map((one, index) => ({ id: String(index), ...one }));
      await rig.resource('User').createMany(
        SERVER,
        Object.entries(OWNERS).map(([id, name]) => ({ id, name })),
      );
      await rig.resource('Post').createMany(SERVER, records);
      for (const one of conditions) {
        const query = tableSearch({ where: one, limit: 100, select: ['id'] });
        const { json } = await rig.resource('Post').list(SERVER, query);
        const found = (JSON.parse(json) as { id: string }[]).map(({ id }) => id);
        const expected = records.filter((record) => matches(record, one)).map(({ id }) => id);
        expect(found, query).toEqual(expected);
        // The client decides by itself about records that it has written, unless it takes the server.
        const decide = compileConditions(query);
        for (const record of records) {
          const verdict = decide(record);
          expect(verdict ?? expected.includes(record.id), `${query} ${JSON.stringify(record)}`).toBe(
            expected.includes(record.id),
          );
          decided[verdict === undefined ? 'no' : 'yes']++;
        }
      }
    },
  );
  const decided = { yes: 0, no: 0 };
  await fc.assert(property, { numRuns: Number(process.env.PROPERTY_RUNS ?? 150) });
  expect(decided.yes).toBeGreaterThan(decided.no);
});

test('`select` names fields and those of relations', () => {
  const select = ['title', { owner: ['name', { posts: ['*'] }] }];
  expect(decodeURIComponent(tableSearch({ select, sort: ['-n', 'title'] }))).toBe(
    'select=title,owner{name,posts{*}}&sort=-n,title',
  );
});

test('alternatives that hold for nothing are refused by the server', async () => {
  using rig = new PropertyHarness({ sdl: SDL });
  for (const one of [{ or: [] }, { not: {} }, { n: 1, or: [] }, { or: [{ not: {} }, { n: 1 }] }]) {
    const asked = async () => rig.resource('Post').list(SERVER, tableSearch({ where: one }));
    await expect(asked()).rejects.toMatchObject({ code: 'INVALID_QUERY' });
  }
  expect(tableSearch({ where: { or: [{ n: 1 }, {}] } })).toBe('');
});
