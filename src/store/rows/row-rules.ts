import { AppError, type FieldError } from '../../errors.ts';
import { compileCheck } from '../../schema/constraints/read-check.ts';
import { type ConstraintCheck, compileConstraints } from '../../schema/constraints/validator.ts';
import type { CheckPlan, FieldPlan, TablePlan } from '../../schema/plan.ts';
import { isServerSet } from '../../schema/sdl/field.ts';
import type { Cell } from '../store.ts';
import { jsonOfCell, toValue } from './cell-value.ts';

/** Error of a record: its fields, and the reason for all of them. */
export interface RowProblem {
  readonly fields: readonly string[];
  readonly message: string;
}

/** Fields that the operators of a patch have changed, by index, and the errors of those that they could not change. */
export interface AppliedChanges {
  readonly indexes: readonly number[];
  readonly problems: readonly RowProblem[];
}

export const UNCHANGED: AppliedChanges = { indexes: [], problems: [] };

interface FieldRule {
  readonly index: number;
  readonly field: FieldPlan;
  readonly check: ConstraintCheck;
}

interface RecordRule {
  readonly check: CheckPlan;
  readonly indexes: readonly number[];
  /** False only where the rule is broken: null is unknown, and holds. */
  holds(row: readonly (Cell | undefined)[]): boolean;
}

/** Constraints and rules of a table on rows: those that only the whole row after a write can answer. */
export class RowRules {
  readonly #fields: ReadonlyMap<number, FieldRule>;
  /** Computed fields with constraints. */
  readonly #computed: readonly FieldRule[];
  readonly #records: readonly RecordRule[];
  readonly #isNeeded: boolean;

  constructor(table: TablePlan) {
    const fields = table.fields.flatMap((field, index) => {
      const check = compileConstraints(field);
      return check === undefined ? [] : [{ index, field, check }];
    });
    this.#fields = new Map(fields.map((rule) => [rule.index, rule]));
    this.#computed = fields.filter(({ field }) => field.computed !== undefined);
    this.#records = table.checks.map((check) => recordRule(check, table));
    this.#isNeeded = this.#computed.length > 0 || this.#records.length > 0;
  }

  /**
   * Checks a row after a write, in its transaction. Throws VALIDATION_ERROR with every problem; `changes` are the operators
   * that were applied to it, whose results the request could not be checked for.
   */
  check(row: readonly Cell[], { indexes, problems }: AppliedChanges = UNCHANGED): void {
    if (!this.#isNeeded && indexes.length === 0 && problems.length === 0) return;
    const wrong = new Set(problems.flatMap(({ fields }) => fields));
    const all = [...problems, ...this.problemsOf(row, indexes, wrong)];
    if (all.length > 0) throw rowError(all);
  }

  /** Returns the problems of a whole row. `indexes`: fields whose constraints are judged, besides the computed ones. */
  problemsOf(row: readonly Cell[], indexes: readonly number[], wrong: ReadonlySet<string> = NONE): RowProblem[] {
    const problems: RowProblem[] = [];
    const rules = indexes.flatMap((index) => this.#fields.get(index) ?? []);
    for (const rule of [...rules, ...this.#computed]) problems.push(...fieldProblems(rule, row));
    for (const rule of this.#records) {
      const { uses } = rule.check;
      if (!uses.some((name) => wrong.has(name)) && !rule.holds(row)) problems.push(describeRule(rule.check));
    }
    return problems;
  }

  /** Returns the errors of the rules whose fields the request has, and has without an error. For a record that is refused. */
  problemsBeside(cells: readonly (Cell | undefined)[], wrong: ReadonlySet<string>, fields: readonly FieldPlan[]) {
    const isKnown = (index: number) => {
      const field = fields[index] as FieldPlan;
      return cells[index] !== undefined && !isServerSet(field) && !wrong.has(field.name);
    };
    const known = this.#records.filter(({ indexes }) => indexes.every(isKnown));
    return known.filter((rule) => !rule.holds(cells)).map(({ check }) => describeRule(check));
  }
}

const NONE: ReadonlySet<string> = new Set();

function fieldProblems({ index, field, check }: FieldRule, row: readonly Cell[]): RowProblem[] {
  const problems: RowProblem[] = [];
  const report = (path: string, message: string) => problems.push({ fields: [path], message });
  check(jsonOfCell(row[index] ?? null, field.type), field.name, report, true);
  return problems;
}

function recordRule(check: CheckPlan, table: TablePlan): RecordRule {
  const { uses, run } = compileCheck(check, table);
  const used = uses.map((name) => {
    const index = table.fields.findIndex((field) => field.name === name);
    return { index, type: (table.fields[index] as FieldPlan).type };
  });
  return {
    check,
    indexes: used.map(({ index }) => index),
    holds: (row) => run(used.map(({ index, type }) => toValue(row[index] ?? null, type))) !== false,
  };
}

function describeRule({ uses, rule, message }: CheckPlan): RowProblem {
  return { fields: uses, message: message ?? `must meet the rule ${rule}` };
}

/** Returns an error for each field of each problem. */
export function fieldErrors(problems: readonly RowProblem[]): FieldError[] {
  return problems.flatMap(({ fields, message }) => fields.map((field) => ({ field, message })));
}

const MAX_SUMMARY_PROBLEMS = 3;
const MAX_ERRORS = 100;

/** VALIDATION_ERROR with every problem of one record. */
export function rowError(problems: readonly RowProblem[]): AppError {
  const first = problems
    .slice(0, MAX_SUMMARY_PROBLEMS)
    .map(({ fields, message }) => `${fields.join(', ')}: ${message}`);
  const more = problems.length - first.length;
  const summary = `${first.join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
  return new AppError('VALIDATION_ERROR', summary, { errors: fieldErrors(problems).slice(0, MAX_ERRORS) });
}
