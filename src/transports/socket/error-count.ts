/** Bad messages of one client within the window; more of them close its connection. */
export const MAX_ERRORS = 20;
export const ERROR_WINDOW_SECONDS = 10;

/** Counts the bad messages of one client. */
export class ErrorCount {
  #count = 0;
  /** Start of the window, in milliseconds of the monotonic clock. */
  #since = 0;

  /** Counts one more; true when there are too many. */
  add(): boolean {
    const now = performance.now();
    if (now - this.#since > ERROR_WINDOW_SECONDS * 1000) {
      this.#since = now;
      this.#count = 0;
    }
    return ++this.#count > MAX_ERRORS;
  }
}
