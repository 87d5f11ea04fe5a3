/** More bad messages than this in ten seconds are no mistake any more. */
export const MAX_ERRORS = 20;
const WINDOW = 10_000;

/** Counts the bad messages of one client. */
export class ErrorCount {
  #count = 0;
  #since = 0;

  /** One more; true when there were too many. */
  add(): boolean {
    const now = performance.now();
    if (now - this.#since > WINDOW) {
      this.#since = now;
      this.#count = 0;
    }
    return ++this.#count > MAX_ERRORS;
  }
}
