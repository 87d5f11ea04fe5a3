import { afterAll, describe, expect, test } from 'vitest';
import { migrationSuite } from '../../suites/migration.ts';
import { codeOf, StoreHarness } from '../../suites/store/harness.ts';
import { schemaContents } from '../../support/postgres/contents.ts';
import { reason, TestSchemas, unreachable } from '../../support/postgres/server.ts';

const schemas = new TestSchemas();
afterAll(() => schemas.drop());

const SDL = 'enum Kind { OLD } type T @table { id: ID! @primaryKey name: String kind: Kind }';

async function open(sdl = SDL) {
  const harness = await StoreHarness.open({ engine: schemas.engine() }, sdl);
  await harness.create('a', 'x', 'OLD');
  return harness;
}

describe.skipIf(unreachable !== undefined)(`the PostgreSQL engine${reason}`, () => {
  migrationSuite({ engine: schemas.engine(), isShared: true, contents: (dir) => schemaContents(schemas.of(dir)) });
});

describe.skipIf(unreachable !== undefined)(`a schema change${reason}`, () => {
  test('with a constraint or a rule that a record breaks is refused with that record', async () => {
    const harness = await open();
    const limited =
      'enum Kind { OLD } type T @table { id: ID! @primaryKey name: String @constraint(minLength: 2) kind: Kind }';
    await expect(harness.open(limited)).rejects.toMatchObject({
      message: expect.stringContaining('1 record breaks it ("a": "x"'),
    });
    const ruled = `enum Kind { OLD } type T @table @check(rule: "name != 'x'") { id: ID! @primaryKey name: String kind: Kind }`;
    await expect(harness.open(ruled)).rejects.toMatchObject({
      message: expect.stringContaining('1 record breaks it ("a": name "x"'),
    });
    await harness.open(SDL);
    await harness.patch('a', 'xy');
    await harness.open(limited);
    expect(await harness.records()).toEqual([{ id: 'a', name: 'xy', kind: 'OLD' }]);
  });

  test('that keeps references is refused with the keys of no record', async () => {
    const board = 'type Board @table { id: Long! @primaryKey }';
    const card = (relation: string) =>
      `type Card @table { id: ID! @primaryKey boardId: Long board: Board @relationship(from: "boardId"${relation}) }`;
    const harness = await StoreHarness.open({ engine: schemas.engine() }, `${card('')} ${board}`);
    await harness.write({ type: 'create', table: harness.tableNamed('Board'), id: 1, cells: [1] });
    for (const [id, key] of Object.entries({ c1: 1, c2: null, c3: 9, c4: 2n ** 60n })) await harness.create(id, key);
    const kept = `${card(', onDelete: CASCADE')} ${board}`;
    await expect(harness.open(kept)).rejects.toMatchObject({
      message: expect.stringContaining(
        'NOT POSSIBLE: 2 records have a key of no record of Board ("c3": 9, "c4": "1152921504606846976")',
      ),
    });
    await harness.open(`${card('')} ${board}`);
    await harness.patch('c3', 1);
    await harness.delete('c4');
    await harness.open(kept);
    expect(harness.notices).toEqual([
      'create an index of data.Card.boardId',
      'check the keys in data.Card.boardId: possible only while each is that of a record of data.Board',
    ]);
    await harness.write({ type: 'delete', table: harness.tableNamed('Board'), id: 1 });
    expect(await harness.records()).toEqual([{ id: 'c2', boardId: null }]);
  });
});

describe.skipIf(unreachable !== undefined)(`a query that reads every record${reason}`, () => {
  test('is refused before it is asked when the same one was refused already', async () => {
    const harness = new StoreHarness({ engine: schemas.engine() });
    await harness.open(SDL, { largestScan: 1 });
    await harness.create('a', 'x', 'OLD');
    await harness.create('b', 'y', 'OLD');
    const { store, table } = harness;
    expect(await codeOf(Promise.resolve(store.records(table, harness.query('name==x'))))).toBe('SCAN_TOO_LARGE');
    expect(() => store.checkScan(table, harness.query('name==y'))).toThrow(/limits\.scan/);
    expect(() => store.checkScan(table, harness.query('id==a'))).not.toThrow();
  });
});
