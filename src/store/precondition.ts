import { conditionFailed } from '../errors.ts';
import type { Precondition } from './store.ts';

/** Throws PRECONDITION_FAILED unless a record at `seq` meets the condition; undefined stands for no record, no condition. */
export function checkPrecondition(seq: number | undefined, precondition: Precondition | undefined): void {
  if (precondition === undefined) return;
  const holds =
    precondition === 'none'
      ? seq === undefined
      : seq !== undefined && (precondition === 'any' || precondition.includes(seq));
  if (!holds) throw conditionFailed(seq);
}
