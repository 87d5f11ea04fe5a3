import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { StoreHarness } from '../../suites/store/harness.ts';
import { PostgresProxy } from '../../support/postgres/proxy.ts';
import { reason, runSql, TestSchemas, unreachable } from '../../support/postgres/server.ts';

const SDL = 'type T @table { id: ID! @primaryKey name: String @unique n: Int }';
const schemas = new TestSchemas();
afterAll(() => schemas.drop());

async function open() {
  const proxy = await PostgresProxy.open();
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  const harness = await StoreHarness.open({ engine: schemas.engine(proxy.url) }, SDL);
  return { proxy, harness };
}

describe.skipIf(unreachable !== undefined)(`a commit whose answer was lost${reason}`, () => {
  test('is found in the log, and answered as made', async () => {
    const { proxy, harness } = await open();
    await harness.create('a', 'x', 1);
    proxy.loseNextAnswer();
    const outcome = await harness.create('b', 'y', 2);
    expect(outcome).toMatchObject({ created: true, seq: harness.store.lastSeq });
    expect((await harness.log()).map(({ id, seq }) => [id, seq])).toEqual([
      ['a', expect.any(Number)],
      ['b', outcome.seq],
    ]);
    await harness.create('c', 'z', 3);
    expect(await harness.records()).toHaveLength(3);
  });

  test('is not known while the database is away, and is what it is when it is back', async () => {
    const { proxy, harness } = await open();
    proxy.loseNextAnswer({ forGood: true });
    await expect(harness.create('a', 'x', 1)).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN', status: 504 });
    await proxy.comeBack();
    expect(await harness.records()).toEqual([{ id: 'a', name: 'x', n: 1 }]);
    await harness.create('b', 'y', 2);
    expect((await harness.log()).map(({ id }) => id)).toEqual(['a', 'b']);
  });

  test('refuses a condition on the table that was read before it', async () => {
    const { proxy, harness } = await open();
    const { seq } = await harness.create('a', 'x', 1);
    proxy.loseNextAnswer({ forGood: true });
    await expect(harness.create('b', 'y', 1)).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    await proxy.comeBack();
    const check = harness.of({ type: 'check-table', since: seq });
    const { results } = await harness.commit([check, harness.of({ type: 'delete', id: 'a' })]);
    expect(results).toMatchObject([{ code: 'PRECONDITION_FAILED' }]);
  });

  test('has the mark of its transaction', async () => {
    const { proxy, harness } = await open();
    const make = (id: string) => harness.of({ type: 'create', id, cells: [id, id, 1] });
    proxy.loseNextAnswer();
    const { results, changes } = await harness.commit([make('a'), make('b')]);
    const mark = changes.at(-1)?.seq;
    expect(changes.map(({ transaction }) => transaction)).toEqual([mark, mark]);
    expect(results).toMatchObject([[{ transaction: mark }, { transaction: mark }]]);
    expect(await harness.log()).toEqual(changes);
  });

  test('is found by its key where it changed nothing', async () => {
    const { proxy, harness } = await open();
    await harness.create('a', 'x', 1);
    const writes = [harness.of({ type: 'put', id: 'a', cells: ['a', 'x', 1] })];
    const group = { once: { key: 'k', hash: 'h' }, writes };
    proxy.loseNextAnswer();
    await expect(harness.commit(group)).rejects.toMatchObject({ code: 'STORAGE_BUSY' });
    const { results } = await harness.commit(group);
    expect(results).toMatchObject([[{ id: 'a', changed: false }]]);
  });
});

describe.skipIf(unreachable !== undefined)(`a write that the database refuses${reason}`, () => {
  test('leaves its neighbours alone', async () => {
    const { harness } = await open();
    await harness.create('a', 'x', 1);
    const make = (id: string, name: string) => [harness.of({ type: 'create', id, cells: [id, name, 0] })];
    const { results, changes } = await harness.commit(make('b', 'y'), make('c', 'x'), make('a', 'q'), make('d', 'z'));
    expect(results).toMatchObject([[{ id: 'b' }], { code: 'CONFLICT' }, { code: 'CONFLICT' }, [{ id: 'd' }]]);
    expect(results[1]).toMatchObject({ errors: [{ field: 'name' }] });
    expect(results[2]).toMatchObject({ errors: [{ field: 'id' }] });
    expect(changes.map(({ id }) => id)).toEqual(['b', 'd']);
    expect(await harness.records()).toHaveLength(3);
  });

  test('is none where unique values are exchanged in one commit', async () => {
    const { harness } = await open();
    await harness.commit(
      [harness.of({ type: 'create', id: 'a', cells: ['a', 'x', 1] })],
      [harness.of({ type: 'create', id: 'b', cells: ['b', 'y', 2] })],
    );
    const name = (id: string, value: string | null) => harness.of({ type: 'patch', id, cells: [undefined, value] });
    const { results } = await harness.commit([name('a', null), name('b', 'x'), name('a', 'y')]);
    expect(results).toMatchObject([[{}, {}, { json: '{"id":"a","name":"y","n":1}' }]]);
    expect(await harness.records()).toMatchObject([{ name: 'y' }, { name: 'x' }]);
  });

  test('waits for a record that another program has changed, and its neighbours do not', async () => {
    const { harness } = await open();
    await harness.create('a', 'x', 1);
    await harness.create('b', 'y', 1);
    const dir = harness.options.dir;
    const { Client } = await import('pg');
    const { TEST_URL } = await import('../../support/postgres/server.ts');
    const other = new Client({ connectionString: TEST_URL });
    await other.connect();
    onTestFinished(() => other.end());
    await other.query(`BEGIN; UPDATE "${schemas.of(dir)}"."data/t" SET n = 9 WHERE id = 'a'`);
    const patch = (id: string) => [harness.of({ type: 'patch', id, cells: [undefined, undefined, 2] })];
    const { results } = await harness.commit(patch('a'), patch('b'));
    expect(results).toMatchObject([{ code: 'STORAGE_BUSY' }, [{ changed: true }]]);
    await other.query('COMMIT');
    expect((await harness.commit(patch('a'))).results).toMatchObject([[{ changed: true }]]);
  });

  test('is a table that was changed by hand: the next start says so', async () => {
    const { harness } = await open();
    const schema = schemas.of(harness.options.dir);
    await harness.close();
    await runSql(`ALTER TABLE "${schema}"."data/t" RENAME TO "somewhere else"`);
    await expect(harness.open(SDL)).rejects.toMatchObject({ message: expect.stringContaining('was changed by hand') });
  });
});
