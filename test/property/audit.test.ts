import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ANONYMOUS, SERVER } from '../../src/auth/identity.ts';
import { Access } from '../../src/auth/policy/access.ts';
import { AppError } from '../../src/errors.ts';
import { AuditTrail } from '../../src/resources/audit/trail.ts';
import type { TableResource } from '../../src/resources/table/resource.ts';
import type { AuditReader } from '../../src/store/audit.ts';
import { LIMITS } from '../query/tables.ts';
import { PropertyHarness } from './harness.ts';

const RUNS = Number(process.env.PROPERTY_RUNS ?? 60);
const FROM = JSON.parse(process.env.PROPERTY_FROM ?? '{}') as fc.Parameters<unknown>;
const SDL = `
type Place { city: String zip: Int }
type Item @table @audit @export(public: [read, create, update, delete, publish]) {
  id: ID! @primaryKey
  n: Int @unique
  text: String
  weight: Float
  big: Long
  ok: Boolean @default(value: true)
  at: Date
  any: JSON
  tags: [String]
  place: Place
  twice: Int @computed(from: "n * 2")
  pin: String @hidden
  changed: Date @updatedTime
}`;

type Json = Readonly<Record<string, unknown>>;

const id = fc.constantFrom('a', 'b', 'c', 'ä"\\');
const fields = fc.record(
  {
    n: fc.option(fc.nat(6)),
    text: fc.option(fc.string({ unit: 'grapheme', maxLength: 5 })),
    weight: fc.constantFrom(0, 1.5, -1e300, null),
    big: fc.constantFrom('9223372036854775807', 5, null),
    ok: fc.option(fc.boolean()),
    at: fc.constantFrom('2025-01-15T10:30:00Z', null),
    any: fc.option(fc.jsonValue({ maxDepth: 2 }).filter((it) => !JSON.stringify(it).includes('"__proto__"'))),
    tags: fc.option(fc.array(fc.constantFrom('x', 'y'), { maxLength: 2 })),
    place: fc.option(fc.record({ city: fc.constantFrom('Rome', null), zip: fc.nat(9) })),
    pin: fc.constantFrom('s3cret-1', 's3cret-2', null),
  },
  { requiredKeys: [] },
);
const operation = fc.record({
  do: fc.constantFrom('create', 'createMany', 'put', 'patch', 'delete', 'patchMany', 'deleteMany', 'publish'),
  id,
  fields,
  n: fc.nat(6),
});
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;
/** Writes of one commit, and a flag to open the store again afterwards. */
const batch = fc.record({ sent: fc.array(operation, { minLength: 1, maxLength: 5 }), restart: fc.boolean() });

const REFUSALS = new Set(['CONFLICT', 'NOT_FOUND']);

async function write(items: TableResource, one: Operation): Promise<void> {
  try {
    await run(items, one);
  } catch (error) {
    if (!(error instanceof AppError) || !REFUSALS.has(error.code)) throw error;
  }
}

function run(items: TableResource, { do: what, id: key, fields: sent, n }: Operation): Promise<unknown> {
  if (what === 'create') return items.create(ANONYMOUS, { id: key, ...sent });
  // The second may take the value of the first: then neither is there.
  if (what === 'createMany')
    return items.createMany(ANONYMOUS, [
      { id: key, ...sent },
      { ...sent, n },
    ]);
  if (what === 'put') return items.put(ANONYMOUS, key, sent);
  if (what === 'patch') return items.patch(ANONYMOUS, key, sent);
  if (what === 'delete') return items.delete(ANONYMOUS, key);
  if (what === 'patchMany') return items.patchMany(ANONYMOUS, `n=${n}`, sent);
  if (what === 'deleteMany') return items.deleteMany(ANONYMOUS, `n=lt=${n}`);
  return items.publish(ANONYMOUS, key, sent);
}

interface Entry {
  readonly seq: number;
  readonly op: string;
  readonly id: string;
  readonly changes: Readonly<Record<string, { before?: unknown; after?: unknown; hidden?: true }>>;
}

/** Every entry from the oldest to the newest, read page by page. */
async function readAll(rig: PropertyHarness): Promise<Entry[]> {
  const access = new Access(rig.plan, { secured: false });
  const log = rig.store.audit as AuditReader;
  const trail = new AuditTrail({ plan: rig.plan, log, access, limits: LIMITS, readers: 'anyone' });
  const entries: Entry[] = [];
  for (let cursor = ''; ; ) {
    const { json, next } = await trail.read(ANONYMOUS, `limit=7${cursor}`);
    expect(json).not.toContain('s3cret');
    entries.push(...(JSON.parse(json) as Entry[]));
    if (next === undefined) return entries.toReversed();
    cursor = `&before=${next}`;
  }
}

/** Replays the entries to a table; each has to fit the state after those before it. */
function replay(entries: readonly Entry[], names: readonly string[]): Map<string, Json> {
  const table = new Map<string, Json>();
  const nothing = Object.fromEntries(names.map((name) => [name, null]));
  for (const { op, id: key, changes } of entries) {
    const record = table.get(key);
    expect(record !== undefined).toBe(op !== 'create');
    const next: Record<string, unknown> = { ...(record ?? nothing) };
    for (const [name, { before, after, hidden }] of Object.entries(changes)) {
      expect(hidden === true).toBe(name === 'pin');
      if (hidden === true) continue;
      expect(before).toEqual(next[name]);
      expect(after).not.toEqual(before);
      next[name] = after;
    }
    if (op !== 'delete') table.set(key, next);
    else {
      // A delete has all values of the record.
      expect(next).toEqual(nothing);
      table.delete(key);
    }
  }
  return table;
}

test('the audit log has one entry for each change, and replaying them gives the table', {
  retry: 0,
  timeout: 300_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(batch, { maxLength: 12 }), async (batches) => {
      using rig = new PropertyHarness({ sdl: SDL });
      for (const { sent, restart } of batches) {
        await Promise.all(sent.map((one) => write(rig.resource('Item'), one)));
        if (restart) await rig.restart();
      }
      const entries = await readAll(rig);
      const names = rig.table('Item').fields.flatMap(({ name, hidden }) => (hidden ? [] : [name]));
      const records = JSON.parse((await rig.resource('Item').list(SERVER, 'limit=1000')).json) as Json[];
      expect(replay(entries, names)).toEqual(new Map(records.map((record) => [record.id, record])));
      const changes = rig.delivered.filter(({ op }) => op !== 'publish');
      expect(entries.map(({ seq, op, id: key }) => [seq, op, key])).toEqual(
        changes.map(({ seq, op, id: key }) => [seq, op, key]),
      );
    }),
    { numRuns: RUNS, ...(FROM as object) },
  );
});
