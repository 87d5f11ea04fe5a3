import type { MigrationStep } from '../../schema/migration/diff.ts';
import { describeType } from '../../schema/migration/stored.ts';
import type { FieldPlan } from '../../schema/plan.ts';
import { RowRules } from '../rows/row-rules.ts';
import type { Cell } from '../store.ts';
import type { MigrationCheck } from './check.ts';
import { cellText } from './kept-value.ts';

const MAX_EXAMPLES = 3;
const MAX_EXAMPLE_CHARS = 40;

export type CheckingStep = Extract<MigrationStep, { type: 'check-constraint' | 'check-rule' }>;

/** Check of a table's records against one constraint or rule. An engine passes it every record, as it will be stored. */
export class RowScan {
  /** Fields whose cells `add` needs, in this order: the key, and those of the constraint or rule. */
  readonly fields: readonly FieldPlan[];
  readonly #step: CheckingStep;
  readonly #rules: RowRules;
  readonly #examples: string[] = [];
  #count = 0;

  constructor(step: CheckingStep) {
    const { table } = step;
    const isRule = step.type === 'check-rule';
    const used = isRule
      ? step.check.uses.flatMap((name) => table.fields.find((field) => field.name === name) ?? [])
      : [step.field];
    this.#step = step;
    this.fields = [table.primaryKey, ...used];
    // The constraints and rules of other steps are not judged here.
    const [key, ...others] = this.fields.map(plain) as [FieldPlan, ...FieldPlan[]];
    const fields = isRule ? [key, ...others] : [key, { ...(others[0] as FieldPlan), ...constraintsOf(step.field) }];
    this.#rules = new RowRules({ ...table, fields, checks: isRule ? [step.check] : [] });
  }

  /** Checks one record: the cells of `fields`. */
  add(cells: readonly Cell[]): void {
    const [problem] = this.#rules.problemsOf(cells, [1]);
    if (problem === undefined) return;
    this.#count++;
    if (this.#examples.length < MAX_EXAMPLES) this.#examples.push(this.#describe(cells, problem.message));
  }

  result(): MigrationCheck {
    const step = this.#step;
    const count = this.#count;
    if (count === 0) return { step, count, found: '' };
    const records = `${count} ${count === 1 ? 'record breaks' : 'records break'} it`;
    const found = `${records} (${this.#examples.join('; ')}${count > this.#examples.length ? '; …' : ''})`;
    const instead = step.type === 'check-rule' ? 'leave out the rule' : 'loosen the constraint';
    return { step, count, found, blocker: `Change these records first, or ${instead}.` };
  }

  #describe([key = null, ...cells]: readonly Cell[], message: string): string {
    const [{ type }, ...fields] = this.fields as readonly [FieldPlan, ...FieldPlan[]];
    const id = shorten(cellText(key, describeType(type)));
    const values = fields.map((field, index) => {
      const value = shorten(cellText(cells[index] ?? null, describeType(field.type)));
      return this.#step.type === 'check-rule' ? `${field.name} ${value}` : value;
    });
    return this.#step.type === 'check-rule' ? `${id}: ${values.join(', ')}` : `${id}: ${values[0]} ${message}`;
  }
}

/** Returns the field as one that holds values and nothing else. */
function plain({ constraints: _constraints, computed: _computed, ...field }: FieldPlan): FieldPlan {
  return field;
}

function constraintsOf({ constraints }: FieldPlan): Pick<FieldPlan, 'constraints'> {
  return constraints === undefined ? {} : { constraints };
}

function shorten(text: string): string {
  return text.length > MAX_EXAMPLE_CHARS ? `${text.slice(0, MAX_EXAMPLE_CHARS - 1)}…` : text;
}
