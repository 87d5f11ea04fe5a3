import { bindRule } from '../../query/index.ts';
import type { TablePlan } from '../../schema/plan.ts';
import type { Identity } from '../identity.ts';
import { type Access, inputOf } from '../policy/access.ts';
import { ANYONE, ROOM_ACTIONS, type RoomAction, type RoomRule, usesParameter } from './rules.ts';

/** Describes the rules of rooms line by line, for `tablecast check`. */
export function describeRooms(rules: readonly RoomRule[] | undefined, tables: readonly TablePlan[]): readonly string[] {
  if (rules === undefined) return [];
  const hasAccounts = tables.some(({ access }) => access?.account !== undefined);
  const lines = rules.flatMap((rule) => [
    `  ${nameOf(rule)}${hasAccounts && isShared(rule) ? ': callers of all accounts meet here' : ''}`,
    ...ROOM_ACTIONS.map((action) => `    ${action.padEnd(9)}${textOf(rule.texts[action]) || 'admins only'}`),
  ]);
  return ['', 'rooms', ...lines];
}

/** Describes for people what a caller may do with rooms, line by line, with the rules that decide. */
export function explainRooms(
  rules: readonly RoomRule[] | undefined,
  access: Access,
  identity: Identity,
): readonly string[] {
  if (rules === undefined) return [];
  const lines = rules.flatMap((rule) => [
    `  ${nameOf(rule)}`,
    ...ROOM_ACTIONS.map((action) => {
      const { answer, why } = explain(rule, action, { access, identity });
      return `    ${action.padEnd(9)}${answer.padEnd(6)}${why}`.trimEnd();
    }),
  ]);
  return ['', 'rooms', ...lines];
}

function nameOf({ pattern, record }: RoomRule): string {
  return record === undefined
    ? pattern.text
    : `${pattern.text} (${record.table.name} with the key {${record.parameter}})`;
}

/** Describes the rules of rooms for the API documents; empty where the application has none. */
export function describeRoomRules(rules: readonly RoomRule[] | undefined): string {
  if (rules === undefined) return '';
  const lines = rules.map(({ pattern, texts, record }) => {
    const actions = ROOM_ACTIONS.map((action) => `${action} ${quoteRules(texts[action])}`);
    const about = record === undefined ? '' : ` (a record of ${record.table.name})`;
    return `- \`${pattern.text}\`${about}: ${actions.join('; ')}`;
  });
  return `Rooms, and what each action needs; all others are for admins:\n\n${lines.join('\n')}`;
}

function quoteRules(texts: readonly string[]): string {
  return texts.length === 0 ? 'admins' : texts.map((text) => `\`${text}\``).join(' or ');
}

/** True for rooms of which callers of several accounts may be members: neither a record nor the name says whose they are. */
function isShared({ record, texts, rules }: RoomRule): boolean {
  if (record !== undefined) return false;
  return texts.join.includes(ANYONE) || rules.join.some((rule) => !usesParameter(rule));
}

function textOf(texts: readonly string[]): string {
  return texts.join('  or  ');
}

function explain(
  { texts, rules, record }: RoomRule,
  action: RoomAction,
  { access, identity }: { readonly access: Access; readonly identity: Identity },
): { readonly answer: 'yes' | 'some' | 'no'; readonly why: string } {
  const input = inputOf(identity);
  const written = texts[action];
  const isAdmin = access.isAdmin(identity);
  const granted = isAdmin || written.includes(ANYONE);
  const conditions = written.filter((text) => text !== ANYONE);
  const bound = rules[action].map((rule) => (usesParameter(rule) ? 'some' : bindRule(rule, input)));
  const whole = conditions.filter((_, index) => bound[index] === true);
  const partly = conditions.filter((_, index) => bound[index] !== true && bound[index] !== false);
  const permission = granted || whole.length > 0;
  const within = record && access.rulesOf(record.table).withinAccount(permission || partly.length > 0, input, isAdmin);
  if (within === false && (permission || partly.length > 0)) {
    return { answer: 'no', why: `no claim ${record?.table.access?.account?.claim}` };
  }
  const account = typeof within === 'object' ? record?.table.access?.account : undefined;
  const own = account === undefined ? '' : `; ${account.field.name} is $auth.${account.claim}`;
  if (permission) {
    const why = isAdmin ? 'the role of admins' : textOf(granted ? [ANYONE] : whole);
    return { answer: own === '' ? 'yes' : 'some', why: `${why}${own}` };
  }
  if (partly.length > 0) return { answer: 'some', why: `rooms with ${textOf(partly)}${own}` };
  return { answer: 'no', why: written.length === 0 ? 'no rule names it' : `not by ${textOf(written)}` };
}
