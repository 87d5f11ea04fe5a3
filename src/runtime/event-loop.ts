/**
 * What one turn of the event loop does once its sockets are read, in the order that serves clients best: first it
 * commits what they have brought, so that writers are answered, then it goes on with deliveries and with reading the log.
 */

interface Waiting {
  readonly immediate: NodeJS.Immediate;
  /** It has let commits go first already: writers that never rest must not keep it waiting for ever. */
  readonly hasYielded: boolean;
}

/** Tasks of the second kind that wait for the end of this turn. */
const waiting = new Map<() => void, Waiting>();

/** Runs `task` in this turn, in front of everything that was given to `afterCommits`. */
export function beforeDelivery(task: () => void): void {
  setImmediate(task);
  // Each goes to the end of the line, and keeps an immediate of its own: writers are answered in between.
  for (const [later, { immediate, hasYielded }] of waiting) {
    if (hasYielded) continue;
    clearImmediate(immediate);
    enqueue(later, true);
  }
}

/** True when something waits for the commits of this turn. */
export function isDelivering(): boolean {
  return waiting.size > 0;
}

/** Runs `task` in this turn, or in the next one when this one has ended; once, however often it is asked for. */
export function afterCommit(task: () => void): void {
  if (!waiting.has(task)) enqueue(task, false);
}

function enqueue(task: () => void, hasYielded: boolean): void {
  const immediate = setImmediate(() => {
    waiting.delete(task);
    task();
  });
  waiting.set(task, { immediate, hasYielded });
}
