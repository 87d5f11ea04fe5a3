import { type MigrationStep, stepName } from '../../schema/migration/diff.ts';
import type { PreviewedStep } from '../engine.ts';
import type { Allowance } from '../store.ts';

/** Effect of one step of a migration on the stored records. */
export interface MigrationCheck {
  readonly step: MigrationStep;
  /** Number of records, or for a unique index of values, that the step would change or lose, or that prevent it. */
  readonly count: number;
  /** Number of records and a few examples, for people. */
  readonly found: string;
  /** Effect on them: lost, changed to another value, left in a table without a type, or filled in. */
  readonly effect?: 'loses' | 'changes' | 'leaves' | 'fills';
  /** Advice, where the step cannot be made even when losing data is allowed. */
  readonly blocker?: string;
}

/** Step of a migration with its effect. */
export interface AssessedStep {
  readonly step: MigrationStep;
  /** Undefined for a step that can neither fail nor lose anything. */
  readonly check: MigrationCheck | undefined;
}

export interface MigrationAssessment {
  /** True when no allowance would make the migration possible. */
  readonly impossible: boolean;
  /** Names of the steps that lose data. */
  readonly needed: readonly string[];
  /** Those of them that are not allowed. */
  readonly losing: readonly string[];
}

/** Returns the assessment of a migration: it is made where it is possible and loses only what it may. */
export function judge(assessed: readonly AssessedStep[], allowed: Allowance): MigrationAssessment {
  const impossible = assessed.some(({ check }) => check?.blocker !== undefined);
  const needed = assessed.flatMap(({ step, check }) => (isLoss(check) ? (stepName(step) ?? []) : []));
  return { impossible, needed, losing: needed.filter((name) => !isAllowed(allowed, name)) };
}

/** Returns the names that an allowance lists. */
export function namesOf(allowed: Allowance): readonly string[] {
  return typeof allowed === 'boolean' ? [] : allowed;
}

function isAllowed(allowed: Allowance, name: string): boolean {
  return typeof allowed === 'boolean' ? allowed : allowed.includes(name);
}

/** True when the step loses or changes stored values. */
function isLoss(check: MigrationCheck | undefined): boolean {
  if (check?.effect === undefined || check.blocker !== undefined) return false;
  return check.effect !== 'fills' && check.count > 0;
}

/** Returns the steps that a migration makes, and those that prevent it, with their effects. */
export function previewSteps(assessed: readonly AssessedStep[]): readonly PreviewedStep[] {
  return assessed.filter(isShown).map(previewStep);
}

/** False for conflicts of names that concern no record. */
function isShown({ step, check }: AssessedStep): boolean {
  const isConflict = step.type === 'rename-conflict' || step.type === 'rename-table-conflict';
  return !isConflict || check?.blocker !== undefined;
}

function previewStep({ step, check }: AssessedStep): PreviewedStep {
  const { type, sentence } = step;
  const name = stepName(step);
  const base = { type, ...(name === undefined ? {} : { name }), sentence };
  if (check?.blocker !== undefined) {
    const { count: records, found, blocker: advice } = check;
    return { ...base, effect: 'impossible', records, found, advice };
  }
  if (check?.effect === undefined || check.count === 0) return { ...base, effect: 'keeps', records: 0 };
  return { ...base, effect: check.effect, records: check.count, found: check.found };
}

export type ReferenceStep = Extract<MigrationStep, { type: 'check-reference' }>;

/** Records whose key is that of no record: their number, and some as `"c1": "b9"`. */
export interface DanglingKeys {
  readonly count: number;
  readonly examples: readonly string[];
}

/** Returns the check of a step that takes stored keys for references. */
export function danglingCheck(step: ReferenceStep, { count, examples }: DanglingKeys): MigrationCheck {
  if (count === 0) return { step, count, found: '' };
  const { field, target } = step.reference;
  const records = `${count} ${count === 1 ? 'record has' : 'records have'} a key of no record of ${target.name}`;
  const found = `${records} (${examples.join(', ')}${count > examples.length ? ', …' : ''})`;
  const other = field.required ? 'delete them' : 'set the key to null';
  return { step, count, found, blocker: `Change these records first, ${other}, or leave out onDelete.` };
}

type ColumnConflict = Extract<MigrationStep, { type: 'rename-conflict' }>;
type TableConflict = Extract<MigrationStep, { type: 'rename-table-conflict' }>;
/** Values or records under the earlier name. */
type Found = Pick<MigrationCheck, 'count' | 'found'>;

/** Returns the check of a field whose present name and earlier name are both stored. */
export function columnConflict(step: ColumnConflict, values: Found): MigrationCheck {
  const { field, table } = step;
  if (values.count === 0) return { step, ...values };
  const blocker = `Both are stored, and only one can be ${field.name}. Remove @renamedFrom to keep the values of ${table.name}.${field.name}.`;
  return { step, ...values, blocker };
}

/** Returns the check of a table whose present name and earlier name are both stored. */
export function tableConflict(step: TableConflict, records: Found): MigrationCheck {
  const { left, table } = step;
  if (records.count === 0) return { step, ...records };
  const line = `@table(database: "${left.database}", table: "${left.table}")`;
  const blocker = [
    `Both are stored, and only one can be ${table.name}. Remove @renamedFrom to go on with the records of ${table.name};`,
    `or write ${line} in its place to go on with those of ${left.name}.`,
  ];
  return { step, ...records, found: `${records.found} of ${left.name}`, blocker: blocker.join('\n    ') };
}
