import { AppError, type FieldError } from '../../errors.ts';
import { type ConstraintCheck, compileConstraints } from '../../schema/constraints/validator.ts';
import type { FieldPlan, FieldType, JsonValue, RelationPlan, TablePlan } from '../../schema/plan.ts';
import { recordAt } from '../../store/placed-error.ts';
import type { CellChange } from '../../store/rows/cell-change.ts';
import { RowRules } from '../../store/rows/row-rules.ts';
import type { Cells, PatchCells } from '../../store/rows/write.ts';
import type { Cell, RecordKey } from '../../store/store.ts';
import { keyProblem, newKeyProblem, readKey } from '../key.ts';
import { roundedIn } from './json.ts';
import { isOperation, readOperation } from './operators.ts';
import {
  type Check,
  checkOf,
  isObject,
  reportUnknown,
  roundedProblem,
  summarize,
  type ValueLimits,
  type ValueReport,
} from './values.ts';

interface FieldColumn {
  readonly field: FieldPlan;
  readonly check: Check;
  readonly constrain: ConstraintCheck | undefined;
  readonly toCell: (value: JsonValue) => Cell;
  readonly defaultCell: Cell;
}

export interface RecordLimits extends ValueLimits {
  readonly id: number;
  readonly body: number;
}

/** Parses request bodies as records of one table: checks every field and converts it into a cell. */
export class RecordParser {
  readonly #table: TablePlan;
  readonly #limits: RecordLimits;
  readonly #isImport: boolean;
  readonly #columns: readonly FieldColumn[];
  readonly #indexes: ReadonlyMap<string, number>;
  readonly #relations: ReadonlyMap<string, RelationPlan>;
  readonly #rules: RowRules;

  /** `isImport`: values that the server sets are taken, and results of expressions are ignored. */
  constructor(table: TablePlan, limits: RecordLimits, isImport = false) {
    this.#table = table;
    this.#limits = limits;
    this.#isImport = isImport;
    this.#columns = table.fields.map((field) => makeColumn(field, limits));
    this.#indexes = new Map(table.fields.map((field, index) => [field.name, index]));
    this.#relations = new Map(table.relations.map((relation) => [relation.name, relation]));
    this.#rules = new RowRules(table);
  }

  /**
   * Parses a full record: missing fields get their default or null. Throws VALIDATION_ERROR that names every wrong
   * field.
   */
  parseFull(body: unknown): Cells {
    return this.#parse(body, true, '') as Cells;
  }

  /** Parses some fields of a record; the others stay undefined. An object with an operator is a change of its field. */
  parsePatch(body: unknown): PatchCells {
    return this.#parse(body, false, '');
  }

  /** Parses several full records; each error has its entry of `places` before the field, `[index].` without them. */
  parseBatch(bodies: readonly unknown[], places?: readonly string[]): Cells[] {
    const errors: FieldError[] = [];
    const records: Cells[] = [];
    for (const [index, body] of bodies.entries()) {
      try {
        records.push(this.#parse(body, true, places?.[index] ?? `[${index}].`) as Cells);
      } catch (error) {
        if (!(error instanceof AppError) || error.errors === undefined) throw error;
        errors.push(...error.errors);
        if (errors.length >= MAX_ERRORS) break;
      }
    }
    throwIfAny(errors);
    return records;
  }

  /** Returns the problem of a new record's key with the constraints of the key, or undefined. */
  newKeyProblem(key: RecordKey): string | undefined {
    const { primaryKey, fields } = this.#table;
    let problem: string | undefined;
    const { constrain } = this.#columns[fields.indexOf(primaryKey)] as FieldColumn;
    constrain?.(key, primaryKey.name, (_path, message) => (problem ??= message), true);
    return problem;
  }

  /** Throws VALIDATION_ERROR for names that no record can have, with `place` before them. */
  checkNames(names: readonly string[], place: string): void {
    this.#checkWidth(names);
    const errors: FieldError[] = [];
    this.#reportUnknown(Object.fromEntries(names.map((name) => [name, null])), makeReport(errors, place));
    throwIfAny(errors);
  }

  #checkWidth({ length }: readonly string[]): void {
    if (length <= this.#limits.jsonKeys) return;
    throw new AppError('TOO_WIDE', `An object may have at most ${this.#limits.jsonKeys} keys.`);
  }

  #parse(body: unknown, whole: boolean, prefix: string): PatchCells {
    if (!isObject(body)) {
      const message = `must be a JSON object with the fields of ${this.#table.name}`;
      const field = recordAt(prefix);
      throw new AppError('VALIDATION_ERROR', `The record ${message}.`, { errors: [{ field, message }] });
    }
    const names = Object.keys(body);
    this.#checkWidth(names);
    const errors: FieldError[] = [];
    const report = makeReport(errors, prefix);
    const cells: (Cell | CellChange | undefined)[] = new Array(this.#columns.length).fill(undefined);
    const rounded = roundedIn(body);
    let unknown = false;
    for (const name of names) {
      const index = this.#indexes.get(name);
      if (index === undefined) {
        unknown = true;
        continue;
      }
      const column = this.#columns[index] as FieldColumn;
      if (this.#isImport && column.field.computed !== undefined) continue;
      const wrong = rounded && roundedProblem(column.field.type, rounded.get(name));
      if (wrong === undefined) cells[index] = this.#readCell(column, body[name], whole, report);
      else cells[index] = reportCell(report, name, wrong);
    }
    if (unknown) this.#reportUnknown(body, report);
    if (whole) {
      this.#complete(cells as (Cell | undefined)[], report);
      if (errors.length > 0) this.#reportRules(cells as Cells, errors, report);
    }
    throwIfAny(errors);
    return cells;
  }

  /** Reports the rules that a refused record breaks besides: those whose fields have no error of their own. */
  #reportRules(cells: Cells, errors: readonly FieldError[], report: ValueReport): void {
    const wrong = new Set(
      this.#table.fields.map(({ name }) => name).filter((name) => errors.some(({ field }) => isWithin(field, name))),
    );
    for (const { fields, message } of this.#rules.problemsBeside(cells, wrong, this.#table.fields)) {
      for (const field of fields) report(field, message);
    }
  }

  #reportUnknown(body: Readonly<Record<string, unknown>>, report: ValueReport): void {
    const rest: Record<string, unknown> = Object.create(null);
    for (const [name, value] of Object.entries(body)) {
      const relation = this.#relations.get(name);
      if (relation === undefined) rest[name] = value;
      else report(name, `stands for records of ${relation.target.name}; ${insteadOf(relation)}`);
    }
    reportUnknown(rest, this.#indexes, '', report);
  }

  #readCell(column: FieldColumn, value: unknown, whole: boolean, report: ValueReport): Cell | CellChange {
    const { field, check, constrain, toCell } = column;
    if (field.computed !== undefined) {
      report(field.name, 'is computed from other fields; leave it out');
      return null;
    }
    if (field.stamp !== undefined && !this.#isImport) {
      report(field.name, 'is set by the server; leave it out');
      return null;
    }
    if (value === null) {
      if (field.required) report(field.name, 'must not be null');
      return null;
    }
    if (field.primaryKey) {
      const key = readKey(this.#table, value);
      // PATCH addresses an existing record, so keys that were allowed once are accepted.
      const problem = (whole ? newKeyProblem : keyProblem)(this.#table, key, this.#limits.id);
      if (problem !== undefined) report(field.name, problem);
      else if (whole) constrain?.(key as RecordKey, field.name, report, true);
      return key as Cell;
    }
    if (!whole && isOperation(value, field)) {
      return readOperation(value, { field, check, maxBytes: this.#limits.body }, report) ?? null;
    }
    const checked =
      constrain === undefined ? check(value, field.name, report) : checkConstrained(column, value, report);
    return checked === null ? null : toCell(checked);
  }

  /** Fills in defaults. The key may be missing: it comes from the path, or is generated. */
  #complete(cells: (Cell | undefined)[], report: ValueReport): void {
    for (let i = 0; i < cells.length; i++) {
      if (cells[i] !== undefined) continue;
      const { field, defaultCell } = this.#columns[i] as FieldColumn;
      if (field.primaryKey || field.stamp !== undefined || field.computed !== undefined) continue;
      cells[i] = defaultCell;
      if (field.required && defaultCell === null) report(field.name, 'is required');
    }
  }
}

function checkConstrained({ field, check, constrain }: FieldColumn, value: unknown, report: ValueReport): JsonValue {
  let isWhole = true;
  const checked = check(value, field.name, (path, message) => {
    isWhole = false;
    report(path, message);
  });
  if (checked !== null) constrain?.(checked, field.name, report, isWhole);
  return checked;
}

/** True for the path of a field, or of a part of it: `tags`, `tags[2]`, `address.city`. A prefix may be before it. */
function isWithin(path: string, name: string): boolean {
  const at = path.lastIndexOf(name);
  return at >= 0 && /^(?:$|[.[…])/.test(path.slice(at + name.length));
}

function reportCell(report: ValueReport, name: string, message: string): null {
  report(name, message);
  return null;
}

function insteadOf({ from, to, target }: RelationPlan): string {
  return from === undefined ? `write "${to?.name}" of those records of ${target.name}` : `send ${from.name}`;
}

/** Bounds of an error response: more errors than a person fixes, and longer names than a person wrote, do not help. */
const MAX_ERRORS = 100;
const MAX_NAME_CHARS = 200;

function makeReport(errors: FieldError[], prefix: string): ValueReport {
  return (field, message) => {
    if (errors.length >= MAX_ERRORS) return;
    const name = prefix + field;
    errors.push({ field: name.length > MAX_NAME_CHARS ? `${name.slice(0, MAX_NAME_CHARS)}…` : name, message });
  };
}

function throwIfAny(errors: readonly FieldError[]): void {
  if (errors.length === 0) return;
  throw new AppError('VALIDATION_ERROR', summarize(errors), { errors });
}

function makeColumn(field: FieldPlan, limits: ValueLimits): FieldColumn {
  const check = checkOf(field.type, limits);
  const toCell = cellOf(field.type);
  // The schema has checked the default; this only converts it to its stored form.
  const fallback = field.default ?? null;
  const checked = fallback === null ? null : check(fallback, field.name, () => {});
  return {
    field,
    check,
    constrain: compileConstraints(field),
    toCell,
    defaultCell: checked === null ? null : toCell(checked),
  };
}

function cellOf(type: FieldType): (value: JsonValue) => Cell {
  if (type.kind === 'list' || type.kind === 'object') return (value) => JSON.stringify(value);
  if (type.kind === 'enum') return (value) => value as string;
  switch (type.name) {
    case 'JSON':
      return (value) => JSON.stringify(value);
    case 'Boolean':
      return (value) => (value === true ? 1 : 0);
    case 'Long':
      return (value) => (typeof value === 'string' ? BigInt(value) : (value as number));
    default:
      return (value) => value as Cell;
  }
}
