import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import type { TablePlan } from '../../../src/schema/plan.ts';
import type { Change, StoreOptions } from '../../../src/store/store.ts';
import { planOf } from '../../schema/mistakes.ts';
import { StoreHarness } from '../../suites/store/harness.ts';
import { reason, runSql, TEST_URL, TestSchemas, unreachable } from '../../support/postgres/server.ts';

const schemas = new TestSchemas();
afterAll(() => schemas.drop());

const SDL = `
type T @table { id: ID! @primaryKey name: String @unique n: Int secret: String @hidden }
type U @table { id: ID! @primaryKey t: String }
`;

/** A store, and another program with a connection to its schema. */
async function openBoth(sdl = SDL, options: Partial<StoreOptions> = {}) {
  const harness = await StoreHarness.open({ engine: schemas.engine() }, sdl, options);
  const psql = await connect(schemas.of(harness.options.dir));
  const sql = async (text: string, params: readonly unknown[] = []) => (await psql.query(text, [...params])).rows;
  const read = async (...names: readonly string[]): Promise<readonly Change[]> => {
    await harness.store.currentSeq();
    const tables = names.length === 0 ? [harness.table] : names.map((name) => harness.tableNamed(name));
    const logs = await Promise.all(tables.map((table) => harness.store.readLog(table, 0, 1000)));
    return logs.flat().sort((a, b) => a.seq - b.seq);
  };
  return { harness, psql, sql, read };
}

async function connect(schema: string, url = TEST_URL): Promise<Client> {
  const client = new Client({ connectionString: url });
  await client.connect();
  onTestFinished(() => client.end());
  await client.query(`SET search_path TO "${schema}"`);
  return client;
}

function shown(changes: readonly Change[]) {
  return changes.map(({ op, id, data, before }) => [
    op,
    id,
    op === 'delete' ? null : JSON.parse(data),
    before === null ? null : JSON.parse(before),
  ]);
}

describe.skipIf(unreachable !== undefined)(`writes of another program to the database${reason}`, () => {
  test('are in the log as those of the server are, each with its record before', async () => {
    const { harness, sql, read } = await openBoth();
    await sql(`INSERT INTO "data/t" (id, name, n) VALUES ('a', 'é"', 1), ('b', NULL, 2)`);
    await sql(`UPDATE "data/t" SET n = n + 1, secret = 'x' WHERE id = 'a'`);
    await sql(`UPDATE "data/t" SET n = n WHERE id = 'b'`);
    await sql(`UPDATE "data/t" SET id = 'c' WHERE id = 'b'`);
    await sql(`DELETE FROM "data/t" WHERE id = 'a'`);
    const changes = await read();
    expect(shown(changes)).toEqual([
      ['create', 'a', { id: 'a', name: 'é"', n: 1 }, null],
      ['create', 'b', { id: 'b', name: null, n: 2 }, null],
      ['update', 'a', { id: 'a', name: 'é"', n: 2 }, { n: 1 }],
      ['delete', 'b', null, { id: 'b', name: null, n: 2 }],
      ['create', 'c', { id: 'c', name: null, n: 2 }, null],
      ['delete', 'a', null, { id: 'a', name: 'é"', n: 2 }],
    ]);
    expect((await harness.store.get(harness.table, 'c'))?.seq).toBe(changes[4]?.seq);
    const own = await harness.patch('c', 'z');
    expect(own.seq).toBeGreaterThan(changes[5]?.seq as number);
    expect(await read()).toHaveLength(7);
  });

  test('are one transaction at the place of their commit, without what was rolled back', async () => {
    const { harness, sql, read } = await openBoth();
    await sql('BEGIN');
    await sql(`INSERT INTO "data/t" (id) VALUES ('a')`);
    await harness.create('own');
    await sql('SAVEPOINT s');
    await sql(`INSERT INTO "data/t" (id) VALUES ('never')`);
    await sql('ROLLBACK TO s');
    await sql(`INSERT INTO "data/u" (id, t) VALUES ('u', 'a')`);
    expect((await read('T', 'U')).map(({ id }) => id)).toEqual(['own']);
    await sql('COMMIT');
    const [, ...changes] = await read('T', 'U');
    expect(changes.map(({ id }) => id)).toEqual(['a', 'u']);
    expect(changes.map(({ transaction }) => transaction)).toEqual([changes[1]?.seq, changes[1]?.seq]);
    await sql(`BEGIN`);
    await sql(`INSERT INTO "data/t" (id) VALUES ('none')`);
    await sql('ROLLBACK');
    expect(await read('T', 'U')).toHaveLength(3);
    expect(await sql('SELECT count(*)::int AS n FROM pending')).toEqual([{ n: 0 }]);
  });

  test('have the values that the server would have written, of every type', async () => {
    const { harness, sql, read } = await openBoth(`
enum Color { red green }
type Point { x: Float! label: String }
type T @table {
  id: ID! @primaryKey s: String i: Int l: Long f: Float b: Boolean d: Date j: JSON e: Color
  list: [String!] points: [Point!] at: Date @createdTime
}`);
    const at = '2024-05-06T07:08:09.010Z';
    const cells = ['own', 'a"\n€😀', -5, '9223372036854775807', 1e21, 1, at, '{"b":1,"a":[1,2]}', 'red', '["x"]'];
    await harness.create(...cells, '[{"x":0.1,"label":null}]');
    await sql(
      `INSERT INTO "data/t" (id, s, i, l, f, b, d, j, e, list, points) VALUES ('psql', $1, -5, 9223372036854775807, 1e21, true, '2024-05-06 09:08:09.01+02', $2, 'red', '["x"]', '[{"x": 1e-1}]')`,
      ['a"\n€😀', '{"b":1,\n"a":[1,2]}'],
    );
    const [own, other] = (await read()).map(({ data }) => JSON.parse(data) as Record<string, unknown>);
    expect(Date.parse(String(other?.at))).toBeGreaterThan(Date.now() - 60_000);
    expect({ ...other, at: own?.at }).toEqual({ ...own, id: 'psql' });
    const [, stored] = (await harness.records()) as Record<string, unknown>[];
    expect(stored).toEqual(other);
    // A line end would end a line of NDJSON.
    expect((await read()).every(({ data }) => !data.includes('\n'))).toBe(true);
  });

  test('get a key, the defaults and the times of the schema where they leave them out', async () => {
    const { harness, sql } = await openBoth(`type T @table {
  id: ID! @primaryKey title: String! @default(value: "it's") tags: [String!]! @default(value: ["a"])
  made: Date! @createdTime changed: Long! @updatedTime
}`);
    const [row] = await sql(`INSERT INTO "data/t" DEFAULT VALUES RETURNING id, title, changed`);
    expect(row).toMatchObject({ id: expect.stringMatching(/^[0-9a-f-]{36}$/), title: "it's" });
    await sql(`UPDATE "data/t" SET title = title`);
    expect(await harness.records()).toMatchObject([{ tags: ['a'], changed: Number(row?.changed) }]);
    await sql(`UPDATE "data/t" SET title = 'new'`);
    const [record] = (await harness.records()) as { changed: number }[];
    expect(record?.changed).toBeGreaterThan(Number(row?.changed));
  });

  test('are refused where the schema does not allow the value, and leave nothing', async () => {
    const { sql, read } = await openBoth(`
enum Color { red green }
type Point { x: Float! n: Int }
type T @table {
  id: ID! @primaryKey e: Color i: Int f: Float d: Date point: Point list: [Int!] j: JSON
  small: Int @constraint(min: 1, max: 9) text: String @constraint(maxLength: 3) need: String!
}`);
    const refused = async (columns: string, values: string) => {
      const insert = `INSERT INTO "data/t" (id, need, ${columns}) VALUES ('a', '', ${values})`;
      return sql(insert).then(
        () => 'stored',
        ({ code, message }) => `${code} ${message}`,
      );
    };
    expect(await refused('e', `'blue"'`)).toBe('23514 T.e must be one of red, green.');
    expect(await refused('i', '9007199254740992')).toBe('23514 T.i must be an integer within ±(2^53−1).');
    expect(await refused('d', `'infinity'`)).toMatch(/^23514 T.d must be a time/);
    expect(await refused('f', `'NaN'`)).toMatch(/^23514/);
    expect(await refused('point', `'{"n":1}'`)).toBe('23514 point.x must not be null.');
    expect(await refused('point', `'{"x":1,"z":1}'`)).toBe('23514 point.z is not a field of this type.');
    expect(await refused('list', `'[1,"2"]'`)).toMatch(/^23514 list\[1\] must be an integer/);
    expect(await refused('list', `'[null]'`)).toBe('23514 list[0] must not be null.');
    expect(await refused('j', `'["\\u0000"]'`)).toMatch(/^22P05/);
    expect(await refused('small', '10')).toBe('23514 T.small must be at most 9.');
    expect(await refused('text', `'abcd'`)).toMatch(/^23514 T.text/);
    await expect(sql(`INSERT INTO "data/t" (id) VALUES ('a')`)).rejects.toMatchObject({ code: '23502' });
    for (const key of ['', '..', 'a\nb', 'x'.repeat(2000)]) {
      await expect(sql(`INSERT INTO "data/t" (id, need) VALUES ($1, '')`, [key])).rejects.toMatchObject({
        code: '23514',
      });
    }
    expect(await read()).toEqual([]);
    expect(await refused('small', '9')).toBe('stored');
  });

  test('follow references, and are refused where a reference would be without its record', async () => {
    const { harness, sql, read } = await openBoth(`
type A @table { id: ID! @primaryKey }
type B @table { id: ID! @primaryKey aId: ID a: A @relationship(from: "aId", onDelete: CASCADE) }
type C @table { id: ID! @primaryKey aId: ID a: A @relationship(from: "aId", onDelete: SET_NULL) }
type D @table { id: ID! @primaryKey bId: ID b: B @relationship(from: "bId", onDelete: RESTRICT) }
`);
    const dangling = { code: '23503', message: 'B.aId must be the key of a record of A.' };
    await expect(sql(`INSERT INTO "data/b" (id, "aId") VALUES ('b', 'none')`)).rejects.toMatchObject(dangling);
    // In any order within a transaction.
    await sql(`BEGIN`);
    await sql(`INSERT INTO "data/b" (id, "aId") VALUES ('b', 'a')`);
    await sql(`INSERT INTO "data/a" (id) VALUES ('a'), ('kept')`);
    await sql(`INSERT INTO "data/c" (id, "aId") VALUES ('c', 'a')`);
    await sql(`INSERT INTO "data/d" (id, "bId") VALUES ('d', 'b')`);
    await sql(`COMMIT`);
    await expect(sql(`DELETE FROM "data/a"`)).rejects.toMatchObject({ code: '23503' });
    await sql(`DELETE FROM "data/d"`);
    await expect(sql(`UPDATE "data/a" SET id = 'other' WHERE id = 'a'`)).rejects.toMatchObject(dangling);
    await sql(`DELETE FROM "data/a" WHERE id = 'a'`);
    expect(
      (await read('A', 'B', 'C', 'D'))
        .slice(-3)
        .map(({ op, id }) => `${op} ${id}`)
        .sort(),
    ).toEqual(['delete a', 'delete b', 'update c']);
    expect(await harness.records(harness.tableNamed('C'))).toEqual([{ id: 'c', aId: null }]);
  });

  test('find their words, expire, and are in the audit log', async () => {
    const { harness, sql, read } = await openBoth(`type T @table(expiration: 60) @audit {
  id: ID! @primaryKey text: String @indexed(type: "fulltext") tags: [String!] @indexed(type: "fulltext")
  until: Date @expiresAt secret: String @hidden
}`);
    const texts = ['Straße ΣΊΣΥΦΟΣ', 'naïve Ünïcödé x2', 'ﬁne 漢字 ½ 3.5', '   ', `${'w'.repeat(600)} ok`];
    for (const [place, text] of texts.entries()) {
      await harness.create(`own${place}`, text, JSON.stringify([text, 'tag']));
      await sql(`INSERT INTO "data/t" (id, text, tags) VALUES ($1, $2, $3)`, [
        `psql${place}`,
        text,
        JSON.stringify([text, 'tag']),
      ]);
    }
    const words = await sql(
      `SELECT count(*)::int AS n FROM "data/t" o JOIN "data/t" p ON replace(o.id, 'own', 'psql') = p.id AND o.id <> p.id
      WHERE o."text:words" IS NOT DISTINCT FROM p."text:words" AND o."tags:words" = p."tags:words"`,
    );
    expect(words).toEqual([{ n: texts.length }]);
    expect(await harness.ids('text=ft=strasse')).toBe('own0 psql0');
    await sql(`UPDATE "data/t" SET until = '2020-01-01', secret = 's' WHERE id = 'psql0'`);
    expect(await harness.store.expired(harness.table, Date.now(), 9)).toEqual(['psql0']);
    const expired = await harness.store.expired(harness.table, Date.now() + 61_000, 99);
    expect(expired).toHaveLength(2 * texts.length);
    const page = await harness.store.audit?.page({ limit: 1, actor: 'database' });
    expect(page?.entries).toMatchObject([
      { id: 'psql0', op: 'update', table: 'data/T', by: { type: 'database', sub: 'postgres' } },
    ]);
    expect(JSON.parse(page?.entries[0]?.changes ?? '')).toEqual({
      until: { before: null, after: '2020-01-01T00:00:00.000Z' },
      secret: { hidden: true },
    });
    expect(page?.entries[0]?.seq).toBe((await read()).at(-1)?.seq);
  });

  test('may break rules that only the server evaluates: it finds them at its next write, and at a stricter schema', async () => {
    const sdl = (slug: string) => `type T @table @check(rule: "n > m") {
  id: ID! @primaryKey n: Int m: Int slug: String ${slug} tags: [String!] @constraint(maxLength: 3, uniqueItems: true)
}`;
    const { harness, sql, read } = await openBoth(sdl(''));
    await sql(`INSERT INTO "data/t" (id, n, m, slug, tags) VALUES ('a', 1, 2, 'No slug', '["long", "long"]')`);
    expect(await read()).toHaveLength(1);
    await expect(harness.patch('a', undefined, undefined, 'other')).rejects.toMatchObject({ code: 'VALIDATION_ERROR' });
    await harness.patch('a', 3);
    await harness.patch('a', undefined, undefined, 'Still none');
    // The schema that is stored has the rules already: nothing is read again.
    await harness.open(sdl(''));
    await expect(harness.open(sdl('@constraint(format: slug)'))).rejects.toThrow('"a": "Still none" must be a slug');
  });

  test('are refused for computed fields and what these are computed from', async () => {
    const { harness, sql } = await openBoth(
      'type T @table { id: ID! @primaryKey a: Int b: Int twice: Int @computed(from: "a * 2") }',
    );
    await harness.create('a', 1, 1);
    const refused = { code: '23514', message: expect.stringContaining('T.twice is a computed field') };
    await expect(sql(`INSERT INTO "data/t" (id) VALUES ('b')`)).rejects.toMatchObject(refused);
    await expect(sql(`UPDATE "data/t" SET a = 5`)).rejects.toMatchObject(refused);
    await sql(`UPDATE "data/t" SET b = 5`);
    expect(await harness.records()).toEqual([{ id: 'a', a: 1, b: 5, twice: 2 }]);
  });

  test('may be COPY, TRUNCATE and INSERT … ON CONFLICT, up to a size', async () => {
    const options = { externalWrites: { mode: 'publish', maxRecords: 50, maxKeyLength: 100 } } as const;
    const { harness, sql, read } = await openBoth(SDL, options);
    await sql(`INSERT INTO "data/t" (id, n) SELECT 'k' || n, n FROM generate_series(1, 50) AS n`);
    const large = { code: '54000' };
    await expect(
      sql(`INSERT INTO "data/t" (id) SELECT 'm' || n FROM generate_series(1, 51) AS n`),
    ).rejects.toMatchObject(large);
    await sql('BEGIN');
    await sql(`INSERT INTO "data/t" (id) SELECT 'm' || n FROM generate_series(1, 30) AS n`);
    await sql(`DELETE FROM "data/t" WHERE n > 20`);
    await expect(sql('COMMIT')).rejects.toMatchObject(large);
    await sql(
      `INSERT INTO "data/t" (id, n) VALUES ('k1', 7), ('k1b', 8) ON CONFLICT (id) DO UPDATE SET n = excluded.n`,
    );
    const changes = await read();
    expect(
      changes
        .slice(50)
        .map(({ op, id }) => `${op} ${id}`)
        .sort(),
    ).toEqual(['create k1b', 'update k1']);
    await sql(`DELETE FROM "data/t" WHERE id = 'k50'`);
    await sql('TRUNCATE "data/t"');
    expect((await read()).slice(-50).every(({ op }) => op === 'delete')).toBe(true);
    expect(await harness.records()).toEqual([]);
  });

  test('need rights to the table alone', async () => {
    const { harness, sql, read } = await openBoth();
    const role = `tablecast_test_${randomBytes(5).toString('hex')}`;
    const schema = schemas.of(harness.options.dir);
    await sql(`CREATE ROLE ${role} LOGIN`);
    onTestFinished(async () => {
      await runSql(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`);
    });
    await sql(`GRANT USAGE ON SCHEMA "${schema}" TO ${role}`);
    await sql(`GRANT SELECT, INSERT, UPDATE ON "data/t" TO ${role}`);
    await sql(`SET ROLE ${role}`);
    await sql(`INSERT INTO "data/t" (id) VALUES ('a')`);
    await expect(sql(`INSERT INTO log (seq, tbl, op, batch) VALUES (1, 1, 1, 1)`)).rejects.toMatchObject({
      code: '42501',
    });
    await expect(
      sql(
        'CREATE TEMP TABLE x (xid xid8); CREATE TRIGGER t AFTER INSERT ON x FOR EACH ROW EXECUTE FUNCTION publish_pending()',
      ),
    ).rejects.toMatchObject({ code: '42501' });
    expect((await read()).map(({ id }) => id)).toEqual(['a']);
  });

  test('are refused where the configuration says so, and published again where it does not', async () => {
    const refuse = { externalWrites: { mode: 'refuse', maxRecords: 50, maxKeyLength: 100 } } as const;
    const { harness, sql, read } = await openBoth(SDL, refuse);
    for (const write of [`INSERT INTO "data/t" (id) VALUES ('a')`, 'DELETE FROM "data/t"', 'TRUNCATE "data/t"']) {
      await expect(sql(write)).rejects.toMatchObject({
        code: '42501',
        message: expect.stringContaining('external_writes'),
      });
    }
    await harness.create('own');
    await harness.open(SDL);
    await sql(`INSERT INTO "data/t" (id) VALUES ('a')`);
    expect((await read()).map(({ id }) => id)).toEqual(['own', 'a']);
  });

  test('follow every change of the schema', async () => {
    const { harness, sql, read } = await openBoth();
    await harness.create('a', 'x', 1);
    // A column is added and one is converted, for which the table is made anew; a table goes, and one comes.
    const next = `type T @table { id: ID! @primaryKey name: String! @default(value: "d") n: String more: Int @default(value: 4) }
      type V @table { id: ID! @primaryKey }`;
    await harness.open(next, { allowDestructive: true });
    await sql(`INSERT INTO "data/t" (id, n) VALUES ('b', 'text')`);
    await sql(`INSERT INTO "data/v" (id) VALUES ('v')`);
    expect(shown(await read('T', 'V')).slice(-2)).toEqual([
      ['create', 'b', { id: 'b', name: 'd', n: 'text', more: 4 }, null],
      ['create', 'v', { id: 'v' }, null],
    ]);
    await sql(`INSERT INTO "data/u" (id) VALUES ('out of the schema')`);
    expect(await read('T', 'V')).toHaveLength(3);
    // A trigger that was dropped by hand is there again after a start.
    await sql(`DROP TRIGGER "tablecast insert" ON "data/t"`);
    await harness.open(next);
    await sql(`INSERT INTO "data/t" (id) VALUES ('c')`);
    expect((await read()).at(-1)?.id).toBe('c');
  });

  test('are those of a schema that grows while servers with the earlier one go on', async () => {
    const { harness, sql, read } = await openBoth(`${SDL} type Old @table @audit { id: ID! @primaryKey }`);
    const warnings: string[] = [];
    const options = { ...harness.options, onWarning: (text: string) => void warnings.push(text) };
    await sql(`INSERT INTO "data/t" (id, n) VALUES ('a', 1)`);
    // Under way while the schema grows: its change has the earlier fields.
    const pending = await connect(schemas.of(harness.options.dir));
    await pending.query(`BEGIN; INSERT INTO "data/u" (id) VALUES ('u')`);
    const plan = planOf(`
      type T @table { id: ID! @primaryKey name: String @unique n: Int secret: String @hidden more: Int @default(value: 4) tags: [Int!] }
      type U @table { id: ID! @primaryKey t: String } type V @table { id: ID! @primaryKey at: Date @createdTime }`);
    const later = await schemas.engine().openRecords(plan, options);
    onTestFinished(async () => void (await later.close()));
    await sql(`INSERT INTO "data/t" (id, tags) VALUES ('b', '[1, 2]')`);
    await sql(`UPDATE "data/t" SET more = 5 WHERE id = 'a'`);
    await sql(`INSERT INTO "data/v" (id) VALUES ('v')`);
    await sql(`INSERT INTO "data/old" (id) VALUES ('old')`);
    await pending.query('COMMIT');
    await expect(sql(`INSERT INTO "data/t" (id, tags) VALUES ('c', '["x"]')`)).rejects.toMatchObject({ code: '23514' });
    await later.currentSeq();
    const [t, u, v] = plan.tables as [TablePlan, TablePlan, TablePlan];
    const log = async (table: TablePlan) => shown(await later.readLog(table, later.layoutSeq(table), 99));
    expect(await log(t)).toEqual([
      ['create', 'b', { id: 'b', name: null, n: null, more: 4, tags: [1, 2] }, null],
      ['update', 'a', { id: 'a', name: null, n: 1, more: 5, tags: null }, { more: 4 }],
    ]);
    expect(await log(u)).toEqual([['create', 'u', { id: 'u', t: null }, null]]);
    expect(await log(v)).toMatchObject([['create', 'v', { at: expect.any(String) }, null]]);
    // The servers with the earlier schema serve what has left the later one.
    const [old] = await read('Old');
    expect((await harness.store.get(harness.tableNamed('Old'), 'old'))?.seq).toBe(old?.seq);
    expect((await harness.store.audit?.page({ limit: 1 }))?.entries).toMatchObject([{ table: 'data/Old', id: 'old' }]);
    // One more with the later schema finds all as it has to be.
    const another = await schemas.engine().openRecords(plan, options);
    await another.close();
    await sql(`UPDATE "data/t" SET tags = NULL`);
    await later.currentSeq();
    expect(warnings.every((text) => text.includes('the type Old has left the schema'))).toBe(true);
    expect((await log(t)).slice(2)).toMatchObject([['update', 'b', { more: 4, tags: null }, { tags: [1, 2] }]]);
  });

  test('are treated by the settings of the last server that started, also beside others', async () => {
    const { harness, sql, read } = await openBoth();
    const start = async (mode: 'publish' | 'refuse') => {
      const externalWrites = { mode, maxRecords: 50, maxKeyLength: 100 };
      const store = await schemas.engine().openRecords(planOf(SDL), { ...harness.options, externalWrites });
      await store.close();
    };
    await start('refuse');
    await expect(sql(`INSERT INTO "data/t" (id) VALUES ('a')`)).rejects.toMatchObject({ code: '42501' });
    await start('publish');
    await sql(`INSERT INTO "data/t" (id) VALUES ('b')`);
    expect((await read()).map(({ id }) => id)).toEqual(['b']);
  });

  test('wait for a record that a write of the server holds, and let others pass', async () => {
    const { harness, sql, read } = await openBoth();
    await harness.create('a', 'x', 1);
    await sql('BEGIN');
    await sql(`UPDATE "data/t" SET n = 2 WHERE id = 'a'`);
    await expect(harness.patch('a', 'y')).rejects.toMatchObject({ code: 'STORAGE_BUSY' });
    await harness.create('b');
    await sql('COMMIT');
    await harness.patch('a', 'y');
    expect(shown(await read()).map(([op, id, , before]) => [op, id, before])).toEqual([
      ['create', 'a', null],
      ['create', 'b', null],
      ['update', 'a', { n: 1 }],
      ['update', 'a', { name: 'x' }],
    ]);
  });
});
