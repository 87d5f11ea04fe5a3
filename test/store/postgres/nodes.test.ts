import { setTimeout as pause } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { readChanges } from '../../../src/events/feed.ts';
import { postgresEngine } from '../../../src/store/postgres/engine.ts';
import type { Store } from '../../../src/store/store.ts';
import { StoreHarness } from '../../suites/store/harness.ts';
import { reason, TEST_URL, TestSchemas, unreachable } from '../../support/postgres/server.ts';
import { meanwhile, until } from '../../support/wait.ts';

const SDL = 'type T @table { id: ID! @primaryKey name: String @unique n: Int }';
const schemas = new TestSchemas();
afterAll(() => schemas.drop());

/** Adds an entry to the log as a commit does, of a record that is not stored. */
const ADD_ENTRY = `WITH taken AS (SELECT base + 1 AS seq FROM take(1, NULL))
  INSERT INTO log (seq, tbl, op, id, data, batch)
  SELECT seq, (SELECT min(id) FROM tables), 1, 'foreign', '{"id":"foreign"}', 1 FROM taken RETURNING seq`;

/** Another program with a connection to the schema of a store. */
async function connect(one: StoreHarness): Promise<Client> {
  const client = new Client({ connectionString: TEST_URL });
  await client.connect();
  onTestFinished(() => client.end());
  await client.query(`SET search_path TO "${schemas.of(one.options.dir)}"`);
  return client;
}

/** Two stores on one schema, as two servers have them, of which each finds what the other does by looking alone. */
async function openTwo({ maxCount = 100_000 } = {}) {
  const one = await StoreHarness.open({ engine: schemas.engine() }, SDL);
  const events = { ...one.options.events, maxCount };
  const engine = schemas.engine();
  const plan = { tables: [one.table] } as never;
  const other = await engine.openRecords(plan, { ...one.options, events });
  onTestFinished(async () => void (await other.close()));
  const { table } = one;
  const create = (store: Store, id: string, name: string | null = null) =>
    store.commit([[{ type: 'create', table, id, cells: [id, name, 1] }]]);
  return { one, other, table, create };
}

describe.skipIf(unreachable !== undefined)(`two stores on one schema${reason}`, () => {
  test('have every change of each other, in one order, and say when the log has grown', async () => {
    const { one, other, table, create } = await openTwo();
    const grown: unknown[] = [];
    other.shared?.onGrown((growth) => grown.push(growth));
    const before = other.lastSeq;
    const { changes } = await create(one.store, 'a');
    expect(await other.currentSeq()).toBe(changes[0]?.seq);
    expect(grown).toEqual([{ after: before, head: changes[0]?.seq }]);
    expect(await other.readLog(table, before, 9)).toEqual(changes);
    const back = await create(other, 'b');
    expect(back.after).toBe(changes[0]?.seq);
    expect(await one.store.currentSeq()).toBe(back.changes[0]?.seq);
  });

  test('find a change that no reader asks for', async () => {
    const { one, other, create } = await openTwo();
    const { changes } = await create(one.store, 'a');
    await until(
      async () => other.lastSeq,
      (seq) => seq === changes[0]?.seq,
    );
  });

  test('tell a commit that it came after changes which its server does not know', async () => {
    const { one, table, create } = await openTwo();
    const schema = schemas.of(one.options.dir);
    const engine = postgresEngine({
      url: TEST_URL,
      schema,
      pool: 2,
      cluster: { poll: 60_000, catchUp: 100, grace: 5000, nats: undefined, rooms: 'shared' },
    });
    const alone = await engine.openRecords({ tables: [table] } as never, one.options);
    onTestFinished(async () => void (await alone.close()));
    await create(alone, 'a');
    const before = alone.lastSeq;
    // An entry that no notification tells of.
    const { rows } = await (await connect(one)).query(ADD_ENTRY);
    const { changes, after } = await create(alone, 'b');
    expect([after, alone.lastSeq]).toEqual([Number(rows[0].seq), changes[0]?.seq]);
    const page = await readChanges(alone, [table], before);
    expect(page.changes.map(({ id }) => id)).toEqual(['foreign', 'b']);
  });

  test('give no position while a commit with an earlier one is under way', async () => {
    const { one, create } = await openTwo();
    const client = await connect(one);
    await client.query('BEGIN');
    const { rows } = await client.query(ADD_ENTRY);
    let isAnswered = false;
    const writing = Promise.resolve(create(one.store, 'a')).then((made) => {
      isAnswered = true;
      return made;
    });
    await pause(250);
    expect(isAnswered).toBe(false);
    await client.query('COMMIT');
    expect((await writing).changes[0]?.seq).toBeGreaterThan(Number(rows[0].seq));
  });

  test('do not show a change to subscribers before its writer is answered', async () => {
    const { one, other, create } = await openTwo();
    let isOver = false;
    let told = 0;
    const early: number[] = [];
    other.shared?.onGrown(({ head }) => {
      told = head;
    });
    const looking = meanwhile(async () => {
      while (!isOver) await other.shared?.newestSeq([]);
    });
    for (let i = 0; i < 60; i++) {
      const own = Promise.resolve(create(other, `o${i}`)).then(({ changes: [change] }) => {
        if (change === undefined || told >= change.seq) early.push(told);
      });
      await Promise.all([own, create(one.store, `f${i}`)]);
    }
    isOver = true;
    await looking;
    expect(early).toEqual([]);
  });

  test('refuse a position that other entries were removed after, whichever server removed them', async () => {
    const { one, other, table, create } = await openTwo({ maxCount: 2 });
    const { changes } = await create(one.store, 'a');
    for (let i = 0; i < 5; i++) await create(one.store, `b${i}`);
    await one.store.currentSeq();
    expect(one.store.resumeFloor(table)).toBeLessThan(changes[0]?.seq as number);
    await other.currentSeq();
    while (await other.trim(Date.now(), 100)) {}
    await one.store.readLog(table, changes[0]?.seq as number, 9);
    expect(one.store.resumeFloor(table)).toBeGreaterThan(changes[0]?.seq as number);
  });

  test('the same for the log of one record', async () => {
    const { one, other, table, create } = await openTwo({ maxCount: 2 });
    const { changes } = await create(one.store, 'a');
    await one.store.commit([[{ type: 'patch', table, id: 'a', cells: [undefined, undefined, 2] }]]);
    for (let i = 0; i < 5; i++) await create(one.store, `b${i}`);
    await other.currentSeq();
    while (await other.trim(Date.now(), 100)) {}
    await one.store.readLog(table, changes[0]?.seq as number, 9, 'a');
    expect(one.store.resumeFloor(table)).toBeGreaterThan(changes[0]?.seq as number);
  });

  test('know the positions of each other, also those that are ahead and those between two starts', async () => {
    const { one, other, create } = await openTwo();
    const { changes } = await create(one.store, 'a');
    const position = changes[0]?.seq as number;
    expect(await other.wasIssued(position)).toBe(true);
    expect(other.lastSeq).toBeGreaterThanOrEqual(position);
    await create(other, 'b');
    expect(await other.wasIssued(position)).toBe(true);
    expect(await other.wasIssued(position + 1_000_000_000)).toBe(false);
    expect(await other.hasReached(other.lastSeq + 1_000_000_000)).toBe(false);
  });

  test('refuse a unique value, a condition and a key that the other has used', async () => {
    const { one, other, table, create } = await openTwo();
    const { changes } = await create(one.store, 'a', 'x');
    const seq = changes[0]?.seq as number;
    expect((await create(other, 'b', 'x')).results).toMatchObject([{ code: 'CONFLICT', errors: [{ field: 'name' }] }]);
    expect((await create(other, 'a')).results).toMatchObject([{ code: 'CONFLICT' }]);
    const patch = { type: 'patch', table, id: 'a', cells: [undefined, undefined, 2] } as const;
    await other.commit([[patch]]);
    const { results } = await one.store.commit([[{ ...patch, precondition: [seq] }]]);
    expect(results).toMatchObject([{ code: 'PRECONDITION_FAILED' }]);
    const group = { once: { key: 'k', hash: 'h' }, writes: [{ ...patch, cells: [undefined, undefined, 3] }] };
    const both = await Promise.all([one.store.commit([group]), other.commit([group])]);
    const outcomes = both.flatMap(({ results: [result] }) => result as readonly { seq: number; replayed?: boolean }[]);
    expect(outcomes[0]?.seq).toBe(outcomes[1]?.seq);
    expect(outcomes.map(({ replayed = false }) => replayed).sort()).toEqual([false, true]);
    expect(both.flatMap((made) => made.changes)).toHaveLength(1);
  });
});
