import type { RunContext, Snapshot, Wanderer } from './clients.ts';

interface Entry {
  readonly seq: number;
  readonly id: string;
  /** Undefined for a delete. */
  readonly token: string | undefined;
  /** Mark of its transaction; null for a change that was made alone. */
  readonly tx: number | null;
}

export interface Seen {
  readonly wanderers: readonly Wanderer[];
  readonly snapshots: readonly Snapshot[];
}

/** The log of the run's records, as it is in the database. */
export async function readEntries({ cluster, run }: RunContext): Promise<readonly Entry[]> {
  const rows = await cluster.sql(
    `SELECT seq, id, data, tx FROM "${cluster.schema}".log WHERE tbl = (SELECT id FROM "${cluster.schema}".tables WHERE name = 'data/note')
      AND id LIKE $1 ORDER BY seq`,
    [`${run}-%`],
  );
  return rows.map(({ seq, id, data, tx }) => ({
    seq: Number(seq),
    id: String(id),
    tx: tx === null ? null : Number(tx),
    token: data === null ? undefined : (JSON.parse(String(data)) as { token: string }).token,
  }));
}

/** Compares what was sent, acknowledged and received with the log. Returns a sentence for each difference. */
export async function check(context: RunContext, { wanderers, snapshots }: Seen): Promise<readonly string[]> {
  const { cluster, run, history } = context;
  const entries = await readEntries(context);
  const faults = [...history.faults];
  const seqs = new Map<string, number[]>();
  for (const { token, seq } of entries) {
    if (token === undefined) continue;
    if (!history.sent.has(token)) faults.push(`phantom: ${token} at ${seq}`);
    seqs.set(token, [...(seqs.get(token) ?? []), seq]);
  }
  for (const [token, found] of seqs) if (found.length > 1) faults.push(`twice in the log: ${token} at ${found}`);
  for (const { token, seq } of history.acked) {
    const found = seqs.get(token);
    if (found === undefined || (seq !== undefined && !found.includes(seq)))
      faults.push(`lost: ${token}, acknowledged at ${seq ?? 'a commit'}; in the log at ${found}`);
  }
  for (const tokens of history.transactions) {
    const marks = new Set(entries.filter(({ token }) => tokens.includes(token ?? '')).map(({ tx }) => tx));
    if (marks.size !== 1 || marks.has(null)) faults.push(`not one transaction: ${tokens}, ${[...marks]}`);
  }
  wanderers.forEach((wanderer, number) => void faults.push(...compare(wanderer, entries, { number, run })));
  for (const { seq, records } of snapshots) {
    const wanted = replay(entries.filter((entry) => entry.seq <= seq));
    if (!sameMaps(wanted, records)) faults.push(`state at ready ${seq}: ${show(records)}, not ${show(wanted)}`);
  }
  const stored = await cluster.sql(`SELECT id, token FROM "${cluster.schema}"."data/note" WHERE run = $1`, [run]);
  const kept = new Map(stored.map(({ id, token }) => [String(id), token]));
  if (!sameMaps(replay(entries), kept)) faults.push('the records are not what the log says');
  const [counter] = await cluster.sql(`SELECT n FROM "${cluster.schema}"."data/counter" WHERE id = $1`, [run]);
  const extra = Number(counter?.n) - history.increments;
  if (!(extra >= 0 && extra <= history.unknownIncrements)) {
    faults.push(`the counter is ${counter?.n} after ${history.increments} acknowledged increments`);
  }
  return faults;
}

/** A subscriber has every entry after its start, each once, in the order of the log. */
function compare(
  { frames, start = 0 }: Wanderer,
  entries: readonly Entry[],
  { number, run }: { readonly number: number; readonly run: string },
): string[] {
  const wanted = entries.filter(({ seq }) => seq > start);
  const faults: string[] = [];
  const known = new Set<number>();
  let last = 0;
  for (const { seq, id } of frames) {
    // TRUNCATE removes the records of earlier runs, too.
    if (id?.startsWith(`${run}-`) !== true) continue;
    if (known.has(seq)) faults.push(`subscriber ${number}: twice ${seq}`);
    else if (seq < last) faults.push(`subscriber ${number}: ${seq} after ${last}`);
    known.add(seq);
    last = Math.max(last, seq);
  }
  for (const { seq, token, id } of wanted) {
    if (!known.delete(seq))
      faults.push(`subscriber ${number}: gap, without ${token ?? `the removal of ${id}`} at ${seq}`);
  }
  for (const seq of known) faults.push(`subscriber ${number}: phantom ${seq}`);
  return faults;
}

function replay(entries: readonly Entry[]): ReadonlyMap<string, unknown> {
  const records = new Map<string, unknown>();
  for (const { id, token } of entries) {
    if (token === undefined) records.delete(id);
    else records.set(id, token);
  }
  return records;
}

function sameMaps(one: ReadonlyMap<string, unknown>, other: ReadonlyMap<string, unknown>): boolean {
  return one.size === other.size && [...one].every(([key, value]) => other.get(key) === value);
}

function show(records: ReadonlyMap<string, unknown>): string {
  return JSON.stringify([...records].sort());
}
