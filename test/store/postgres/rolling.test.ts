import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { StoreOpenError } from '../../../src/store/open-errors.ts';
import type { Write } from '../../../src/store/rows/write.ts';
import type { Cell, Store, StoreOptions } from '../../../src/store/store.ts';
import { planOf } from '../../schema/mistakes.ts';
import { StoreHarness } from '../../suites/store/harness.ts';
import { endSessionAt } from '../../support/postgres/faults.ts';
import { PostgresProxy } from '../../support/postgres/proxy.ts';
import { reason, runSql, TEST_URL, TestSchemas, unreachable } from '../../support/postgres/server.ts';
import { meanwhile } from '../../support/wait.ts';

const schemas = new TestSchemas();
afterAll(() => schemas.drop());

const OLD = 'enum Kind { A B } type T @table { id: ID! @primaryKey name: String @unique n: Int kind: Kind }';
const fields = (more: string) => OLD.replace('kind: Kind', `kind: Kind ${more}`);
const NEW = `${fields('more: Int @indexed level: Int! @default(value: 7) tags: [String]')}
  type U @table { id: ID! @primaryKey }`;

/** The other server goes on: waiting for its end is in vain. */
const quick = () => schemas.engine(TEST_URL, { maxClaimMs: 200 });

/** A server with another schema beside that of the harness. */
async function beside(one: StoreHarness, sdl: string, options: Partial<StoreOptions> = {}, engine = quick()) {
  const notices: string[] = [];
  const plan = planOf(sdl);
  const onNotice = (sentence: string) => notices.push(sentence);
  const store = await engine.openRecords(plan, { ...one.options, onNotice, ...options });
  onTestFinished(async () => void (await store.close()));
  const [table] = plan.tables;
  if (table === undefined) throw new Error('The schema has no table.');
  const patch = (id: string, values: Readonly<Record<string, Cell>>): Write => {
    const cells = table.fields.map(({ name }) => values[name]);
    return { type: 'patch', table, id, cells };
  };
  return { store, table, notices, patch };
}

async function write(store: Store, ...writes: readonly Write[]): Promise<void> {
  const { results } = await store.commit(writes.map((one) => [one]));
  for (const result of results) if (result instanceof Error) throw result;
}

const open = () => StoreHarness.open({ engine: schemas.engine(), isShared: true }, OLD);

describe.skipIf(unreachable !== undefined)(`a server with a schema that only adds something${reason}`, () => {
  test('starts beside one that runs, and says what it has added', async () => {
    const old = await open();
    await old.create('a', 'x', 1, 'A');
    const { store, table, notices } = await beside(old, NEW);
    expect(notices).toEqual([
      'add column data.T.more (null in existing records)',
      'create an index of data.T.more',
      'add column data.T.level (existing records get its default)',
      'add column data.T.tags (null in existing records)',
      'create table data.U',
      'servers with the earlier schema go on beside this one',
    ]);
    const record = { id: 'a', name: 'x', n: 1, kind: 'A', more: null, level: 7, tags: null };
    expect((await store.page(table, undefined, 9)).map(({ json }) => JSON.parse(json))).toEqual([record]);
    expect(await old.records()).toEqual([{ id: 'a', name: 'x', n: 1, kind: 'A' }]);
    const made = await runSql('SELECT indexname FROM pg_indexes WHERE schemaname = $1 AND indexname = $2', [
      schemas.of(old.options.dir),
      'data/t.more',
    ]);
    expect(made).toHaveLength(1);
  });

  test('has whole records of every change that the other one makes', async () => {
    const old = await open();
    await old.create('a', 'x', 1, 'A');
    const { store, table, patch } = await beside(old, NEW);
    const start = await store.currentSeq();
    expect(store.resumeFloor(table)).toBe(start);
    await old.create('b', 'y', 2);
    await write(store, patch('a', { more: 5, tags: '["p"]' }));
    await old.patch('a', 'z');
    await old.put('a', 'z', 3, 'B');
    await old.delete('a');
    await store.currentSeq();
    const log = await store.readLog(table, start, 99);
    const told = log.map(({ op, data, before }) => [op, JSON.parse(data), before && JSON.parse(before)]);
    const more = { id: 'a', name: 'x', n: 1, kind: 'A', more: 5, level: 7, tags: ['p'] };
    const b = { id: 'b', name: 'y', n: 2, kind: null, more: null, level: 7, tags: null };
    expect(told).toEqual([
      ['create', b, null],
      ['update', more, { more: null, tags: null }],
      ['update', { ...more, name: 'z' }, { name: 'x' }],
      ['update', { ...more, name: 'z', n: 3, kind: 'B' }, { n: 1, kind: 'A' }],
      ['delete', { id: 'a' }, { ...more, name: 'z', n: 3, kind: 'B' }],
    ]);
    expect((await store.readLogBack(table, Number.MAX_SAFE_INTEGER, 2)).map(({ before }) => before)).toEqual(
      log
        .slice(-2)
        .reverse()
        .map(({ before }) => before),
    );
    const known = await old.log(start);
    expect(known.map(({ seq, op, id }) => [seq, op, id])).toEqual(log.map(({ seq, op, id }) => [seq, op, id]));
  });

  test('lets the other one write on after its connection was lost, and one with the earlier schema start', async () => {
    const old = await open();
    await beside(old, NEW);
    const ended = () =>
      runSql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tablecast' AND query LIKE $1",
        ['%COMMIT%'],
      );
    await old.create('a', 'x');
    await ended();
    await expect
      .poll(
        () =>
          old.create('b', 'y').then(
            () => 'done',
            () => 'again',
          ),
        { timeout: 20_000 },
      )
      .toBe('done');
    const third = await beside(old, OLD);
    expect(third.notices).toEqual(['start beside servers with a later schema, and leave the tables as they are']);
    await write(third.store, third.patch('a', { n: 9 }));
    expect(await old.records()).toMatchObject([{ id: 'a', n: 9 }, { id: 'b' }]);
  });

  test('starts while the other one writes without a pause, and none of these writes fails', async () => {
    const old = await open();
    let isOver = false;
    let count = 0;
    const writing = meanwhile(async () => {
      while (!isOver) {
        const id = `r${count++}`;
        await old.create(id, id, 1);
        await old.patch(id, `${id}.`);
      }
    });
    while (count < 5) await pause(10);
    const { store, table } = await beside(old, NEW);
    const start = store.layoutSeq(table);
    const before = count;
    while (count < before + 5) await pause(10);
    isOver = true;
    await writing;
    await store.currentSeq();
    expect(await store.page(table, undefined, 100_000)).toHaveLength(count);
    const log = await store.readLog(table, start, 100_000);
    expect(log.length).toBeGreaterThan(8);
    expect(log.every(({ data }) => (JSON.parse(data) as { level?: number }).level === 7)).toBe(true);
  });

  test('leaves all as it was, or is started, whatever statement of it was the last one', {
    timeout: 600_000,
  }, async () => {
    const old = await open();
    await old.create('a', 'x', 1);
    let failed = 0;
    for (let number = 0; ; number++) {
      const fault = endSessionAt(number);
      const opening = async () => quick().openRecords(planOf(NEW), old.options);
      const started = await opening().catch((error: unknown) => {
        if (!(error instanceof StoreOpenError)) throw error;
      });
      fault.end();
      await started?.close();
      if (!fault.isDone()) break;
      if (started === undefined) failed++;
      await old.patch('a', `x${number}`);
      expect(await old.records()).toMatchObject([{ id: 'a', name: `x${number}` }]);
    }
    expect(failed).toBeGreaterThan(15);
    const { store, table } = await beside(old, NEW);
    expect((await store.page(table, undefined, 9)).map(({ json }) => JSON.parse(json))).toMatchObject([{ level: 7 }]);
    expect(await store.list(table, old.query('level==7&select=id', table))).toMatchObject({ json: '[{"id":"a"}]' });
  });
});

describe.skipIf(unreachable !== undefined)(`a server with a schema that changes something${reason}`, () => {
  test.each([
    ['drops a field', OLD.replace('n: Int', ''), 'drop column data.T.n with its values'],
    ['renames a field', OLD.replace('n: Int', 'm: Int @renamedFrom(name: "n")'), 'rename column data.T.n to m'],
    ['changes a type', OLD.replace('n: Int', 'n: Float'), 'change the type of data.T.n from Int to Float'],
    ['adds an enum value', OLD.replace('A B', 'A B C'), 'change the type of data.T.kind from enum (A, B)'],
    ['adds a unique field', fields('more: Int @unique'), 'make data.T.more unique'],
    ['adds a computed field', fields('more: Int @computed(from: "n + 1")'), 'add column data.T.more'],
    ['adds the time of the last change', fields('at: Date @updatedTime'), 'add column data.T.at'],
    ['adds a required field without a default', fields('more: Int!'), 'add required column data.T.more'],
    ['lets a field be null', OLD.replace('name: String', 'name: String!'), 'make data.T.name required'],
    ['adds a rule', OLD.replace('@table', '@table @check(rule: "n > 0")'), 'data.T'],
    ['adds a constraint', OLD.replace('n: Int', 'n: Int @constraint(min: 1)'), 'data.T.n'],
    [
      'hides a field from some',
      OLD.replace('@table', '@table @export').replace('n: Int', 'n: Int @access(read: "admin")'),
      'change rules, constraints or references of data.T',
    ],
    [
      'keeps references',
      `${OLD} type R @table { id: ID! @primaryKey t: String of: T @relationship(from: "t", onDelete: CASCADE) }`,
      'create table data.R',
    ],
  ])('is refused beside one that runs when it %s, and says so', async (_, sdl, sentence) => {
    const old = await open();
    await old.create('a', 'x', 1, 'A');
    const refused = beside(old, sdl, { allowDestructive: true }).catch((error: unknown) => error);
    const { message } = (await refused) as Error;
    expect(message).toMatch(/in use by another server with another schema \(connection \d+ from [\s\S]+cannot go on:/);
    expect(message).toContain(sentence);
    await old.patch('a', 'y');
    expect(await old.records()).toEqual([{ id: 'a', name: 'y', n: 1, kind: 'A' }]);
  });

  test('keeps a server out that was away while the tables were changed', async () => {
    await using proxy = await PostgresProxy.open();
    const old = await StoreHarness.open({ engine: schemas.engine(proxy.url), isShared: true }, OLD);
    await old.create('a', 'x', 1);
    await proxy.goAway();
    await beside(old, OLD.replace('n: Int', ''), { allowDestructive: true }, schemas.engine());
    await proxy.comeBack();
    await expect
      .poll(() => codeAndMessage(old.create('b', 'y')), { timeout: 20_000 })
      .toEqual(['STORAGE_BUSY', 'Another server has changed the tables of this schema; start this one again.']);
  });
});

async function codeAndMessage(made: Promise<unknown>): Promise<unknown> {
  const error = await made.catch((reason: unknown) => reason);
  const { code, message } = error as { code?: string; message?: string };
  return [code, message];
}
