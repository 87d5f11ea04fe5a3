import { relative } from 'node:path';
import { describeAuth } from '../config/auth.ts';
import type { AppConfig, Config } from '../config/config.ts';
import { formatDuration } from '../config/keys/units.ts';
import { formatHost, isPrivate, isSecure } from '../config/loopback.ts';
import { ownPath } from '../config/reserved-paths.ts';
import { AUDIT_NAME } from './names.ts';
import {
  ACTIONS,
  type CompositeIndexPlan,
  type FieldPlan,
  type OnDelete,
  type Plan,
  type RelationPlan,
  type RuleText,
  type TablePlan,
  type TransportName,
} from './plan.ts';
import { formatType } from './sdl/types.ts';

const TRANSPORT_LABELS: Readonly<Record<TransportName, string>> = { rest: 'REST', sse: 'SSE', ws: 'WebSocket' };

/** Describes the plan for people, line by line: stored names, URLs and access. */
export function describePlan(plan: Plan, { server, app }: Config): readonly string[] {
  const http = `${isSecure(server) ? 'https' : 'http'}://${formatHost(server.host)}:${server.port}`;
  const count = `${plan.tables.length} ${plan.tables.length === 1 ? 'table' : 'tables'}`;
  return [
    `${plan.appId}: ${count} in ${app.dataDir} (durability ${app.durability})`,
    ...describeWeb(app, `${http}/${plan.appId}/`),
    ...(app.realtime.enabled
      ? [`  realtime ${http}/${plan.appId}${app.realtime.path}/ws and /subscribe: many tables over one connection`]
      : []),
    ...(app.docs ? [`  docs     ${http}/${plan.appId}/_/docs, openapi.json and asyncapi.json beside it`] : []),
    ...(typeof app.auth === 'object' ? [`  auth     ${describeAuth(app.auth)}`] : []),
    ...describeAudit(plan, { server, app }, `${http}${ownPath(plan.appId, AUDIT_NAME)}`),
    ...(app.hooks.length === 0 ? [] : [`  hooks    ${app.hooks.map((path) => relative(app.dir, path)).join(', ')}`]),
    ...plan.tables.flatMap((table) => ['', ...describeTable(table, `${http}/${plan.appId}`)]),
  ];
}

function describeWeb(app: AppConfig, url: string): string[] {
  return app.web === undefined ? [] : [`  files    ${url} from ${app.web}`];
}

function describeAudit({ tables }: Plan, { server, app: { auth, audit } }: Config, url: string): string[] {
  if (!tables.some(({ audited }) => audited)) return [];
  const others = isPrivate(server)
    ? 'for every caller on this machine'
    : 'denied to all callers, since there is no auth';
  const readers = typeof auth === 'object' ? `for the role ${auth.adminRole}` : others;
  return [`  audit    ${url} ${readers}; kept ${formatDuration(audit.retention)}, ${audit.maxCount} entries at most`];
}

function describeTable(table: TablePlan, base: string): string[] {
  const fields = table.fields.map(({ name, type, required }) => `${name}: ${formatType(type)}${required ? '!' : ''}`);
  return [
    `${table.name}`,
    `  stored   ${table.database}.${table.table}, primary key ${table.primaryKey.name}`,
    `  fields   ${fields.join(', ')}`,
    ...table.fields.flatMap(describeComputed),
    ...table.compositeIndexes.map(describeIndex),
    ...describeFulltext(table),
    ...table.relations.flatMap((relation) => describeRelation(relation, table)),
    ...describeEndpoints(table, base),
    ...describeRemoval(table),
    ...(table.audited ? ['  audited  every change is in the audit log'] : []),
  ];
}

function describeIndex({ fields, unique }: CompositeIndexPlan): string {
  return `  index    ${fields.map(({ name }) => name).join(', ')}${unique ? ', unique' : ''}`;
}

function describeComputed({ name, computed }: FieldPlan): string[] {
  return computed === undefined ? [] : [`  computed ${name} = ${computed.from.trim().replace(/\s+/g, ' ')}`];
}

function describeFulltext({ fields }: TablePlan): string[] {
  const names = fields.filter(({ fulltext }) => fulltext).map(({ name }) => name);
  return names.length === 0 ? [] : [`  words    ${names.join(', ')}`];
}

/** Action on a record when the one that it refers to is deleted. */
const EFFECTS: Readonly<Record<OnDelete, string>> = {
  CASCADE: 'is deleted with it',
  SET_NULL: 'has null when it is deleted',
  RESTRICT: 'keeps it from being deleted',
};

function describeRelation(relation: RelationPlan, { references }: TablePlan): string[] {
  const { name, target, many, from, to } = relation;
  const type = many ? `[${target.name}]` : target.name;
  const end = to === undefined ? `by its own ${from?.name}` : `by ${target.name}.${to.name}`;
  const kept = references.find((reference) => reference.field === from && reference.target === target);
  const effect = kept === undefined || to !== undefined ? '' : `, which is checked; ${EFFECTS[kept.onDelete]}`;
  const line = `  related  ${name}: ${type} ${end}${effect}`;
  if (to === undefined || to.indexed || to.unique || to.primaryKey) return [line];
  // An index cannot look into a list, so that there is nothing to recommend.
  const hint = to.type.kind === 'list' ? '' : '; add @indexed there';
  return [line, `  note     looking up ${name} reads every record of ${target.name}${hint}`];
}

function describeEndpoints(table: TablePlan, base: string): string[] {
  if (table.exportName === undefined) return ['  no URL   it has no @export'];
  const url = `${base}/${table.exportName}`;
  const lines: Readonly<Record<TransportName, string>> = {
    rest: `  REST     ${url} and ${url}/{id}`,
    sse: `  SSE      ${url}?stream=sse and ${url}/{id}?stream=sse`,
    ws: `  WS       ${url.replace(/^http/, 'ws')} and ${url.replace(/^http/, 'ws')}/{id}`,
  };
  const anyone = ACTIONS.filter((action) => table.public.has(action));
  return [
    ...[...table.transports].map((transport) => lines[transport]),
    ...describeSwitchedOff(table).map((sentence) => `  off      ${sentence}`),
    `  anyone   ${anyone.length === 0 ? 'nothing' : anyone.join(', ')}`,
    ...describeAccess(table),
  ];
}

function describeAccess({ access, fields }: TablePlan): string[] {
  const account = access?.account;
  return [
    ...[...(access?.rules ?? [])].map(([action, rules]) => `  ${action.padEnd(9)}${describeRules(rules)}`),
    ...(account === undefined ? [] : [`  account  ${account.field.name} is $auth.${account.claim}`]),
    ...fields.flatMap(({ name, defaultClaim }) =>
      defaultClaim === undefined ? [] : [`  default  ${name} is $auth.${defaultClaim}, set by the server`],
    ),
    ...fields.flatMap(({ name, access: own = {} }) =>
      Object.entries(own).map(([action, rules]) => `  field    ${name}: ${action} ${describeRules(rules)}`),
    ),
  ];
}

function describeRules(rules: readonly RuleText[]): string {
  return rules.length === 0 ? 'denied to all' : rules.map(({ text }) => text).join('  or  ');
}

/** Returns a sentence for each transport that an exported table does not have; the start-up log prints them, too. */
export function describeSwitchedOff(table: TablePlan): readonly string[] {
  return table.switchedOff.map(({ transport, by }) => `${TRANSPORT_LABELS[transport]} of ${table.name} is off: ${by}`);
}

function describeRemoval(table: TablePlan): string[] {
  const field = table.fields.find(({ expiresAt }) => expiresAt);
  const rules = [
    ...(table.expiration === undefined ? [] : [`${formatDuration(table.expiration)} after the last change`]),
    ...(field === undefined ? [] : [`when ${field.name} has passed`]),
  ];
  return rules.length === 0 ? [] : [`  removed  ${rules.join(', or ')}`];
}
