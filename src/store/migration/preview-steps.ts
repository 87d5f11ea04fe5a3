import { stepName } from '../../schema/migration/diff.ts';
import type { PreviewedStep } from '../engine.ts';
import type { AssessedStep } from './check.ts';

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
