interface PageLike {
  requestAnimationFrame?(run: () => void): number;
  readonly document?: { readonly visibilityState: string };
}

/** Longest wait for a frame in milliseconds: a page that is hidden meanwhile gets none. */
const MAX_WAIT_MS = 250;

let waiting = new Set<() => void>();
let timer: ReturnType<typeof setTimeout> | undefined;

/**
 * Calls the function once, with the next frame of the window; in Node and in a hidden page at the end of the current task.
 * Asking again before that changes nothing.
 */
export function onNextFrame(run: () => void): void {
  if (waiting.has(run)) return;
  waiting.add(run);
  if (waiting.size > 1) return;
  const page = globalThis as PageLike;
  if (page.requestAnimationFrame === undefined || page.document?.visibilityState !== 'visible') {
    queueMicrotask(runAll);
  } else {
    const set = waiting;
    // Only for those that wait now: a late frame is not one of the next.
    const runSet = () => set === waiting && runAll();
    page.requestAnimationFrame(runSet);
    timer = setTimeout(runSet, MAX_WAIT_MS);
  }
}

function runAll(): void {
  clearTimeout(timer);
  const due = waiting;
  waiting = new Set();
  for (const run of due) run();
}
