import { afterAll, describe, expect, test } from 'vitest';
import { StoreHarness } from '../../suites/store/harness.ts';
import { schemaContents } from '../../support/postgres/contents.ts';
import { endSessionAt } from '../../support/postgres/faults.ts';
import { reason, runSql, TestSchemas, unreachable } from '../../support/postgres/server.ts';

const schemas = new TestSchemas();
afterAll(() => schemas.drop());

const BEFORE = `enum S { A b }
  type Card @table(expiration: "900d") @audit @compositeIndex(fields: ["n", "s"]) {
    id: ID! @primaryKey title: String @indexed(type: "fulltext") mail: String @unique n: Int @indexed s: S }`;
/** Renames in place. */
const MOVED = `enum S { A b }
  type Task @table(expiration: "900d") @audit @renamedFrom(name: "Card") @compositeIndex(fields: ["count", "s"]) {
    id: ID! @primaryKey name: String @indexed(type: "fulltext") @renamedFrom(name: "title")
    mail: String @unique count: Int @indexed @renamedFrom(name: "n") s: S more: Int }`;
/** Copies the records: values change their names and types. */
const REBUILT = MOVED.replace('A b', 'a @renamedFrom(name: "A") b').replace('count: Int', 'count: Long');

async function stored(): Promise<StoreHarness> {
  const harness = await StoreHarness.open({ engine: schemas.engine(), isShared: true }, BEFORE);
  await harness.create('c1', 'One', 'a@x', 1, 'A');
  await harness.create('c2', 'Two', 'b@x', 2, 'b');
  const once = { key: JSON.stringify(['anonymous', 'Card', 'http', 'k']), hash: 'h' };
  await harness.commit({ once, writes: [harness.of({ type: 'delete', id: 'c2' })] });
  await harness.close();
  return harness;
}

describe.skipIf(unreachable !== undefined)(`a migration whose connection ends${reason}`, () => {
  test.each([
    ['renames in place', MOVED],
    ['copies the records', REBUILT],
  ])('at any statement leaves the old or the new when it %s', { timeout: 600_000 }, async (_, sdl) => {
    const harness = await stored();
    const { dir } = harness.options;
    const contents = () => schemaContents(schemas.of(dir));
    const old = await contents();
    let failed = 0;
    for (let number = 0; ; number++) {
      const fault = endSessionAt(number);
      const error = await harness.open(sdl).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      fault.end();
      await harness.close();
      if (!fault.isDone()) break;
      if (error !== undefined) failed++;
      const { name } = (
        await runSql(
          "SELECT max(tablename) AS name FROM pg_tables WHERE schemaname = $1 AND tablename IN ('data/card', 'data/task')",
          [schemas.of(dir)],
        )
      )[0] as { name: string };
      if (name === 'data/task') break;
      expect(await contents()).toEqual(old);
    }
    expect(failed).toBeGreaterThan(15);
    await harness.open(sdl);
    expect(await harness.records()).toMatchObject([{ id: 'c1', name: 'One', mail: 'a@x', count: 1 }]);
    expect(await harness.ids('name=ft=one')).toBe('c1');
    const once = { key: JSON.stringify(['anonymous', 'Task', 'http', 'k']), hash: 'h' };
    expect(await harness.store.isStored(once)).toBe(true);
  });
});
