import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { startServer, type TestServer } from '../support/app.ts';

const RECORDS = 8000;
const type = (directives: string, fields: string) =>
  `type T @table ${directives} @export { id: ID! @primaryKey room: String n: Int text: String ${fields} }`;
const BEFORE = type('', '');
const AFTER = type(
  '@compositeIndex(fields: ["room", "n"], unique: true)',
  'all: String @computed(from: "room + text") @indexed(type: "fulltext")',
);

/** What there is of the new schema: nothing or everything. */
function stateOf(server: TestServer): string {
  const db = new Database(join(server.dir, 'data', 'data.db'));
  try {
    const count = (sql: string) => db.prepare(sql).pluck().get() as number;
    const columns = db.prepare('PRAGMA table_info("data/T")').all() as { name: string }[];
    const objects = count(
      `SELECT count(*) FROM sqlite_master WHERE name IN ('data/T.room,n', 'data/T.all:docs', 'data/T.all:words')`,
    );
    const saved = count(`SELECT value LIKE '%compositeIndexes%' FROM tablecast_meta WHERE key = 'schema'`);
    const hasColumn = columns.some(({ name }) => name === 'all');
    const words = objects === 3 ? count('SELECT count(*) FROM "data/T.all:docs"') : 0;
    const filled = hasColumn ? count('SELECT count("all") FROM "data/T"') : 0;
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
    expect(count('SELECT count(*) FROM "data/T"')).toBe(RECORDS);
    return JSON.stringify([hasColumn, objects, saved, words, filled]);
  } finally {
    db.close();
  }
}

const OLD = JSON.stringify([false, 0, 0, 0, 0]);
const NEW = JSON.stringify([true, 3, 1, RECORDS, RECORDS]);

test('killed in mid-migration the data is as before or as the new schema wants it', {
  timeout: 120_000,
}, async () => {
  await using server = await startServer({ schema: BEFORE });
  for (let start = 0; start < RECORDS; start += 1000) {
    const json = Array.from({ length: 1000 }, (_, index) => {
      const n = start + index;
      return { id: `${n}`, room: `r${n % 7}`, n, text: `words of number ${n} are many ${'and more '.repeat(5)}` };
    });
    expect((await server.ask('POST', 'T', { json })).status).toBe(201);
  }
  await server.stop();
  await writeFile(join(server.dir, 'schema.graphql'), AFTER);
  let wasOld = 0;
  for (let delay = 40; delay <= 1240 && stateOf(server) === OLD; delay += 60) {
    const started = server.start().then(
      () => true,
      () => false,
    );
    await Promise.race([started, new Promise((resolve) => setTimeout(resolve, delay))]);
    await server.kill();
    await started;
    const state = stateOf(server);
    expect([OLD, NEW]).toContain(state);
    if (state === OLD) wasOld += 1;
  }
  expect(wasOld).toBeGreaterThan(0);
  await server.start();
  const found = await server.ask('GET', 'T?all=ft=7999&select=room');
  expect(found.records).toEqual([{ id: '7999', room: 'r5' }]);
  await server.stop();
  expect(stateOf(server)).toBe(NEW);
});
