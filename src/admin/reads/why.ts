import type { FastifyRequest } from 'fastify';
import { ANONYMOUS, type Identity } from '../../auth/identity.ts';
import { inputOf } from '../../auth/policy/access.ts';
import { type Permission, RULE_LIMITS } from '../../auth/policy/table-rules.ts';
import type { RelatedTest } from '../../query/index.ts';
import { bindRule, compilePredicate, type JsonRecord, makeQueryError, parseRule } from '../../query/index.ts';
import { ACTIONS, type Action, type RuleText, type TablePlan } from '../../schema/plan.ts';
import { settleRelated } from '../../store/rows/related.ts';
import type { AdminApp } from '../admin-hooks.ts';
import { publicName, readId, readParameters, requireTable } from '../parameters.ts';
import { describeCallerIn } from '../view-as.ts';

const NAMES = ['table', 'id', 'action', 'as'] as const;

/** Verdict of the rules: `some` where it depends on the record, and none is named. */
type Decision = 'yes' | 'no' | 'some';

interface Judged {
  readonly app: AdminApp;
  readonly table: TablePlan;
  readonly identity: Identity;
  /** Record that rules are judged by; undefined for none. */
  readonly record: JsonRecord | undefined;
  readonly related: RelatedTest;
}

/**
 * Answers what a caller may do with a table or a record, and which rules decide. The caller is `as`, JSON with `sub`,
 * `roles` and `claims`; anonymous without it. Throws INVALID_QUERY or INVALID_ID.
 */
export async function tellWhy(request: FastifyRequest, app: AdminApp): Promise<object> {
  const { application, server } = app;
  const given = readParameters(request, NAMES);
  const table = requireTable(application.plan, given.get('table'));
  const actions = readActions(given.get('action'));
  const identity = readCaller(given.get('as'));
  const id = readId(table, given.get('id'), server.limits);
  const found = id === undefined ? undefined : await application.records.get(table, id);
  const record = found && (JSON.parse(found.json) as JsonRecord);
  const head = { table: publicName(table), ...(id === undefined ? {} : { id, exists: found !== undefined }) };
  return settleRelated(application.records, table, (related) => {
    const judged = { app, table, identity, record, related };
    return { ...head, actions: Object.fromEntries(actions.map((action) => [action, judgeAction(judged, action)])) };
  });
}

function judgeAction(judged: Judged, action: Action): object {
  const { app, table, identity } = judged;
  const { access } = app.application;
  const { access: own } = table;
  const rules = own?.rules.get(action) ?? (action === 'subscribe' ? own?.rules.get('read') : undefined);
  const account = own?.account;
  return {
    allowed: decisionOf(judged, access.decide(table, action, identity)),
    by: access.isAdmin(identity) ? 'admin' : table.public.has(action) ? 'public' : rules === undefined ? null : 'rules',
    rules: (rules ?? []).map((rule) => ({ rule: rule.text, holds: decisionOf(judged, bind(judged, rule)) })),
    ...(account === undefined ? {} : { account: `${account.field.name} is $auth.${account.claim}` }),
  };
}

function bind({ table, identity }: Judged, { text }: RuleText): Permission {
  return bindRule(parseRule(text, table, RULE_LIMITS, 'rule'), inputOf(identity));
}

function decisionOf({ record, related }: Judged, permission: Permission): Decision {
  if (typeof permission === 'boolean') return permission ? 'yes' : 'no';
  if (record === undefined) return 'some';
  return compilePredicate(permission)(record, related) ? 'yes' : 'no';
}

function readActions(text: string | undefined): readonly Action[] {
  if (text === undefined) return ACTIONS;
  const action = ACTIONS.find((it) => it === text);
  if (action === undefined) throw makeQueryError('action', `there are ${ACTIONS.join(', ')}`);
  return [action];
}

/** Reads a caller from JSON. Throws INVALID_QUERY. */
function readCaller(text: string | undefined): Identity {
  if (text === undefined) return ANONYMOUS;
  const caller = describeCallerIn(parseJson(text));
  if (typeof caller === 'string') throw makeQueryError('as', caller);
  return { type: 'principal', ...caller, expiresAt: undefined };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
