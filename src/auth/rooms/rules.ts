import {
  bindRule,
  type Filter,
  inputsOf,
  parseRuleOf,
  ROOM_CLAIM,
  type Rule,
  type RuleInput,
} from '../../query/index.ts';
import type { TablePlan } from '../../schema/plan.ts';
import type { RecordKey } from '../../store/store.ts';
import type { Identity } from '../identity.ts';
import { type Access, inputOf, isView } from '../policy/access.ts';
import { type Permission, RULE_LIMITS } from '../policy/table-rules.ts';
import type { RoomPattern } from './pattern.ts';

/** Actions of a caller on a room: be a member, send to the members, see the list of members. */
export const ROOM_ACTIONS = ['join', 'send', 'presence'] as const;
export type RoomAction = (typeof ROOM_ACTIONS)[number];

/** Rule that grants an action to all callers. */
export const ANYONE = 'anyone';

/** Rules of the rooms whose names fit a pattern. */
export interface RoomRule {
  readonly pattern: RoomPattern;
  /** Table and parameter of the record that the rules are about; undefined for rules about the caller alone. */
  readonly record: { readonly table: TablePlan; readonly parameter: string } | undefined;
  /** Rules as written, of which one has to grant the action; an action without rules is for admins. */
  readonly texts: Readonly<Record<RoomAction, readonly string[]>>;
  readonly rules: Readonly<Record<RoomAction, readonly Rule[]>>;
}

/** Record that a decision depends on. It has to exist; `key` is undefined for a name that no key can have. */
export interface RoomRecord {
  readonly table: TablePlan;
  readonly key: RecordKey | undefined;
}

/** Decision on an action, as far as it can be made without reading records. */
export interface RoomDecision {
  readonly permission: Permission;
  readonly record: RoomRecord | undefined;
}

/** Rights of a member of a room. */
export interface MemberRights {
  readonly join: boolean;
  /** True when the member may see who is in the room. */
  readonly presence: boolean;
}

const DENIED: RoomDecision = { permission: false, record: undefined };
const ALLOWED: RoomDecision = { permission: true, record: undefined };

/** Rules of the rooms of an application, in the order of config.yaml: the first pattern that fits a name decides. */
export class RoomRules {
  readonly rules: readonly RoomRule[];
  readonly #access: Access;

  constructor(rules: readonly RoomRule[], access: Access) {
    this.rules = rules;
    this.#access = access;
  }

  /** Tables whose records the rules are about. */
  get tables(): ReadonlySet<TablePlan> {
    return new Set(this.rules.flatMap(({ record }) => record?.table ?? []));
  }

  /** Decides for a caller. A room that no pattern fits, and an action without rules, are for admins. */
  decide(action: RoomAction, room: string, identity: Identity): RoomDecision {
    if (identity.type === 'server') return ALLOWED;
    // An administrator who only looks joins nothing, under the name of another caller least of all.
    if (isView(identity)) return { permission: false, record: undefined };
    const isAdmin = this.#access.isAdmin(identity);
    for (const rule of this.rules) {
      const parameters = rule.pattern.match(room);
      if (parameters === undefined) continue;
      const input = inputOf(identity);
      const permission = isAdmin ? true : permissionOf(rule, action, { input, parameters });
      if (rule.record === undefined || permission === false) return { permission, record: undefined };
      const { table, parameter } = rule.record;
      return {
        permission: this.#access.rulesOf(table).withinAccount(permission, input, isAdmin),
        record: { table, key: keyOf(table, parameters[parameter] as string) },
      };
    }
    return isAdmin ? ALLOWED : DENIED;
  }
}

/** Permission by one rule, without the account and the existence of the record. */
export function permissionOf(
  { texts, rules }: RoomRule,
  action: RoomAction,
  { input, parameters }: { readonly input: RuleInput; readonly parameters: Readonly<Record<string, string>> },
): Permission {
  if (texts[action].includes(ANYONE)) return true;
  const items = rules[action];
  if (items.length === 0) return false;
  return bindRule({ type: 'or', items }, { ...input, claims: { ...input.claims, [ROOM_CLAIM]: parameters } });
}

/** Parses the rule of an action. Throws INVALID_QUERY with the column. */
export function parseRoomRule(
  text: string,
  title: string,
  { table, parameters }: { readonly table: TablePlan | undefined; readonly parameters: readonly string[] },
): Rule {
  return parseRuleOf({ table, parameters }, text, RULE_LIMITS, title);
}

/** True when the rule compares a parameter of the name. */
export function usesParameter(rule: Rule): boolean {
  return inputsOf(rule).claims.some(([root]) => root === ROOM_CLAIM);
}

/** Filters of decisions, for what has to be watched. */
export function filtersOf(decisions: readonly RoomDecision[]): readonly Filter[] {
  return decisions.flatMap(({ permission }) => (typeof permission === 'object' ? [permission] : []));
}

/** Key of a record in the name of a room: a number has one spelling. */
function keyOf({ primaryKey: { type } }: TablePlan, text: string): RecordKey | undefined {
  const isNumeric = type.kind === 'scalar' && (type.name === 'Int' || type.name === 'Long');
  if (!isNumeric) return text.isWellFormed() ? text : undefined;
  const key = /^(?:0|-?[1-9]\d{0,15})$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(key) ? key : undefined;
}
