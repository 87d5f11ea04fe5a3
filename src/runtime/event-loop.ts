/**
 * Order of work in one turn of the event loop, once its sockets are read: first the commit of the writes that arrived, so
 * that writers are answered, then deliveries and reading the log.
 */

interface DeferredTask {
  readonly immediate: NodeJS.Immediate;
  /** True when commits went first once already: a steady stream of writes must not delay the task without end. */
  readonly hasYielded: boolean;
}

/** Tasks of `afterCommit` that wait for the end of this turn. */
const deferred = new Map<() => void, DeferredTask>();

/** Runs `task` in this turn, before everything that was passed to `afterCommit`. */
export function beforeDelivery(task: () => void): void {
  setImmediate(task);
  // Each goes to the end of the queue with an immediate of its own: writers are answered in between.
  for (const [later, { immediate, hasYielded }] of deferred) {
    if (hasYielded) continue;
    clearImmediate(immediate);
    enqueue(later, true);
  }
}

/** True when a task waits for the commits of this turn. */
export function isDelivering(): boolean {
  return deferred.size > 0;
}

/** Runs `task` at the end of this turn, or of the next one when this one has ended; once, even if it is passed several times. */
export function afterCommit(task: () => void): void {
  if (!deferred.has(task)) enqueue(task, false);
}

function enqueue(task: () => void, hasYielded: boolean): void {
  const immediate = setImmediate(() => {
    deferred.delete(task);
    task();
  });
  deferred.set(task, { immediate, hasYielded });
}

/**
 * Applies `use` to a value: at once, or when its promise resolves. Keeps a function synchronous for an engine that
 * answers at once; an `async` function would add a promise to each request (row "GET by id" of the benchmark).
 */
export function thenOrNow<T, R>(value: T | Promise<T>, use: (value: T) => R | Promise<R>): R | Promise<R> {
  return value instanceof Promise ? value.then(use) : use(value);
}
