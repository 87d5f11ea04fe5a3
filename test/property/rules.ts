import fc from 'fast-check';
import type { Principal } from '../../src/auth/identity.ts';

type Value = string | number | boolean | null;
type Row = Readonly<Record<string, unknown>>;

/** Rule as a tree, from which its text is written and its meaning is evaluated without the code under test. */
export type Tree =
  | { readonly is: 'role'; readonly role: string }
  | { readonly is: 'literal'; readonly field: string; readonly op: Op; readonly value: Value }
  | { readonly is: 'claim'; readonly field: string; readonly op: Op; readonly claim: string }
  | { readonly is: 'auth'; readonly claim: string; readonly op: '==' | '!='; readonly value: Value }
  | { readonly is: 'not'; readonly item: Tree }
  | { readonly is: 'and' | 'or'; readonly items: readonly Tree[] };

type Op = '==' | '!=';

/** Caller: a user, or an anonymous one. */
export interface Who {
  readonly sub: string | undefined;
  readonly roles: readonly string[];
  readonly claims: Readonly<Record<string, Value | readonly Value[]>>;
}

const op = fc.constantFrom<Op>('==', '!=');
const leaf: fc.Arbitrary<Tree> = fc.oneof(
  fc.record({ is: fc.constant('role' as const), role: fc.constantFrom('editor', 'viewer', 'authenticated') }),
  fc.record({
    is: fc.constant('literal' as const),
    field: fc.constant('n'),
    op,
    value: fc.integer({ min: 0, max: 2 }),
  }),
  fc.record({ is: fc.constant('literal' as const), field: fc.constant('open'), op, value: fc.boolean() }),
  fc.record({ is: fc.constant('claim' as const), field: fc.constant('owner'), op, claim: fc.constant('sub') }),
  fc.record({ is: fc.constant('claim' as const), field: fc.constant('n'), op, claim: fc.constant('level') }),
  fc.record({ is: fc.constant('claim' as const), field: fc.constant('owner'), op, claim: fc.constant('friends') }),
  fc.record({
    is: fc.constant('auth' as const),
    claim: fc.constant('level'),
    op,
    value: fc.integer({ min: 0, max: 2 }),
  }),
);

export const tree: fc.Arbitrary<Tree> = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 2 },
    { weight: 5, arbitrary: leaf },
    { weight: 1, arbitrary: fc.record({ is: fc.constant('not' as const), item: tie('tree') }) },
    {
      weight: 2,
      arbitrary: fc.record({
        is: fc.constantFrom('and' as const, 'or' as const),
        items: fc.array(tie('tree'), { minLength: 2, maxLength: 3 }),
      }),
    },
  ),
})).tree;

/** Returns the text of the rule, as it is in a schema. */
export function write(rule: Tree): string {
  switch (rule.is) {
    case 'role':
      return rule.role;
    case 'literal':
      return `${rule.field}${rule.op}${String(rule.value)}`;
    case 'claim':
      return `${rule.field}${rule.op}$auth.${rule.claim}`;
    case 'auth':
      return `$auth.${rule.claim}${rule.op}${String(rule.value)}`;
    case 'not':
      return `!(${write(rule.item)})`;
    default:
      return `(${rule.items.map(write).join(rule.is === 'and' ? ' & ' : ' | ')})`;
  }
}

/** Evaluates the rule on a record; a comparison that cannot be evaluated denies, even when it is negated. */
export function holds(rule: Tree, who: Who, row: Row, unknown = false): boolean {
  switch (rule.is) {
    case 'role':
      return rule.role === 'authenticated' ? who.sub !== undefined : who.roles.includes(rule.role);
    case 'literal': {
      const same = row[rule.field] === rule.value;
      return rule.op === '==' ? same : !same;
    }
    case 'claim': {
      const claim = who.claims[rule.claim];
      if (claim === undefined || claim === null) return unknown;
      const has = [claim].flat().includes(row[rule.field] as Value);
      return rule.op === '==' ? has : !has;
    }
    case 'auth': {
      const claim = who.claims[rule.claim];
      if (claim === undefined || claim === null) return unknown;
      return rule.op === '==' ? claim === rule.value : claim !== rule.value;
    }
    case 'not':
      return !holds(rule.item, who, row, !unknown);
    case 'and':
      return rule.items.every((item) => holds(item, who, row, unknown));
    case 'or':
      return rule.items.some((item) => holds(item, who, row, unknown));
  }
}

/** Four callers, some without a level and some without friends; the last one is anonymous. */
export const PEOPLE: readonly Who[] = [
  { sub: 'ada', roles: ['editor'], claims: { sub: 'ada', level: 1, friends: ['ben', 'cy'] } },
  { sub: 'ben', roles: ['viewer'], claims: { sub: 'ben', level: 2 } },
  { sub: 'cy', roles: [], claims: { sub: 'cy', friends: 'ada' } },
  { sub: undefined, roles: [], claims: {} },
];

export function principalOf({ sub = '', roles, claims }: Who): Principal {
  return { type: 'principal', sub, roles, claims, expiresAt: undefined };
}
