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
  visibleFields,
} from '../../query/index.ts';
import { ACTIONS, type Action, type FieldPlan, type RuleText, type TablePlan } from '../../schema/plan.ts';

/** A rule is written by whoever writes the schema: these only keep a mistake small. */
const RULE_LIMITS: FilterLimits = {
  filterLength: 8192,
  filterConditions: 100,
  filterDepth: 20,
  filterValues: 200,
  filterPattern: 256,
};

/** Told the place and the sentence of what is wrong with a rule. */
export type ReportRule = (rule: RuleText, message: string) => void;

interface FieldRules {
  readonly field: FieldPlan;
  readonly read: readonly Rule[] | undefined;
  readonly write: readonly Rule[] | undefined;
}

/** What may be done: with every record, with none, or with those that meet the filter. */
export type Permission = boolean | Filter;

/** The rules of one table, parsed; `@access`, `@account` and `public` together. */
export class TableRules {
  readonly table: TablePlan;
  readonly #rules = new Map<Action, readonly Rule[]>();
  readonly #fields: readonly FieldRules[];
  readonly #account: Rule | undefined;
  /** Who may read hears of the same records. */
  readonly hearsAsReads: boolean;

  /** Without `report` the first mistake is thrown. */
  constructor(table: TablePlan, report?: ReportRule) {
    this.table = table;
    for (const action of ACTIONS) {
      const texts = table.access?.rules.get(action);
      if (texts !== undefined) this.#rules.set(action, parseAll(texts, table, action, report));
    }
    // Who may read may also hear, unless it is said otherwise.
    const read = this.#rules.get('read');
    const isSame = !this.#rules.has('subscribe');
    if (read !== undefined && isSame) this.#rules.set('subscribe', read);
    this.hearsAsReads = isSame && table.public.has('read') === table.public.has('subscribe');
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

  /** The roles and claims that an answer can depend on. */
  inputs(): { readonly roles: readonly string[]; readonly claims: readonly ClaimPath[] } {
    const rules = [
      ...this.#rules.values(),
      ...this.#fields.flatMap(({ read = [], write = [] }) => [read, write]),
    ].flat();
    const all = this.#account === undefined ? rules : [...rules, this.#account];
    const inputs = all.map(inputsOf);
    return { roles: inputs.flatMap(({ roles }) => roles), claims: inputs.flatMap(({ claims }) => claims) };
  }

  /** An admin may do everything, with the records of his account if he has one. */
  judge(action: Action, input: RuleInput, isAdmin: boolean): Permission {
    const granted = isAdmin || this.table.public.has(action) || bindAny(this.#rules.get(action), input);
    if (this.#account === undefined || granted === false) return granted;
    const account = bindRule(this.#account, input);
    if (account === false) return isAdmin && !hasClaim(input, this.table) ? granted : false;
    if (account === true || granted === true) return granted === true ? account : granted;
    return both(granted, account) as Filter;
  }

  /** What is shown of the records that may be read. */
  view(input: RuleInput, isAdmin: boolean): TableView | undefined {
    const verdict = this.judge('read', input, isAdmin);
    const filter = typeof verdict === 'object' ? verdict : undefined;
    const masked: ConditionalField[] = [];
    const without = new Set<FieldPlan>();
    for (const { field, read } of isAdmin ? [] : this.#fields) {
      const shows = read === undefined ? true : bindAny(read, input);
      if (shows === false) without.add(field);
      else if (shows !== true) masked.push({ field, filter: shows });
    }
    if (filter === undefined && masked.length === 0 && without.size === 0) return undefined;
    const shown = visibleFields(this.table).filter((field) => !without.has(field));
    const nameable = shown.filter((field) => !masked.some((mask) => mask.field === field));
    return { shown, nameable, masked, ...(filter === undefined ? {} : { filter }) };
  }

  /** The fields that cannot always be written, and in which records they can. */
  unwritable(input: RuleInput, isAdmin: boolean): ReadonlyMap<FieldPlan, false | Filter> {
    const fields = new Map<FieldPlan, false | Filter>();
    for (const { field, write } of isAdmin ? [] : this.#fields) {
      const verdict = write === undefined ? true : bindAny(write, input);
      if (verdict !== true) fields.set(field, verdict);
    }
    return fields;
  }

  /** Whether somebody may hear of some records and not of others. */
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
      return true;
    default:
      return false;
  }
}
