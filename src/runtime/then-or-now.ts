/**
 * Applies `use` to a value: at once, or when its promise resolves. Keeps a function synchronous for an engine that
 * answers at once; an `async` function would add a promise to each request (row "GET by id" of the benchmark).
 */
export function thenOrNow<T, R>(value: T | Promise<T>, use: (value: T) => R | Promise<R>): R | Promise<R> {
  return value instanceof Promise ? value.then(use) : use(value);
}
