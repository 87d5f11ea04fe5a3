import { randomBytes } from 'node:crypto';
import type { Fence, Leases, LeaseUse, TaskLease } from '../../shared-store.ts';
import type { Readers } from '../database/readers.ts';
import { toArray } from '../sql/types.ts';

/** Milliseconds for which a task is given. */
const LEASE_MS = 6000;
/** Milliseconds before its end at which this server gives up what it could not renew. */
const MARGIN_MS = 1000;
const RENEW_MS = 2000;
/** Milliseconds after the end of a task for which what its server has kept is of use to the next one. */
const MAX_KEPT_MS = 60_000;
/** Milliseconds for which a run is remembered. */
const RUNS_MS = 86_400_000;

/** A task of this server, or of another one whose lease has ended, becomes this server's for some seconds. */
const RENEW = `INSERT INTO leases AS l (name, node, fence, until)
  SELECT u.name, $1, 1, clock_timestamp() + ${LEASE_MS} * interval '1 ms' FROM unnest($2::text[]) AS u(name)
  ON CONFLICT (name) DO UPDATE SET node = excluded.node, until = excluded.until,
    fence = CASE WHEN l.node = excluded.node THEN l.fence ELSE l.fence + 1 END,
    kept = CASE WHEN l.until < clock_timestamp() - ${MAX_KEPT_MS} * interval '1 ms' THEN NULL ELSE l.kept END
  WHERE l.node = excluded.node OR l.until < clock_timestamp()
  RETURNING l.name, l.fence, l.kept`;

/** Tasks that one of the servers on a schema has at a time. Only the clock of the database counts. */
export class PgLeases implements Leases {
  readonly #readers: Readers;
  readonly #node = randomBytes(8).toString('hex');
  readonly #leases = new Map<string, PgLease>();
  #timer: NodeJS.Timeout | undefined;
  #renewing: Promise<void> | undefined;
  #isClosed = false;

  constructor(readers: Readers) {
    this.#readers = readers;
  }

  take(name: string, use?: LeaseUse): TaskLease {
    const lease = new PgLease(name, use, {
      keep: (fence, position) => this.#keep(fence, position),
      release: () => this.#release([name]),
    });
    this.#leases.set(name, lease);
    void this.#renew();
    return lease;
  }

  async claimRun(name: string, at: number): Promise<boolean> {
    const { count } = await this.#readers.send('INSERT INTO runs VALUES ($1, $2) ON CONFLICT DO NOTHING', [name, at]);
    if (count > 0) await this.#readers.send('DELETE FROM runs WHERE name = $1 AND at < $2', [name, at - RUNS_MS]);
    return count > 0;
  }

  /** Gives all tasks back. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#renewing;
    await this.#release([...this.#leases.keys()]);
  }

  async #keep({ name, number }: Fence, position: number): Promise<boolean> {
    const sql = 'UPDATE leases SET kept = $4 WHERE name = $1 AND node = $2 AND fence = $3';
    return (await this.#readers.send(sql, [name, this.#node, number, position])).count > 0;
  }

  async #release(names: readonly string[]): Promise<void> {
    for (const name of names) this.#leases.get(name)?.end();
    for (const name of names) this.#leases.delete(name);
    const sql =
      "UPDATE leases SET until = clock_timestamp() - interval '1 ms' WHERE name = ANY($1::text[]) AND node = $2";
    // Without it they end by themselves.
    if (names.length > 0) await this.#readers.send(sql, [toArray(names), this.#node]).catch(() => {});
  }

  #renew(): Promise<void> {
    clearTimeout(this.#timer);
    this.#renewing ??= this.#renewAll().finally(() => {
      this.#renewing = undefined;
      if (this.#isClosed || this.#leases.size === 0) return;
      this.#timer = setTimeout(() => void this.#renew(), this.#hasNew() ? 0 : RENEW_MS).unref();
    });
    return this.#renewing;
  }

  #hasNew(): boolean {
    return [...this.#leases.values()].some(({ isNew }) => isNew);
  }

  async #renewAll(): Promise<void> {
    const asked = [...this.#leases.values()];
    const until = performance.now() + LEASE_MS - MARGIN_MS;
    for (const lease of asked) lease.isNew = false;
    try {
      const { rows } = await this.#readers.send(RENEW, [this.#node, toArray(asked.map(({ name }) => name))]);
      const found = new Map((rows as unknown as [string, number, number | null][]).map((row) => [row[0], row]));
      for (const lease of asked) {
        const [, fence, kept] = found.get(lease.name) ?? [];
        if (fence === undefined) lease.end();
        else lease.renewed(fence, { until, kept: kept ?? undefined });
      }
    } catch {
      // The database is away: what is not renewed in time is given up.
    }
  }
}

interface LeaseHost {
  keep(fence: Fence, position: number): Promise<boolean>;
  release(): Promise<void>;
}

class PgLease implements TaskLease {
  readonly name: string;
  /** True until it was asked for. */
  isNew = true;
  readonly #use: LeaseUse | undefined;
  readonly #host: LeaseHost;
  #fence: Fence | undefined;
  #until = 0;
  #timer: NodeJS.Timeout | undefined;
  /** Calls of the user, one after the other. */
  #calls: Promise<void> = Promise.resolve();

  constructor(name: string, use: LeaseUse | undefined, host: LeaseHost) {
    this.name = name;
    this.#use = use;
    this.#host = host;
  }

  get isHeld(): boolean {
    return this.#fence !== undefined && performance.now() < this.#until;
  }

  get fence(): Fence | undefined {
    return this.isHeld ? this.#fence : undefined;
  }

  async keep(position: number): Promise<boolean> {
    const { fence } = this;
    return fence !== undefined && this.#host.keep(fence, position);
  }

  async release(): Promise<void> {
    this.end();
    await this.#calls;
    await this.#host.release();
  }

  /** Must be called when this server has the task until a time of the clock of `performance`. */
  renewed(number: number, { until, kept }: { readonly until: number; readonly kept: number | undefined }): void {
    // One that was lost meanwhile may have been another server's.
    if (this.#fence !== undefined && (this.#fence.number !== number || !this.isHeld)) this.end();
    this.#until = until;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.end(), Math.max(0, until - performance.now())).unref();
    if (this.#fence !== undefined) return;
    this.#fence = { name: this.name, number };
    this.#call((use) => use.got(kept));
  }

  /** Must be called when this server does not have the task any more. */
  end(): void {
    clearTimeout(this.#timer);
    if (this.#fence === undefined) return;
    this.#fence = undefined;
    this.#call((use) => use.lost());
  }

  #call(call: (use: LeaseUse) => unknown): void {
    const use = this.#use;
    if (use === undefined) return;
    this.#calls = this.#calls.then(async () => void (await call(use))).catch((error: unknown) => use.onError(error));
  }
}
