import { createHash } from 'node:crypto';
import { AppError } from '../../errors.ts';
import type { ClaimPath, Filter, ReadPolicy, RuleInput, TableView } from '../../query/index.ts';
import type { Action, JsonValue, Plan, TablePlan } from '../../schema/plan.ts';
import type { WriteCheck } from '../../store/rows/write.ts';
import { unauthorized } from '../auth-errors.ts';
import type { Identity } from '../identity.ts';
import { type ClaimedFields, claimedFields, makeGuard } from './guard.ts';
import { type Permission, type ReportRule, TableRules } from './table-rules.ts';

export interface AccessOptions {
  /** True when callers can authenticate: an anonymous one is then asked to. */
  readonly secured: boolean;
  /** Role that bypasses the rules. */
  readonly adminRole?: string | undefined;
}

/** Reports every error in the rules of these tables. */
export function checkRules(tables: readonly TablePlan[], report: ReportRule): void {
  for (const table of tables) new TableRules(table, report);
}

const ANONYMOUS_INPUT: RuleInput = { authenticated: false, roles: [], claims: {} };

/**
 * Permissions of one caller, computed on demand and cached: with the caches a GET by id with a rule costs 1.44 times one
 * without instead of 1.81 times (row "CPU per GET by id" of the benchmark).
 */
class CallerRights implements ReadPolicy {
  readonly key: string;
  readonly isAdmin: boolean;
  readonly input: RuleInput;
  readonly #access: Access;
  readonly #claimed = new Map<TablePlan, ClaimedFields | undefined>();
  readonly #views = new Map<TablePlan, TableView | undefined>();
  readonly #permissions = new Map<TablePlan, Partial<Record<Action, Permission>>>();
  readonly #unwritable = new Map<TablePlan, ReturnType<TableRules['unwritable']>>();

  constructor(access: Access, input: RuleInput, isAdmin: boolean, key: string) {
    this.#access = access;
    this.input = input;
    this.isAdmin = isAdmin;
    this.key = key;
  }

  of(table: TablePlan): TableView | undefined {
    if (!this.#views.has(table)) this.#views.set(table, this.#access.rulesOf(table).view(this.input, this.isAdmin));
    return this.#views.get(table);
  }

  claimed(table: TablePlan): ClaimedFields | undefined {
    if (!this.#claimed.has(table)) this.#claimed.set(table, claimedFields(table, this.input));
    return this.#claimed.get(table);
  }

  unwritable(table: TablePlan): ReturnType<TableRules['unwritable']> {
    let fields = this.#unwritable.get(table);
    if (fields === undefined) {
      fields = this.#access.rulesOf(table).unwritable(this.input, this.isAdmin);
      this.#unwritable.set(table, fields);
    }
    return fields;
  }

  decide(table: TablePlan, action: Action): Permission {
    const rules = this.#access.rulesOf(table);
    // Returns the same filter object, so that it is checked once.
    if (action === 'subscribe' && rules.subscribesAsReads) return this.decide(table, 'read');
    let permissions = this.#permissions.get(table);
    if (permissions === undefined) {
      permissions = {};
      this.#permissions.set(table, permissions);
    }
    permissions[action] ??= rules.decide(action, this.input, this.isAdmin);
    return permissions[action];
  }
}

/** Access control: every decision about a caller's rights is made here. */
export class Access {
  readonly #options: AccessOptions;
  readonly #rules: ReadonlyMap<TablePlan, TableRules>;
  /** True when no decision depends on the caller. */
  readonly #isPlain: boolean;
  readonly #roles: ReadonlySet<string>;
  readonly #claims: readonly ClaimPath[];
  /** Tables with fields that the server sets to claims. */
  readonly #claiming: ReadonlySet<TablePlan>;
  readonly #rights = new WeakMap<Identity, CallerRights>();

  constructor({ tables }: Pick<Plan, 'tables'>, options: AccessOptions) {
    this.#options = options;
    this.#claiming = new Set(
      tables.filter(({ fields }) => fields.some(({ defaultClaim }) => defaultClaim !== undefined)),
    );
    this.#rules = new Map(tables.map((table) => [table, new TableRules(table)]));
    const inputs = [...this.#rules.values()].map((rules) => rules.inputs());
    this.#roles = new Set(inputs.flatMap(({ roles }) => roles));
    this.#claims = inputs.flatMap(({ claims }) => claims);
    this.#isPlain = tables.every((table) => table.access === undefined && !table.fields.some((field) => field.access));
  }

  rulesOf(table: TablePlan): TableRules {
    const rules = this.#rules.get(table);
    if (rules === undefined) throw new Error(`The table ${table.name} is not of this plan.`);
    return rules;
  }

  /**
   * Checks that the caller may do this with some record of the table. Returns the filter that a record must meet, or
   * undefined for every record. Throws FORBIDDEN, or UNAUTHORIZED for an anonymous caller that could authenticate.
   */
  check(table: TablePlan, action: Action, identity: Identity): Filter | undefined {
    const permission = this.decide(table, action, identity);
    if (permission === true) return undefined;
    if (permission === false) throw this.refusal(table, action, identity);
    return permission;
  }

  /**
   * Checks that the caller may read these tables, also where their records appear only inside others. Throws as
   * `check`.
   */
  checkReads(tables: ReadonlySet<TablePlan>, identity: Identity): void {
    for (const table of tables) this.check(table, 'read', identity);
  }

  decide(table: TablePlan, action: Action, identity: Identity): Permission {
    if (identity.type === 'server') return true;
    if (isView(identity) && !READING.has(action)) return false;
    if (this.#isPlain && table.public.has(action)) return true;
    return this.#rightsOf(identity).decide(table, action);
  }

  /** Returns the caller's read policy; undefined when every field and record that is not hidden is readable. */
  viewOf(identity: Identity): ReadPolicy | undefined {
    return this.#isPlain || identity.type === 'server' ? undefined : this.#rightsOf(identity);
  }

  /** Returns the check of a write in its transaction; undefined when nothing depends on the record. */
  guardOf(table: TablePlan, identity: Identity, actions: readonly Action[]): WriteCheck | undefined {
    if (identity.type === 'server') return undefined;
    const claimed = this.claimedBy(table, identity);
    const isOpen = this.#isPlain && !isView(identity) && actions.every((action) => table.public.has(action));
    if (claimed === undefined && isOpen) return undefined;
    const decide = (action: Action) => this.decide(table, action, identity);
    const fields = this.#isPlain ? NO_FIELDS : this.unwritable(table, identity);
    return makeGuard(table, {
      actions,
      decide,
      fields,
      claimed: claimed?.isFree === false ? claimed.fields : undefined,
      refusal: (action) => this.refusal(table, action, identity),
    });
  }

  /**
   * Fields that the server sets to claims of the caller in its new records; undefined where there are none. Admins may set
   * them themselves (`isFree`).
   */
  claimedBy(
    table: TablePlan,
    identity: Identity,
  ): { readonly fields: ClaimedFields; readonly isFree: boolean } | undefined {
    if (identity.type === 'server' || !this.#claiming.has(table)) return undefined;
    const rights = this.#rightsOf(identity);
    const fields = rights.claimed(table);
    return fields && { fields, isFree: rights.isAdmin };
  }

  /** Fields that the caller cannot always write, with the records in which it can. */
  unwritable(table: TablePlan, identity: Identity): ReturnType<TableRules['unwritable']> {
    if (this.#isPlain || identity.type === 'server') return NO_FIELDS;
    return this.#rightsOf(identity).unwritable(table);
  }

  /**
   * Throws unless the caller has the admin role and can read every record of every table, which an admin of one account
   * cannot: FORBIDDEN, or UNAUTHORIZED for an anonymous caller.
   */
  checkAdmin(what: string, identity: Identity): void {
    if (identity.type === 'server') return;
    if (identity.type === 'anonymous' && this.#options.secured) throw notWithoutCredentials(what);
    if (!this.#rightsOf(identity).isAdmin || isView(identity)) {
      throw new AppError(
        'FORBIDDEN',
        `Not allowed: ${what}. It is for the role ${this.#options.adminRole ?? 'admin'}.`,
      );
    }
    if ([...this.#rules.keys()].some((table) => this.decide(table, 'read', identity) !== true)) {
      throw new AppError('FORBIDDEN', `Not allowed: ${what}. It is for admins that are not limited to one account.`);
    }
  }

  /** True for a caller with the role that bypasses the rules. */
  isAdmin(identity: Identity): boolean {
    return identity.type !== 'server' && this.#rightsOf(identity).isAdmin;
  }

  refusal(table: TablePlan, action: Action, identity: Identity): AppError {
    const what = `${action} on ${table.exportName ?? table.name}`;
    if (isView(identity) && !READING.has(action)) {
      return new AppError('FORBIDDEN', `Not allowed: ${what}. A view token only reads.`);
    }
    return this.refusalOf(
      what,
      identity,
      "It is granted by the table's @access, or to all callers by public of @export.",
    );
  }

  /** FORBIDDEN, or UNAUTHORIZED for an anonymous caller that could authenticate. `granted` is a sentence for the others. */
  refusalOf(what: string, identity: Identity, granted: string): AppError {
    // RFC 9110 §15.5.2: the caller may be allowed after it has authenticated.
    if (identity.type === 'anonymous' && this.#options.secured) return notWithoutCredentials(what);
    return new AppError('FORBIDDEN', `Not allowed: ${what}. ${granted}`);
  }

  #rightsOf(identity: Identity): CallerRights {
    let rights = this.#rights.get(identity);
    if (rights === undefined) {
      const input = inputOf(identity);
      const { adminRole } = this.#options;
      const isAdmin = adminRole !== undefined && input.roles.includes(adminRole);
      rights = new CallerRights(this, input, isAdmin, this.#keyOf(input, isAdmin));
      this.#rights.set(identity, rights);
    }
    return rights;
  }

  /** Key that is equal for callers that all rules treat alike. */
  #keyOf(input: RuleInput, isAdmin: boolean): string {
    if (input === ANONYMOUS_INPUT) return '';
    const roles = input.roles.filter((role) => this.#roles.has(role)).toSorted();
    const inputs = [isAdmin, roles, this.#claims.map(([first = '']) => input.claims[first] ?? null)];
    return createHash('sha256').update(JSON.stringify(inputs)).digest('base64url').slice(0, 22);
  }
}

function notWithoutCredentials(what: string): AppError {
  return unauthorized(`Not allowed without credentials: ${what}.`);
}

const NO_FIELDS: ReturnType<TableRules['unwritable']> = new Map();

/** Actions that a view token is for. */
const READING: ReadonlySet<Action> = new Set(['read', 'subscribe']);

/** True for an administrator who reads as another caller. */
export function isView(identity: Identity): boolean {
  return identity.type === 'principal' && identity.isView === true;
}

/** Returns what rules know of a caller. */
export function inputOf(identity: Identity): RuleInput {
  if (identity.type !== 'principal') return ANONYMOUS_INPUT;
  const { sub, roles, claims } = identity;
  return { authenticated: true, roles, claims: { ...claims, sub, roles: roles as JsonValue } };
}
