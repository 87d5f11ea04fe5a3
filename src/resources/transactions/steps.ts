import type { Identity } from '../../auth/identity.ts';
import { suggest } from '../../config/files/suggest.ts';
import { AppError, invalidField } from '../../errors.ts';
import { atPlace, placeOfStep } from '../../store/placed-error.ts';
import type { Precondition } from '../../store/rows/write.ts';
import { isObject } from '../body/values.ts';
import type { TableResource } from '../table/resource.ts';
import { STEP_OPS, type StepOp } from '../table/types.ts';

/** Step of a transaction as it was sent, with its table. `id` and `data` may refer to earlier steps. */
export interface TransactionStep {
  readonly op: StepOp;
  /** Export name of the table. */
  readonly table: string;
  readonly resource: TableResource;
  readonly id: unknown;
  readonly data: unknown;
  readonly precondition: Precondition | undefined;
  /** Name by which later steps refer to the record. */
  readonly name: string | undefined;
  /** Author of the step, where it is not that of the transaction. */
  readonly identity?: Identity;
}

interface StepShape {
  readonly id: 'required' | 'optional' | 'none';
  readonly data: boolean;
  readonly condition: 'required' | 'optional' | 'none';
}

const SHAPES: Readonly<Record<StepOp, StepShape>> = {
  create: { id: 'none', data: true, condition: 'none' },
  put: { id: 'optional', data: true, condition: 'optional' },
  patch: { id: 'required', data: true, condition: 'optional' },
  delete: { id: 'required', data: false, condition: 'optional' },
  publish: { id: 'optional', data: true, condition: 'none' },
  check: { id: 'required', data: false, condition: 'required' },
};

const MEMBERS: readonly string[] = ['op', 'table', 'id', 'data', 'if_seq', 'as'];
const NAME = /^[A-Za-z_][\w-]{0,63}$/;

export interface StepScope {
  /** Tables that the caller can name. */
  readonly resources: ReadonlyMap<string, TableResource>;
  readonly maxSteps: number;
}

/** Reads the steps of a transaction. Throws VALIDATION_ERROR that names the step. */
export function parseSteps(steps: unknown, scope: StepScope): readonly TransactionStep[] {
  if (!Array.isArray(steps) || steps.length === 0) throw invalidField('steps', 'must be a list of at least one step');
  if (steps.length > scope.maxSteps) {
    throw tooManySteps(steps.length, scope.maxSteps);
  }
  const names = new Set<string>();
  return steps.map((step: unknown, index) =>
    atPlace(placeOfStep(index), () => {
      const parsed = parseStep(step, scope);
      if (parsed.name === undefined) return parsed;
      if (names.has(parsed.name))
        throw invalidField('as', `${JSON.stringify(parsed.name)} is the name of an earlier step`);
      names.add(parsed.name);
      return parsed;
    }),
  );
}

function parseStep(step: unknown, { resources }: StepScope): TransactionStep {
  if (!isObject(step)) throw new AppError('VALIDATION_ERROR', 'A step is an object.');
  const unknown = Object.keys(step).find((name) => !MEMBERS.includes(name));
  if (unknown !== undefined)
    throw invalidField(unknown.slice(0, 100), `is not a property of a step; it has ${MEMBERS.join(', ')}`);
  const op = STEP_OPS.find((name) => name === step.op);
  if (op === undefined) throw invalidField('op', `must be one of ${STEP_OPS.join(', ')}`);
  const table = typeof step.table === 'string' ? step.table : '';
  const resource = resources.get(table);
  if (resource === undefined) throw unknownTable(step.table, resources);
  checkShape(step, op);
  return {
    op,
    table,
    resource,
    id: step.id ?? undefined,
    data: step.data,
    precondition: parseCondition(step.if_seq),
    name: parseName(step.as),
  };
}

function checkShape(step: Record<string, unknown>, op: StepOp): void {
  const { id, data, condition } = SHAPES[op];
  const has = (name: string) => step[name] !== undefined;
  const missing = (name: string) => invalidField(name, `is required for ${op}`);
  const surplus = (name: string, why = '') => invalidField(name, `is not for ${op}${why}`);
  if (id === 'none' && has('id')) throw surplus('id', ': a key of your own is a field of data');
  if (id === 'required' && (step.id ?? undefined) === undefined) throw missing('id');
  if (data && !has('data')) throw missing('data');
  if (!data && has('data')) throw surplus('data');
  if (condition === 'none' && has('if_seq')) throw surplus('if_seq');
  if (condition === 'required' && !has('if_seq')) throw missing('if_seq');
  if (has('as') && op === 'publish') throw surplus('as', ': it makes no record');
}

/** Reads `if_seq`: the record's seq, or null for a record that must not exist. */
function parseCondition(seq: unknown): Precondition | undefined {
  if (seq === undefined) return undefined;
  if (seq === null) return 'none';
  if (Number.isSafeInteger(seq) && Number(seq) >= 0) return [Number(seq)];
  throw invalidField('if_seq', 'must be the seq of the record, or null if it must not exist');
}

function parseName(name: unknown): string | undefined {
  if (name === undefined) return undefined;
  if (typeof name === 'string' && NAME.test(name)) return name;
  throw invalidField('as', 'must be a name of 1 to 64 letters, digits, "_" and "-", first a letter or "_"');
}

function unknownTable(table: unknown, resources: ReadonlyMap<string, unknown>): AppError {
  if (typeof table !== 'string') return invalidField('table', 'must be the name of a table');
  const meant = suggest(table, resources.keys());
  const name = JSON.stringify(table.slice(0, 100));
  return invalidField('table', `there is no table ${name} at this address${meant === undefined ? '' : `; ${meant}`}`);
}

export function tooManySteps(steps: number, maxSteps: number): AppError {
  const message = `There are ${steps} steps, and a transaction has at most ${maxSteps} (limits.transaction).`;
  return new AppError('BAD_REQUEST', message);
}
