import { v7 as uuidv7 } from 'uuid';
import type { Identity } from '../../auth/identity.ts';
import type { Access } from '../../auth/policy/access.ts';
import { claimedRefusal, fieldRefusal } from '../../auth/policy/guard.ts';
import { AppError, invalidField } from '../../errors.ts';
import { compilePredicate, type JsonRecord, type RelatedTest, type TableView } from '../../query/index.ts';
import type { Action, TablePlan } from '../../schema/plan.ts';
import { atPlace, type Place } from '../../store/placed-error.ts';
import { settleRelated } from '../../store/rows/related.ts';
import type { Cells, PatchCells, WriteCheck } from '../../store/rows/write.ts';
import type { Awaitable, RecordKey, RelatedReader, WriteOutcome } from '../../store/store.ts';
import { isNumeric, keyProblem, stepProblem } from '../key.ts';
import { BatchBody, type PlacedRecord } from './batch-body.ts';
import { copyRounded } from './json.ts';
import { type RecordLimits, RecordParser } from './record-parser.ts';
import { isObject } from './values.ts';

/** Applies a caller's rights to its writes to one table: before, in and after their transaction. */
export class CallerPermissions {
  readonly #table: TablePlan;
  readonly #access: Access;
  readonly #store: RelatedReader;

  constructor(table: TablePlan, { access, store }: { readonly access: Access; readonly store: RelatedReader }) {
    this.#table = table;
    this.#access = access;
    this.#store = store;
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

  /** Sets what the server knows of the caller in a new record that does not have it. Throws as `checkFields`. */
  withClaims(identity: Identity, body: unknown): unknown {
    const record = this.#withAccount(identity, body);
    const claimed = this.#access.claimedBy(this.#table, identity);
    if (claimed === undefined || !isObject(record)) return record;
    const missing = [...claimed.fields].filter(([{ name }, value]) => value !== null && !Object.hasOwn(record, name));
    if (missing.length === 0) return record;
    const filled = { ...record, ...Object.fromEntries(missing.map(([{ name }, value]) => [name, value])) };
    copyRounded(record, filled);
    return filled;
  }

  /** Sets the caller's account in a new record that names none. */
  #withAccount(identity: Identity, body: unknown): unknown {
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
    const claimed = this.#access.claimedBy(this.#table, identity);
    for (const field of claimed?.isFree === false ? claimed.fields.keys() : []) {
      if (field.hidden && Object.hasOwn(body, field.name)) throw claimedRefusal(this.#table, field);
    }
  }

  /**
   * Returns the indexes of the fields that a PUT does not replace: those that the caller may never write, and those that
   * the server sets and that are not in the body.
   */
  keptIndexes(identity: Identity, body: unknown): readonly number[] | undefined {
    const fields = this.#access.unwritable(this.#table, identity);
    const claimed = this.#access.claimedBy(this.#table, identity);
    if (fields.size === 0 && claimed === undefined) return undefined;
    const unwritable = [...fields].filter(([field, permission]) => permission === false || field.hidden);
    const kept = [...(claimed?.fields.keys() ?? [])].filter(
      ({ name }) => !isObject(body) || !Object.hasOwn(body, name),
    );
    return [...unwritable.map(([field]) => field), ...kept].map((field) => this.#table.fields.indexOf(field));
  }

  /** Returns the outcomes with the fields and records that the writer can read. */
  redact(identity: Identity, outcomes: readonly WriteOutcome[]): Awaitable<readonly WriteOutcome[]> {
    const access = this.#access;
    if (access.decide(this.#table, 'read', identity) === false) {
      return outcomes.map((outcome) => redactOutcome(outcome, this.#table, 'nothing'));
    }
    const view = access.viewOf(identity)?.of(this.#table);
    if (view === undefined) return outcomes;
    const table = this.#table;
    return settleRelated(this.#store, table, (related) =>
      outcomes.map((outcome) => redactOutcome(outcome, table, view, related)),
    );
  }
}

/** Reduces a record, as JSON text, to the readable fields; undefined when the record is not readable. */
export function redactRecord(
  json: string,
  { readable, masked, filter }: TableView,
  related?: RelatedTest,
): string | undefined {
  const record = JSON.parse(json) as JsonRecord;
  if (filter !== undefined && !compilePredicate(filter)(record, related)) return undefined;
  const hidden = masked.filter((mask) => !compilePredicate(mask.filter)(record, related)).map(({ field }) => field);
  const names = readable.filter((field) => !hidden.includes(field)).map(({ name }) => name);
  return JSON.stringify(Object.fromEntries(names.map((name) => [name, record[name] ?? null])));
}

/** Reduces an outcome to the fields that the writer can read; to the key where the record is not readable. */
export function redactOutcome(
  outcome: WriteOutcome,
  table: TablePlan,
  view: TableView | 'nothing',
  related?: RelatedTest,
): WriteOutcome {
  if (outcome.json === '' || outcome.id === null) return outcome;
  const json = view === 'nothing' ? undefined : redactRecord(outcome.json, view, related);
  return { ...outcome, json: json ?? JSON.stringify({ [table.primaryKey.name]: outcome.id }) };
}

/** Cells of one record among several, with its place in the request. */
export interface PlacedCells {
  readonly cells: Cells;
  readonly place: Place;
}

/** Converts the records of requests to one table into cells with a key, after checking rights and schema. */
export class RecordInput {
  readonly #table: TablePlan;
  readonly #limits: RecordLimits;
  readonly #rights: CallerPermissions;
  readonly #parser: RecordParser;

  constructor(table: TablePlan, limits: RecordLimits, rights: CallerPermissions) {
    this.#table = table;
    this.#limits = limits;
    this.#rights = rights;
    this.#parser = new RecordParser(table, limits);
  }

  /** Parses a full record. Throws VALIDATION_ERROR, and FORBIDDEN for a field that the caller may not write. */
  parseFull(identity: Identity, body: unknown): Cells {
    return this.#parser.parseFull(this.#rights.withClaims(identity, body));
  }

  /** Parses some fields of a record; the others stay undefined. Throws as `parseFull`. */
  parsePatch(identity: Identity, body: unknown): PatchCells {
    this.#rights.checkFields(identity, body);
    return this.#parser.parsePatch(body);
  }

  /** Parses several full records. Throws as `parseFull`, for all of them together. */
  parseBatch(identity: Identity, bodies: readonly unknown[] | BatchBody): PlacedCells[] {
    const sent =
      bodies instanceof BatchBody ? this.#rows(bodies) : bodies.map((value, at) => ({ value, place: `[${at}].` }));
    const places = sent.map(({ place }) => place);
    const values = sent.map(({ value, place }) => atPlace(place, () => this.#rights.withClaims(identity, value)));
    const records = this.#parser.parseBatch(values, places);
    return records.map((cells, at) => ({ cells, place: places[at] as Place }));
  }

  /**
   * Returns the key, and the cells with it: the key of the URL, the record's own, or a new one. Throws VALIDATION_ERROR
   * when two differ.
   */
  withKey<C extends PatchCells>(id: RecordKey | undefined, cells: C): [RecordKey, C] {
    const table = this.#table;
    const index = table.fields.indexOf(table.primaryKey);
    const own = cells[index] as RecordKey | undefined;
    if (id !== undefined && own !== undefined && own !== id) throw wrongKey(table, id);
    const key = id ?? own ?? this.#makeKey();
    this.#checkKey(key);
    if (own === key) return [key, cells];
    // `with` of arrays is ten times slower.
    const keyed = [...cells];
    keyed[index] = key;
    return [key, keyed as PatchCells as C];
  }

  /** Like `withKey`, for a record that may be created. Also throws INVALID_ID for a key that no new record can have. */
  withNewKey(id: RecordKey | undefined, cells: Cells): [RecordKey, Cells] {
    const keyed = this.withKey(id, cells);
    this.checkNew(keyed[0]);
    return keyed;
  }

  /** Throws INVALID_ID for a key that only an existing record can have, and VALIDATION_ERROR for its constraints. */
  checkNew(key: RecordKey): void {
    throwInvalid(stepProblem(key));
    const problem = this.#parser.newKeyProblem(key);
    if (problem !== undefined) throw invalidField(this.#table.primaryKey.name, problem);
  }

  /**
   * Returns the record's own key, else that of the URL, which may be undefined. Throws VALIDATION_ERROR when they
   * differ.
   */
  ownKey(id: RecordKey | undefined, cells: PatchCells): RecordKey | undefined {
    const table = this.#table;
    const own = cells[table.fields.indexOf(table.primaryKey)] as RecordKey | undefined;
    if (own === undefined) return id;
    this.#checkKey(own);
    if (id !== undefined && own !== id) throw wrongKey(table, id);
    return own;
  }

  #rows(rows: BatchBody): readonly PlacedRecord[] {
    const { header } = rows;
    if (header !== undefined) this.#parser.checkNames(header.names, header.place);
    return rows.records(this.#table);
  }

  #checkKey(key: RecordKey): void {
    throwInvalid(keyProblem(this.#table, key, this.#limits.id));
  }

  #makeKey(): RecordKey {
    if (!isNumeric(this.#table)) return uuidv7();
    throw invalidField(this.#table.primaryKey.name, 'is required: numbers are not made by the server');
  }
}

function throwInvalid(problem: string | undefined): void {
  if (problem !== undefined) throw new AppError('INVALID_ID', `The id ${problem}.`);
}

function wrongKey({ primaryKey }: TablePlan, id: RecordKey): AppError {
  return invalidField(primaryKey.name, `must be ${JSON.stringify(id)}, the id of the address`);
}
