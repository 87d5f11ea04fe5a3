import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { StoreHarness } from '../../suites/store/harness.ts';
import { reason, runSql, TEST_URL, TestSchemas, unreachable } from '../../support/postgres/server.ts';

const schemas = new TestSchemas();
afterAll(() => schemas.drop());

const SDL = `type T @table @audit { id: ID! @primaryKey name: String @unique words: String @indexed(type: "fulltext") }`;
const noTools = ((): string => {
  try {
    execFileSync('pg_dump', ['--version']);
    return '';
  } catch {
    return ': pg_dump is not there';
  }
})();

describe.skipIf(unreachable !== undefined || noTools !== '')(`a dump of a schema${reason}${noTools}`, () => {
  test('is restored with records, log, audit log and indexes, and later positions are unknown', async () => {
    const harness = await StoreHarness.open({ engine: schemas.engine(), isShared: true }, SDL);
    const dir = mkdtempSync(join(tmpdir(), 'tablecast-dump-'));
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
    const file = join(dir, 'monday.dump');
    const schema = schemas.of(harness.options.dir);
    await harness.create('a', 'x', 'red');
    await harness.patch('a', 'y');
    const before = await harness.log();
    // The server runs meanwhile.
    execFileSync('pg_dump', ['--format', 'custom', '--schema', schema, '--file', file, TEST_URL]);
    const { seq: lost } = await harness.create('b', 'z', 'blue');
    await harness.close();
    await runSql(`DROP SCHEMA "${schema}" CASCADE`);
    execFileSync('pg_restore', ['--dbname', TEST_URL, file]);
    await harness.open(SDL);
    expect(harness.notices).toEqual([]);
    expect(await harness.records()).toEqual([{ id: 'a', name: 'y', words: 'red' }]);
    expect((await harness.log()).map(({ seq, data }) => [seq, data])).toEqual(
      before.map(({ seq, data }) => [seq, data]),
    );
    expect(await harness.ids('words=ft=red')).toBe('a');
    expect((await harness.store.audit?.page({ limit: 9 }))?.entries).toHaveLength(2);
    const { seq } = await harness.create('c', 'v', null);
    expect(seq).toBeGreaterThan(before.at(-1)?.seq ?? 0);
    expect(await harness.store.wasIssued(lost)).toBe(false);
    expect(await harness.store.wasIssued(before.at(-1)?.seq ?? 0)).toBe(true);
    await expect(harness.create('d', 'v')).rejects.toMatchObject({ code: 'CONFLICT' });
  });
});
