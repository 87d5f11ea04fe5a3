import type { Identity } from '../auth/identity.ts';
import type { Access } from '../auth/policy/access.ts';
import { fieldRefusal } from '../auth/policy/guard.ts';
import { type JsonRecord, predicateOf, type TableView } from '../query/index.ts';
import type { Action, TablePlan } from '../schema/plan.ts';
import type { WriteCheck, WriteOutcome } from '../store/store.ts';
import { copyRounded } from './body/json.ts';
import { isObject } from './body/values.ts';

/** Applies a caller's rights to its writes to one table: before, in and after their transaction. */
export class CallerPermissions {
  readonly #table: TablePlan;
  readonly #access: Access;

  constructor(table: TablePlan, access: Access) {
    this.#table = table;
    this.#access = access;
  }

  /**
   * Throws unless the caller may do one of these actions with some record; the returned check decides for the record.
   */
  guard(identity: Identity, actions: readonly Action[]): WriteCheck | undefined {
    const access = this.#access;
    const possible = actions.some((action) => access.decide(this.#table, action, identity) !== false);
    if (!possible) throw access.refusal(this.#table, actions[0] as Action, identity);
    return access.guardOf(this.#table, identity, actions);
  }

  /** Sets the caller's account in a new record that names none. Throws as `refuseFields`. */
  withAccount(identity: Identity, body: unknown): unknown {
    this.checkFields(identity, body);
    const account = this.#table.access?.account;
    if (account === undefined || identity.type !== 'principal' || !isObject(body)) return body;
    if (Object.hasOwn(body, account.field.name)) return body;
    const own = identity.claims[account.claim];
    if (typeof own !== 'string' && typeof own !== 'number') return body;
    const record = { ...body, [account.field.name]: own };
    copyRounded(body, record);
    return record;
  }

  /** Throws FORBIDDEN when the body has a field that the caller may not write. */
  checkFields(identity: Identity, body: unknown): void {
    if (!isObject(body)) return;
    for (const [field, permission] of this.#access.unwritable(this.#table, identity)) {
      // The check in the transaction does not see hidden fields.
      if ((permission === false || field.hidden) && Object.hasOwn(body, field.name))
        throw fieldRefusal(this.#table, field);
    }
  }

  /** Returns the indexes of the fields that the caller may never write: a PUT without them does not replace them. */
  unwritableIndexes(identity: Identity): readonly number[] | undefined {
    const fields = this.#access.unwritable(this.#table, identity);
    if (fields.size === 0) return undefined;
    const unwritable = [...fields].filter(([field, permission]) => permission === false || field.hidden);
    return unwritable.map(([field]) => this.#table.fields.indexOf(field));
  }

  /** Returns the outcomes with the fields and records that the writer can read. */
  redact(identity: Identity, outcomes: readonly WriteOutcome[]): readonly WriteOutcome[] {
    const access = this.#access;
    if (access.decide(this.#table, 'read', identity) === false) {
      return outcomes.map((outcome) => redactOutcome(outcome, this.#table, 'nothing'));
    }
    const view = access.viewOf(identity)?.of(this.#table);
    return view === undefined ? outcomes : outcomes.map((outcome) => redactOutcome(outcome, this.#table, view));
  }
}

/** Reduces a record, as JSON text, to the readable fields; undefined when the record is not readable. */
export function redactRecord(json: string, { readable, masked, filter }: TableView): string | undefined {
  const record = JSON.parse(json) as JsonRecord;
  if (filter !== undefined && !predicateOf(filter)(record)) return undefined;
  const hidden = masked.filter((mask) => !predicateOf(mask.filter)(record)).map(({ field }) => field);
  const names = readable.filter((field) => !hidden.includes(field)).map(({ name }) => name);
  return JSON.stringify(Object.fromEntries(names.map((name) => [name, record[name] ?? null])));
}

/** Reduces an outcome to the fields that the writer can read; to the key where the record is not readable. */
export function redactOutcome(outcome: WriteOutcome, table: TablePlan, view: TableView | 'nothing'): WriteOutcome {
  if (outcome.json === '' || outcome.id === null) return outcome;
  const json = view === 'nothing' ? undefined : redactRecord(outcome.json, view);
  return { ...outcome, json: json ?? JSON.stringify({ [table.primaryKey.name]: outcome.id }) };
}
