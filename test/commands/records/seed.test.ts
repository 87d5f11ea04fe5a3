import { describe, expect, test } from 'vitest';
import { startServer } from '../../support/app.ts';
import { WsClient } from '../../support/ws-client.ts';
import { DataFolder } from './harness.ts';

const SCHEMA = `enum State { open done }
  type Task @table @export {
    id: ID! @primaryKey
    title: String!
    boardId: ID! @indexed
    board: Board @relationship(from: "boardId")
    state: State
    tags: [String!]
    made: Date @createdTime
  }
  type Board @table @export { id: ID! @primaryKey name: String! @unique size: Int }`;

describe('tablecast seed', () => {
  test('writes the files in the order of their relations, and nothing the second time', async () => {
    const folder = await DataFolder.make(SCHEMA);
    await folder.write('seed/Task.json', '[{"id":"t1","title":"One","boardId":"b1","state":"open"}]');
    await folder.write('seed/Board.csv', 'id,name\r\nb1,First\r\n');
    await using server = await startServer({ dir: folder.dir });
    using client = await WsClient.subscribe(server.wsUrl('Task'));
    const first = await folder.run('seed', folder.dir);
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(first.stdout).toBe(
      'Board: 1 record: 1 created, 0 updated, 0 unchanged\nTask: 1 record: 1 created, 0 updated, 0 unchanged\n',
    );
    expect(await client.changes.next(() => true)).toMatchObject({ data: { id: 't1', title: 'One', state: 'open' } });
    const position = async () => (await server.ask('GET', 'Task')).headers.get('x-position');
    const before = await position();
    const second = await folder.run('seed', folder.dir);
    expect(second.stdout).toContain('Task: 1 record: 0 created, 0 updated, 1 unchanged');
    expect(await position()).toBe(before);
  });

  test('writes the records of seed.ts after the files, from lists and generators, and nothing the second time', async () => {
    const folder = await DataFolder.make(SCHEMA);
    await folder.write('seed/Board.json', '[{"id":"b1","name":"First"}]');
    await folder.write('made.ts', 'export const NAMES: readonly string[] = ["Second", "Third"];');
    await folder.write(
      'seed.ts',
      `import { NAMES } from './made.ts';
      export default async () => ({
        Task: (function* () { for (let n = 0; n < 300; n++) yield { id: 't' + n, title: 'Task ' + n, boardId: 'b2' }; })(),
        Board: NAMES.map((name, index) => ({ id: 'b' + (index + 2), name })),
      });`,
    );
    expect(await folder.run('seed', folder.dir)).toMatchObject({
      code: 0,
      stderr: '',
      stdout: [
        'Board: 1 record: 1 created, 0 updated, 0 unchanged\n',
        'Board: 2 records: 2 created, 0 updated, 0 unchanged\n',
        'Task: 300 records: 300 created, 0 updated, 0 unchanged\n',
      ].join(''),
    });
    expect((await folder.run('seed', folder.dir)).stdout).toContain(
      'Task: 300 records: 0 created, 0 updated, 300 unch',
    );
  });

  test.each([
    ['export const x = 1;', 'seed.ts needs a default export'],
    ['export default [1];', 'seed.ts needs a default export'],
    ['export default { Bord: [] };', 'there is no table "Bord"; did you mean "Board"?'],
    ['export default { Board: 5 };', 'seed.ts: Board needs a list of records'],
    ['export default {', 'does not parse'],
    ['export default () => { throw new Error("no words"); };', 'no words'],
  ])('with the module %j says what is wrong', async (text, message) => {
    const folder = await DataFolder.make(SCHEMA);
    await folder.write('seed.ts', text);
    // Errors are found before anything is removed.
    const found = await folder.run('seed', folder.dir, '--reset');
    expect([found.code, found.stdout, found.stderr]).toEqual([2, '', expect.stringContaining(message)]);
  });

  test('makes records that meet constraints, formats and rules', async () => {
    const formats = ['email', 'uri', 'uuid', 'date', 'time', 'date-time', 'hostname', 'ipv4', 'ipv6', 'slug'];
    const fields = formats.map((name) => `${name.replace('-', '')}Text: String! @constraint(format: "${name}")`);
    const folder = await DataFolder.make(`type Event @table @export
      @check(rule: "endsAt > startsAt") @check(rule: "seats >= booked") {
        id: ID! @primaryKey @constraint(pattern: "^[A-Z]{2}-\\\\d{6}$")
        title: String! @constraint(minLength: 12, maxLength: 20)
        short: String! @unique @constraint(maxLength: 6)
        code: String! @constraint(pattern: "^(?:lo|hi)gh?[^a-z\\\\s]+\\\\.(x|y){2,3}$")
        price: Float! @constraint(exclusiveMin: 0, max: 2, multipleOf: 0.05)
        ratio: Float! @constraint(exclusiveMin: 0.2, exclusiveMax: 0.205)
        seats: Int! @constraint(min: 1, max: 50)
        booked: Int! @constraint(min: 0)
        even: Long! @constraint(exclusiveMin: -4, multipleOf: 2)
        tags: [String!]! @constraint(minItems: 2, maxItems: 3, uniqueItems: true, maxLength: 4)
        startsAt: Date!
        endsAt: Date!
        madeAt: Date @createdTime
        before: ID
        earlier: Event @relationship(from: "before")
        ${fields.join('\n')}
      }`);
    const made = await folder.run('seed', folder.dir, '--generate', '200');
    // Constraints hold for every writer: what breaks one would be refused.
    expect(made).toMatchObject({ code: 0, stderr: '' });
    expect(folder.query('SELECT count(*) FROM "data/Event"')).toEqual([[200]]);
    expect(folder.query('SELECT count(*) FROM "data/Event" WHERE before IS NOT NULL')).not.toEqual([[0]]);
    expect(folder.query('SELECT count(DISTINCT seats) > 20 FROM "data/Event"')).toEqual([[1]]);
  });

  test('makes records that fit the schema, the same for the same number', async () => {
    const folder = await DataFolder.make(SCHEMA);
    const made = await folder.run('seed', folder.dir, '--generate', '300', '--random-seed', '7');
    expect(made).toMatchObject({ code: 0, stderr: '' });
    const read = () => folder.query('SELECT id, title, boardId, state, tags FROM "data/Task" ORDER BY id');
    const records = read();
    expect(records).toHaveLength(300);
    expect(folder.query('SELECT count(*) FROM "data/Task" WHERE boardId NOT IN (SELECT id FROM "data/Board")')).toEqual(
      [[0]],
    );
    const again = await folder.run('seed', folder.dir, '--generate', '300', '--random-seed', '7');
    expect(again.stdout).toContain('Task: 300 records: 0 created, 0 updated, 300 unchanged');
    await folder.wipe();
    await folder.run('seed', folder.dir, '--generate', '300', '--random-seed', '7');
    expect(read()).toEqual(records);
    const other = await folder.run('seed', folder.dir, '--generate', '300', '--random-seed', '8', '--reset');
    expect(other.stdout).toContain('Task: 300 records removed');
    expect(read()).not.toEqual(records);
  });

  test('removes nothing of a server that others use, unless that is meant', async () => {
    const config = 'rest: true\nschemas: [schema.graphql]\nport: 0\nhost: 0.0.0.0\nauth: none\n';
    const folder = await DataFolder.make(SCHEMA, config);
    await folder.run('seed', folder.dir, '--generate', '2');
    const refused = await folder.run('seed', folder.dir, '--generate', '1', '--reset');
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('add --yes')]);
    expect(folder.query('SELECT count(*) FROM "data/Task"')).toEqual([[2]]);
    expect((await folder.run('seed', folder.dir, '--generate', '1', '--reset', '--yes')).code).toBe(0);
    expect(folder.query('SELECT count(*) FROM "data/Task"')).toEqual([[1]]);
  });

  test.each([
    [[], 2, 'Write seed/<Table>.json there, or seed.ts'],
    [['--generate', 'x'], 2, '--generate "x" is not a number'],
    [['--random-seed', '-1'], 2, '--random-seed'],
  ])('with %j says what is wrong', async (args, code, message) => {
    const folder = await DataFolder.make(SCHEMA);
    const found = await folder.run('seed', folder.dir, ...args);
    expect([found.code, found.stdout, found.stderr]).toEqual([code, '', expect.stringContaining(message)]);
  });

  test('names a record of a file that does not fit', async () => {
    const folder = await DataFolder.make(SCHEMA);
    await folder.write('seed/Board.json', '[{"name":"no key"}]');
    const found = await folder.run('seed', folder.dir);
    expect([found.code, JSON.parse(found.stderr)]).toMatchObject([
      1,
      { table: 'Board', row: 1, errors: [{ field: 'id', message: expect.stringContaining('is required') }] },
    ]);
  });
});
