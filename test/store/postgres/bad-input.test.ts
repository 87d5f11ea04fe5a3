import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { Readers } from '../../../src/store/postgres/database/readers.ts';
import { postgresEngine } from '../../../src/store/postgres/engine.ts';
import type { Store } from '../../../src/store/store.ts';
import { planOf } from '../../schema/mistakes.ts';
import { StoreHarness } from '../../suites/store/harness.ts';
import { refusingServer } from '../../support/postgres/refusing-server.ts';
import { reason, runSql, TEST_URL, TestSchemas, unreachable } from '../../support/postgres/server.ts';

const SDL = 'type T @table { id: ID! @primaryKey name: String n: Int at: Date }';
const HOUR = 3_600_000;
const schemas = new TestSchemas();
afterAll(() => schemas.drop());

const open = () => StoreHarness.open({ engine: schemas.engine(), isShared: true }, SDL);

/** Runs SQL on the schema of a closed store, and returns the error of its next start. */
async function afterSql(sql: (schema: string) => string): Promise<unknown> {
  const harness = await open();
  await harness.create('a', 'x', 1);
  await harness.close();
  await runSql(sql(schemas.of(harness.options.dir)));
  return harness.open(SDL).then(
    () => harness.records(),
    (error: unknown) => error,
  );
}

describe('a database that asks for a password', () => {
  test.each([
    ['a wrong one', 'password', 'app:geheim', 'does not accept this user and password.'],
    ['none where it is asked for', 'password', 'app', 'does not accept this user and password.'],
    ['none where it has to be proved', 'scram', 'app', 'asks for a password, and the URL has none.'],
  ] as const)('refuses %s in a sentence without it', async (_, kind, user, sentence) => {
    await using server = await refusingServer(kind);
    const engine = postgresEngine({ url: server.url(user), schema: 'tablecast_test', pool: 1 });
    const { dir } = new StoreHarness({ engine }).options;
    const error = await Promise.resolve(engine.previewMigration(planOf(SDL), { dir, allowed: false })).catch(
      (refusal: unknown) => refusal,
    );
    expect(error).toMatchObject({ name: 'StoreOpenError', message: expect.stringContaining(sentence) });
    expect((error as Error).message).not.toContain('geheim');
  });
});

describe.skipIf(unreachable !== undefined)(`a database in a bad state${reason}`, () => {
  test.each([
    ['has a full disk', '53100'],
    ['became read-only', '25006'],
  ])(
    'that %s refuses writes with STORAGE_FULL, answers reads, and takes writes when that is over',
    async (_, state) => {
      const harness = await open();
      await harness.create('a', 'x', 1);
      const schema = schemas.of(harness.options.dir);
      await runSql(
        `CREATE FUNCTION "${schema}".fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'could not extend file' USING ERRCODE = '${state}'; END $$;
      CREATE TRIGGER fail BEFORE INSERT ON "${schema}".log EXECUTE FUNCTION "${schema}".fail()`,
      );
      await expect(harness.create('b', 'y', 1)).rejects.toMatchObject({ code: 'STORAGE_FULL', status: 503 });
      expect(await harness.records()).toHaveLength(1);
      await runSql(`DROP TRIGGER fail ON "${schema}".log`);
      const { seq } = await harness.create('b', 'y', 1);
      expect((await harness.log()).map((change) => change.seq)).toEqual([expect.any(Number), seq]);
    },
  );

  test.each([
    [
      'tables of a newer version',
      (s: string) => `UPDATE "${s}".meta SET value = '99' WHERE key = 'version:records'`,
      'was written by a newer version of Tablecast. It was left as it is.',
    ],
    [
      'a stored schema of a newer version',
      (s: string) => `UPDATE "${s}".meta SET value = '{"version": 2}' WHERE key = 'schema'`,
      'cannot be used: it was written by a newer version of Tablecast. Nothing was changed.',
    ],
    [
      'a stored schema that is not readable',
      (s: string) => `UPDATE "${s}".meta SET value = '{' WHERE key = 'schema'`,
      'cannot be used: what it says about its tables is not readable. Nothing was changed.',
    ],
    [
      'a table that was renamed by hand',
      (s: string) => `ALTER TABLE "${s}"."data/t" RENAME TO other`,
      'the table data.T is missing, or was changed by hand. Restore it from a backup. Nothing was changed.',
    ],
    [
      'a column that was dropped by hand',
      (s: string) => `ALTER TABLE "${s}"."data/t" DROP COLUMN at`,
      'the table data.T was changed by hand: the column at is missing. Add it again, with the type timestamp with time zone. Nothing',
    ],
    [
      'a column that has another type',
      (s: string) => `ALTER TABLE "${s}"."data/t" ALTER COLUMN n TYPE int`,
      'the column n has the type integer. Give it the type bigint again. Nothing',
    ],
    [
      'a required column that was added by hand',
      (s: string) =>
        `ALTER TABLE "${s}"."data/t" ADD COLUMN extra int NOT NULL DEFAULT 1; ALTER TABLE "${s}"."data/t" ALTER COLUMN extra DROP DEFAULT`,
      'the column extra was added, and new records have no value for it. Give it a default, or let it be null. Nothing',
    ],
  ])('with %s is refused at the start', async (_, sql, message) => {
    const error = await afterSql(sql);
    expect(error).toMatchObject({ message: expect.stringContaining(message) });
    expect((error as Error).message).toMatch(/^postgres:\/\//);
  });

  test('with a column that may be left out, or another index, is used as before', async () => {
    const records = await afterSql(
      (s) => `ALTER TABLE "${s}"."data/t" ADD COLUMN extra int; CREATE INDEX ON "${s}"."data/t" (n)`,
    );
    expect(records).toEqual([{ id: 'a', name: 'x', n: 1, at: null }]);
  });
});

describe.skipIf(unreachable !== undefined)(`servers on one database${reason}`, () => {
  test("whose clocks are two hours apart have one order and find each other's outcomes", async () => {
    const one = await open();
    const schema = schemas.of(one.options.dir);
    const at = async (offset: number): Promise<Store> => {
      const engine = postgresEngine({ url: TEST_URL, schema, pool: 1, clock: () => Date.now() + offset });
      const store = await engine.openRecords({ tables: [one.table] } as never, one.options);
      onTestFinished(async () => void (await store.close()));
      return store;
    };
    const stores = [await at(-HOUR), await at(HOUR)];
    const seqs: number[] = [];
    for (let n = 0; n < 6; n++) {
      const [store] = n % 2 === 0 ? stores : stores.toReversed();
      const write = one.of({ type: 'create', id: `r${n}`, cells: [`r${n}`, 'x', n] });
      const { changes } = await (store as Store).commit([[write]]);
      seqs.push(changes[0]?.seq as number);
    }
    expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
    expect(new Set(seqs).size).toBe(6);
    for (const store of [...stores, one.store]) {
      await store.currentSeq();
      expect((await store.readLog(one.table, 0, 99)).map(({ seq }) => seq)).toEqual(seqs);
    }
    const group = {
      once: { key: 'k', hash: 'h' },
      writes: [one.of({ type: 'patch', id: 'r0', cells: [undefined, 'y'] })],
    };
    const [first] = (await (stores[0] as Store).commit([group])).results;
    const [again] = (await (stores[1] as Store).commit([group])).results;
    expect(again).toMatchObject([{ seq: (first as readonly { seq: number }[])[0]?.seq, replayed: true }]);
  });

  test('read the log a few times in a storm of bells, whatever these say, and go on', async () => {
    const harness = await open();
    await harness.create('a', 'x', 1);
    const send = vi.spyOn(Readers.prototype, 'send');
    onTestFinished(() => send.mockRestore());
    const schema = schemas.of(harness.options.dir);
    const far = Number.MAX_SAFE_INTEGER;
    await runSql(
      `SELECT pg_notify($1, CASE n % 4 WHEN 0 THEN 'other ${far}' WHEN 1 THEN 'other ' || n WHEN 2 THEN repeat('x', 7000) ELSE '' END)
      FROM generate_series(1, 8000) AS n`,
      [schema],
    );
    const { seq } = await harness.create('b', 'y', 2);
    await expect.poll(() => harness.store.lastSeq, { timeout: 10_000 }).toBe(seq);
    await expect.poll(() => send.mock.calls.length, { timeout: 10_000 }).toBeGreaterThan(0);
    const looks = send.mock.calls.filter(([sql]) => sql.includes('FROM log'));
    expect(looks.length).toBeLessThan(400);
    expect(await harness.records()).toHaveLength(2);
  });
});
