import { describe, expect, test } from 'vitest';
import { startServer } from '../../support/app.ts';
import { DataFolder, recordsOf } from './harness.ts';

const SCHEMA = `
  type Part { sku: String! count: Int }
  type Task @table @export { id: Int! @primaryKey title: String done: Boolean l: Long part: Part extra: JSON }`;

/** A position, and the export of that time. */
interface Kept {
  readonly position: number;
  readonly whole: string;
  readonly open: string;
}

describe('tablecast export --at', () => {
  test('is byte by byte the export of that time, whatever was written since', { timeout: 120_000 }, async () => {
    const folder = await DataFolder.make(SCHEMA);
    await using server = await startServer({ dir: folder.dir });
    const exported = async (...more: readonly string[]) => {
      const found = await folder.run('export', folder.dir, '--table', 'Task', ...more);
      expect([found.code, found.stderr.replace(/\d+ records?/, 'N records').replace(/n \d+/, 'n N')]).toEqual([
        0,
        'Task: N records at position N\n',
      ]);
      return found.stdout;
    };
    const kept: Kept[] = [];
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 25; i++) {
        const id = (round * 7 + i * 5) % 40;
        const title = `${round}/${i}`;
        if (i % 5 === 4) await server.ask('DELETE', `Task/${id}`);
        else if (i % 5 === 3) await server.ask('PATCH', `Task/${id}`, { json: { done: round % 2 === 0, extra: [i] } });
        else
          await server.put(`Task/${id}`, {
            title,
            done: i % 2 === 0,
            l: '9007199254740993',
            part: { sku: 'é', count: i },
          });
      }
      const whole = await exported();
      const { $export } = JSON.parse(whole.slice(0, whole.indexOf('\n')));
      kept.push({
        position: $export.position,
        whole,
        open: await exported('--filter', 'done==false&part.count=lt=20'),
      });
    }
    for (const { position, whole, open } of kept) {
      expect(await exported('--at', String(position))).toBe(whole);
      expect(await exported('--at', String(position), '--filter', 'done==false&part.count=lt=20')).toBe(open);
    }
    expect(new Set(kept.map(({ whole }) => recordsOf(whole))).size).toBe(kept.length);
    const before = await exported('--at', String(await firstPosition(folder)));
    expect(recordsOf(before)).toBe('');
  });

  test('leaves hidden fields out, in CSV the column too', async () => {
    const folder = await DataFolder.make(
      'type User @table @export { id: ID! @primaryKey name: String pin: Int @hidden }',
    );
    const file = await folder.write(
      'User.ndjson',
      '{"id":"a","name":"Ada","pin":1}\n{"id":"b","name":"Bob","pin":2}\n',
    );
    expect(await folder.run('import', file, folder.dir)).toMatchObject({ code: 0 });
    const position = String(folder.query('SELECT max(seq) FROM "data/User:log"')[0]?.[0]);
    await using server = await startServer({ dir: folder.dir });
    await server.ask('PATCH', 'User/a', { json: { name: 'Ada L.' } });
    const args = ['export', folder.dir, '--table', 'User', '--at', position];
    const { stdout } = await folder.run(...args);
    expect(recordsOf(stdout)).toBe('{"id":"a","name":"Ada"}\n{"id":"b","name":"Bob"}\n');
    expect((await folder.run(...args, '--format', 'csv')).stdout).toBe('id,name\r\na,Ada\r\nb,Bob\r\n');
  });

  test('names the oldest position where the log does not reach back, and the newest before one that has not come', async () => {
    const folder = await DataFolder.make('type Task @table @export { id: ID! @primaryKey done: Boolean }');
    await using server = await startServer({ dir: folder.dir });
    await server.put('Task/a', { done: false });
    const newest = Number((await server.ask('GET', 'Task')).headers.get('x-position'));
    const oldest = await firstPosition(folder);
    const at = (position: number | string) =>
      folder.run('export', folder.dir, '--all', '--out', folder.path('out'), '--at', String(position));
    expect(await at(oldest - 1)).toMatchObject({
      code: 1,
      stderr: `the log of Task does not reach back to position ${oldest - 1}; the oldest one is ${oldest}.\n`,
    });
    expect(await at(newest + 1)).toMatchObject({
      code: 1,
      stderr: `--at ${newest + 1} is after the newest position, ${newest}.\n`,
    });
    expect(await at('yesterday')).toMatchObject({ code: 2, stderr: expect.stringContaining('is not a position') });
    expect(await at(oldest)).toMatchObject({ code: 0 });
  });

  test('refuses a filter over related records', async () => {
    const folder = await DataFolder.make(`
      type Board @table @export { id: ID! @primaryKey name: String }
      type Task @table @export { id: ID! @primaryKey boardId: ID board: Board @relationship(from: "boardId") }`);
    await using server = await startServer({ dir: folder.dir });
    await server.put('Task/a', { boardId: null });
    const args = ['--table', 'Task', '--at', String(await firstPosition(folder)), '--filter', 'board.name==x'];
    expect(await folder.run('export', folder.dir, ...args)).toMatchObject({
      code: 1,
      stderr: '--at works with a --filter over fields of the table itself only.\n',
    });
  });
});

/** The oldest position of the log of Task. */
async function firstPosition(folder: DataFolder): Promise<number> {
  return Number(folder.query("SELECT value FROM tablecast_meta WHERE key = 'floor:data/Task'")[0]?.[0]);
}
