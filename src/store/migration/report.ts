import type { MigrationStep } from '../../schema/migration/diff.ts';
import { describeType } from '../../schema/migration/stored.ts';
import { compareTypes } from '../../schema/migration/types.ts';
import type { AssessedStep } from './check.ts';

interface RefusedStep extends AssessedStep {
  /** Records of the table; undefined when the table is new. */
  readonly records: number | undefined;
}

export interface MigrationReport {
  readonly file: string;
  readonly impossible: boolean;
  /** Names of all steps that lose data. */
  readonly needed: readonly string[];
}

/** Describes the whole plan for people: each step, the records that it affects, and how to go on. */
export function describeRefusal(steps: readonly RefusedStep[], { file, impossible, needed }: MigrationReport): string {
  return [
    `The schema does not fit what is stored in ${file}. Nothing was changed. The schema asks for:`,
    '',
    ...steps.flatMap((step) => describeStep(step, steps)),
    '',
    ...describeAdvice(impossible, needed),
  ].join('\n');
}

/** Returns the next steps. An allowance does not help while a step is not possible. */
function describeAdvice(impossible: boolean, needed: readonly string[]): string[] {
  if (impossible) return ['Change what is NOT POSSIBLE first. The previous schema still starts.'];
  return [
    'If that is intended, make a copy of the data and allow these steps by their names:',
    `  tablecast start --allow-destructive ${needed.join(',')}`,
  ];
}

const LABELS = { loses: 'LOSES DATA', changes: 'CHANGES VALUES', leaves: 'LEAVES BEHIND', fills: 'FILLS' } as const;

function describeStep({ step, check, records }: RefusedStep, all: readonly RefusedStep[]): string[] {
  if (step.type.endsWith('conflict') && check?.blocker === undefined) return [];
  const sentence = `  ${step.sentence}`;
  if (check?.blocker !== undefined) {
    return [sentence, `    NOT POSSIBLE: ${check.found}`, `    ${check.blocker}`];
  }
  if (check?.effect !== undefined && check.count > 0) {
    return [
      sentence,
      `    ${LABELS[check.effect]}: ${check.found}`,
      ...describeTwin(step),
      ...describeNewNames(step, all),
    ];
  }
  return records === undefined ? [sentence] : [`${sentence} [${records} ${records === 1 ? 'record' : 'records'}]`];
}

function describeTwin(step: MigrationStep): string[] {
  if (step.type !== 'keep-table' || step.twin === undefined) return [];
  const { name } = step.stored;
  return [
    `    ${step.twin.name} is new and has the same fields. If ${name} was renamed, write on ${step.twin.name}:`,
    `      @renamedFrom(name: "${name}")`,
    `    To keep ${name} beside it, leave the type in the schema, without @export. To delete its records, allow it by name.`,
  ];
}

/** Returns the lines to write, where the removed field may be a new one that can hold its values. */
function describeNewNames(dropped: MigrationStep, all: readonly AssessedStep[]): string[] {
  if (dropped.type !== 'drop-column') return [];
  const { table, column } = dropped;
  const fields = all.flatMap(({ step }) => {
    const isNew = (step.type === 'add-column' || step.type === 'add-required-column') && step.table === table;
    if (!isNew || step.field.computed !== undefined) return [];
    return compareTypes(column.type, describeType(step.field.type)) === 'narrows' ? [] : [step.field];
  });
  if (fields.length === 0) return [];
  const names = fields.map(({ name }) => name).join(' or ');
  const isRepeated = fields.some(({ renamedFrom }) => renamedFrom !== undefined);
  return [
    `    If it was renamed to ${names}, write on that field${isRepeated ? ', beside the name that is there' : ''}:`,
    `      @renamedFrom(name: "${column.name}")`,
  ];
}
