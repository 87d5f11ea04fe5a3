import {
  bindRule,
  both,
  type ClaimPath,
  type ConditionalField,
  type Filter,
  type FilterLimits,
  inputsOf,
  parseRule,
  type Rule,
  type RuleInput,
  type TableView,
} from '../../query/index.ts';
import { ACTIONS, type Action, type FieldPlan, type RuleText, type TablePlan } from '../../schema/plan.ts';

/** Limits of a rule. The author of the schema is trusted: these only keep a mistake small. */
export const RULE_LIMITS: FilterLimits = {
  filterLength: 8192,
  filterConditions: 100,
  filterDepth: 20,
  filterValues: 200,
  filterPattern: 256,
};

/** Receives the place of an error in a rule, and its message. */
export type ReportRule = (rule: RuleText, message: string) => void;

interface FieldRules {
  readonly field: FieldPlan;
  readonly read: readonly Rule[] | undefined;
  readonly write: readonly Rule[] | undefined;
}

/** Permission for an action: with every record, with none, or with those that meet the filter. */
export type Permission = boolean | Filter;

/** Parsed rules of one table: `@access`, `@account` and `public` together. */
export class TableRules {
  readonly table: TablePlan;
  readonly #rules = new Map<Action, readonly Rule[]>();
  readonly #fields: readonly FieldRules[];
  readonly #account: Rule | undefined;
  /** True when a caller can subscribe to exactly the records that it can read. */
  readonly subscribesAsReads: boolean;

  /** Without `report` the first error is thrown. */
  constructor(table: TablePlan, report?: ReportRule) {
    this.table = table;
    for (const action of ACTIONS) {
      const texts = table.access?.rules.get(action);
      if (texts !== undefined) this.#rules.set(action, parseAll(texts, table, action, report));
    }
    // Callers that can read can also subscribe, unless a rule says otherwise.
    const read = this.#rules.get('read');
    const isSame = !this.#rules.has('subscribe');
    if (read !== undefined && isSame) this.#rules.set('subscribe', read);
    this.subscribesAsReads = isSame && table.public.has('read') === table.public.has('subscribe');
    this.#fields = table.fields.flatMap((field) => {
      if (field.access === undefined) return [];
      const { read, write } = field.access;
      return [
        {
          field,
          read: read && parseAll(read, table, 'read', report),
          write: write && parseAll(write, table, 'write', report),
        },
      ];
    });
    this.#account = accountRule(table);
  }

  /** Roles and claims that a decision can depend on. */
  inputs(): { readonly roles: readonly string[]; readonly claims: readonly ClaimPath[] } {
    const rules = [
      ...this.#rules.values(),
      ...this.#fields.flatMap(({ read = [], write = [] }) => [read, write]),
    ].flat();
    const all = this.#account === undefined ? rules : [...rules, this.#account];
    const inputs = all.map(inputsOf);
    return { roles: inputs.flatMap(({ roles }) => roles), claims: inputs.flatMap(({ claims }) => claims) };
  }

  /** Decides on an action. An admin may do everything, with the records of its own account if it has one. */
  decide(action: Action, input: RuleInput, isAdmin: boolean): Permission {
    const granted = isAdmin || this.table.public.has(action) || bindAny(this.#rules.get(action), input);
    return this.withinAccount(granted, input, isAdmin);
  }

  /** Limits a permission to the records of the caller's account, where the table has accounts. */
  withinAccount(granted: Permission, input: RuleInput, isAdmin: boolean): Permission {
    if (this.#account === undefined || granted === false) return granted;
    const account = bindRule(this.#account, input);
    if (account === false) return isAdmin && !hasClaim(input, this.table) ? granted : false;
    if (account === true || granted === true) return granted === true ? account : granted;
    return both(granted, account) as Filter;
  }

  /** Returns the fields and records that can be read; undefined for all. */
  view(input: RuleInput, isAdmin: boolean): TableView | undefined {
    const permission = this.decide('read', input, isAdmin);
    const filter = typeof permission === 'object' ? permission : undefined;
    const masked: ConditionalField[] = [];
    const without = new Set<FieldPlan>();
    for (const { field, read } of isAdmin ? [] : this.#fields) {
      const permission = read === undefined ? true : bindAny(read, input);
      if (permission === false) without.add(field);
      else if (permission !== true) masked.push({ field, filter: permission });
    }
    if (filter === undefined && masked.length === 0 && without.size === 0) return undefined;
    const readable = this.table.visibleFields.filter((field) => !without.has(field));
    const nameable = readable.filter((field) => !masked.some((mask) => mask.field === field));
    return { readable, nameable, masked, ...(filter === undefined ? {} : { filter }) };
  }

  /** Fields that cannot always be written, with the records in which they can. */
  unwritable(input: RuleInput, isAdmin: boolean): ReadonlyMap<FieldPlan, false | Filter> {
    const fields = new Map<FieldPlan, false | Filter>();
    for (const { field, write } of isAdmin ? [] : this.#fields) {
      const permission = write === undefined ? true : bindAny(write, input);
      if (permission !== true) fields.set(field, permission);
    }
    return fields;
  }

  /** True when some caller can subscribe to some records and not to others. */
  get isByRecord(): boolean {
    const rules = [...(this.#rules.get('read') ?? []), ...(this.#rules.get('subscribe') ?? [])];
    return this.#account !== undefined || rules.some(looksAtRecord);
  }
}

function parseAll(
  texts: readonly RuleText[],
  table: TablePlan,
  title: string,
  report: ReportRule | undefined,
): readonly Rule[] {
  return texts.flatMap((rule) => {
    try {
      return [parseRule(rule.text, table, RULE_LIMITS, title)];
    } catch (error) {
      if (report === undefined || !(error instanceof Error)) throw error;
      report(rule, error.message);
      return [];
    }
  });
}

function accountRule({ access }: TablePlan): Rule | undefined {
  if (access?.account === undefined) return undefined;
  const { field, claim } = access.account;
  return {
    type: 'field',
    path: { name: field.name, fields: [field] },
    operator: { type: 'equal', negated: false, strict: false },
    operands: [{ claim: claim.split('.') }],
    limits: RULE_LIMITS,
  };
}

/** Absent rules grant nothing. */
function bindAny(rules: readonly Rule[] | undefined, input: RuleInput): Permission {
  if (rules === undefined) return false;
  return bindRule({ type: 'or', items: rules }, input);
}

function hasClaim({ claims }: RuleInput, { access }: TablePlan): boolean {
  const claim = access?.account?.claim;
  const [first = ''] = claim?.split('.') ?? [];
  return Object.hasOwn(claims, first) && claims[first] !== null;
}

function looksAtRecord(rule: Rule): boolean {
  switch (rule.type) {
    case 'and':
    case 'or':
      return rule.items.some(looksAtRecord);
    case 'not':
      return looksAtRecord(rule.item);
    case 'field':
    case 'filter':
    case 'related':
    case 'exists':
      return true;
    default:
      return false;
  }
}
