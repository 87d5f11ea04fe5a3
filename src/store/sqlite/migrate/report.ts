import type { MigrationStep } from '../../../schema/migration/diff.ts';
import type { Concern } from './checks.ts';

export interface RefusedStep {
  readonly step: MigrationStep;
  /** Undefined for a step that can neither fail nor lose anything. */
  readonly concern: Concern | undefined;
  /** Records of the table; undefined when the table is new. */
  readonly records: number | undefined;
}

export interface Refusal {
  readonly file: string;
  readonly impossible: boolean;
  readonly losing: boolean;
}

/** The whole plan for people: each step, whom it concerns, and how to go on. */
export function describeRefusal(steps: readonly RefusedStep[], { file, impossible, losing }: Refusal): string {
  return [
    `The schema does not fit what is stored in ${file}. Nothing was changed. The schema asks for:`,
    '',
    ...steps.flatMap(describeStep),
    '',
    ...(isRename(steps) ? ['A field under a new name is a new field: keep the old name to keep its values.'] : []),
    ...(impossible ? ['What is not possible has to be mended first; the previous schema still starts.'] : []),
    ...(losing
      ? ['If the loss is meant, make a copy of the data and allow it: tablecast start --allow-destructive']
      : []),
  ].join('\n');
}

function describeStep({ step, concern, records }: RefusedStep): string[] {
  const sentence = `  ${step.sentence}`;
  if (concern?.obstacle !== undefined) {
    return [sentence, `    NOT POSSIBLE: ${concern.found}`, `    ${concern.obstacle}`];
  }
  if (step.destructive && concern !== undefined) return [sentence, `    LOSES DATA: ${concern.found}`];
  return records === undefined ? [sentence] : [`${sentence} [${records} ${records === 1 ? 'record' : 'records'}]`];
}

function isRename(steps: readonly RefusedStep[]): boolean {
  const types = new Set(steps.map(({ step }) => step.type));
  return types.has('drop-column') && (types.has('add-column') || types.has('add-required-column'));
}
