import { bindRule, parseRule, type RuleInput } from '../../query/index.ts';
import { ACTIONS, type Plan, type RuleText, type TablePlan } from '../../schema/plan.ts';
import type { Identity } from '../identity.ts';
import { type Access, inputOf } from './access.ts';
import { type Permission, RULE_LIMITS } from './table-rules.ts';

/** Describes for people what a caller may do with each exported table, line by line, with the rules that decide. */
export function explainAccess({ tables }: Plan, access: Access, identity: Identity): readonly string[] {
  return tables.flatMap((table) => {
    if (table.exportName === undefined) return [];
    return ['', table.name, ...explainActions(table, access, identity), ...explainFields(table, access, identity)];
  });
}

function answerOf(permission: Permission): 'yes' | 'some' | 'no' {
  return typeof permission === 'object' ? 'some' : permission ? 'yes' : 'no';
}

function line(name: string, permission: Permission, why: string): string {
  return `  ${name.padEnd(10)}${answerOf(permission).padEnd(6)}${why}`.trimEnd();
}

function explainActions(table: TablePlan, access: Access, identity: Identity): string[] {
  const input = inputOf(identity);
  return ACTIONS.map((action) => {
    const permission = access.decide(table, action, identity);
    const own = table.access?.rules.get(action);
    const rules = own ?? (action === 'subscribe' ? table.access?.rules.get('read') : undefined);
    const { account } = table.access ?? {};
    const isOwn = account === undefined ? '' : `${account.field.name} is $auth.${account.claim}`;
    if (access.isAdmin(identity))
      return line(action, permission, ['the role of admins', isOwn].filter(Boolean).join('; '));
    if (table.public.has(action)) return line(action, permission, 'public');
    if (rules === undefined) return line(action, permission, 'no rule names it');
    const granted = bindAll(rules, table, input);
    const why = explainRules(rules, { table, input, permission: granted });
    // The account decides besides.
    const besides = permission === false && granted !== false ? `but no claim ${account?.claim}` : isOwn;
    return line(action, permission, [why, granted === false ? '' : besides].filter(Boolean).join('; '));
  });
}

function explainFields(table: TablePlan, access: Access, identity: Identity): string[] {
  const input = inputOf(identity);
  const lines = table.fields.flatMap((field) => {
    if (field.hidden) return [`  ${field.name}: read no, @hidden`];
    if (access.isAdmin(identity)) return [];
    return Object.entries(field.access ?? {}).map(([action, rules]: [string, readonly RuleText[]]) => {
      const permission = bindAll(rules, table, input);
      return `  ${field.name}: ${action} ${answerOf(permission)}, ${explainRules(rules, { table, input, permission })}`;
    });
  });
  const claimed = access.claimedBy(table, identity);
  for (const [field, value] of claimed?.fields ?? [])
    lines.push(`  ${field.name}: set to ${JSON.stringify(value)} in new records, $auth.${field.defaultClaim}`);
  return lines;
}

interface Explained {
  readonly table: TablePlan;
  readonly input: RuleInput;
  readonly permission: Permission;
}

/** Returns the rules that grant something; all of them when none does. */
function explainRules(rules: readonly RuleText[], { table, input, permission }: Explained): string {
  if (rules.length === 0) return 'denied to all';
  const texts = (granting: readonly RuleText[]) => granting.map(({ text }) => text).join('  or  ');
  if (permission === false) return `not by ${texts(rules)}`;
  const whole = rules.filter((rule) => bindAll([rule], table, input) === true);
  if (whole.length > 0) return texts(whole);
  return `records with ${texts(rules.filter((rule) => bindAll([rule], table, input) !== false))}`;
}

function bindAll(rules: readonly RuleText[], table: TablePlan, input: RuleInput): Permission {
  const items = rules.map(({ text }) => parseRule(text, table, RULE_LIMITS, 'rule'));
  return bindRule({ type: 'or', items }, input);
}
