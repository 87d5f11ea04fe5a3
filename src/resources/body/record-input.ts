import { v7 as uuidv7 } from 'uuid';
import type { Identity } from '../../auth/identity.ts';
import { AppError, invalidField } from '../../errors.ts';
import type { TablePlan } from '../../schema/plan.ts';
import { atPlace, type Place } from '../../store/placed-error.ts';
import type { Cells, RecordKey } from '../../store/store.ts';
import type { CallerPermissions } from '../caller-permissions.ts';
import { isNumeric, keyProblem, stepProblem } from '../key.ts';
import { BatchBody, type PlacedRecord } from './batch-body.ts';
import { type RecordLimits, RecordParser } from './record-parser.ts';

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
    return this.#parser.parseFull(this.#rights.withAccount(identity, body));
  }

  /** Parses some fields of a record; the others stay undefined. Throws as `parseFull`. */
  parsePatch(identity: Identity, body: unknown): Cells {
    this.#rights.checkFields(identity, body);
    return this.#parser.parsePatch(body);
  }

  /** Parses several full records. Throws as `parseFull`, for all of them together. */
  parseBatch(identity: Identity, bodies: readonly unknown[] | BatchBody): PlacedCells[] {
    const sent =
      bodies instanceof BatchBody ? this.#rows(bodies) : bodies.map((value, at) => ({ value, place: `[${at}].` }));
    const places = sent.map(({ place }) => place);
    const values = sent.map(({ value, place }) => atPlace(place, () => this.#rights.withAccount(identity, value)));
    const records = this.#parser.parseBatch(values, places);
    return records.map((cells, at) => ({ cells, place: places[at] as Place }));
  }

  /**
   * Returns the key, and the cells with it: the key of the URL, the record's own, or a new one. Throws VALIDATION_ERROR
   * when two differ.
   */
  withKey(id: RecordKey | undefined, cells: Cells): [RecordKey, Cells] {
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
    return [key, keyed];
  }

  /** Like `withKey`, for a record that may be created. Also throws INVALID_ID for a key that no new record can have. */
  withNewKey(id: RecordKey | undefined, cells: Cells): [RecordKey, Cells] {
    const keyed = this.withKey(id, cells);
    this.checkNew(keyed[0]);
    return keyed;
  }

  /** Throws INVALID_ID for a key that only an existing record can have. */
  checkNew(key: RecordKey): void {
    throwInvalid(stepProblem(key));
  }

  /**
   * Returns the record's own key, else that of the URL, which may be undefined. Throws VALIDATION_ERROR when they
   * differ.
   */
  ownKey(id: RecordKey | undefined, cells: Cells): RecordKey | undefined {
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
