/** Outcomes of events: `skipped` by `when`, `failed` with the error sent to the sender, `dead` as a dead letter. */
export const OUTCOMES = ['done', 'skipped', 'failed', 'dead'] as const;

export type Outcome = (typeof OUTCOMES)[number];

/** Bounds of the histogram of durations, in seconds. */
export const BOUNDS: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

/** Counts of a flow since the start, for the metrics. */
export class FlowCounts {
  readonly events: Record<Outcome, number> = { done: 0, skipped: 0, failed: 0, dead: 0 };
  retries = 0;
  /** Number of times that events were removed from their source before the flow had seen them. */
  gaps = 0;
  /** Number of events by bound of their duration; longer ones are in none. */
  readonly buckets: number[] = BOUNDS.map(() => 0);
  seconds = 0;

  count(outcome: Outcome, milliseconds: number): void {
    this.events[outcome]++;
    if (outcome === 'skipped') return;
    const seconds = milliseconds / 1000;
    this.seconds += seconds;
    const bucket = BOUNDS.findIndex((bound) => seconds <= bound);
    if (bucket >= 0) this.buckets[bucket] = (this.buckets[bucket] ?? 0) + 1;
  }

  countGap(): void {
    this.gaps++;
  }

  /** Number of events that were not skipped. */
  get timed(): number {
    return this.events.done + this.events.failed + this.events.dead;
  }
}
