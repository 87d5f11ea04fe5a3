import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { startServer } from '../../support/app.ts';
import { meanwhile } from '../../support/wait.ts';
import { WsClient } from '../../support/ws-client.ts';
import { DataFolder } from './harness.ts';

const SCHEMA = 'type Note @table @export { id: ID! @primaryKey n: Int! text: String @indexed(type: "fulltext") }';
const CONFIG = 'rest: true\nws: true\nschemas: [schema.graphql]\nport: 0\nhost: 127.0.0.1\n';

describe('a backup', () => {
  test('made under writes is whole, and a part of the history', { timeout: 120_000 }, async () => {
    const folder = await DataFolder.make(SCHEMA, CONFIG);
    await using server = await startServer({ dir: folder.dir });
    let written = 0;
    let isDone = false;
    const writing = meanwhile(async () => {
      while (!isDone) {
        const n = written;
        await server.put(`Note/${n}`, { n, text: `words of note ${n}` });
        written = n + 1;
      }
    });
    for (let number = 0; number < 4; number++) {
      const before = written;
      const file = folder.path(`b/${number}.backup`);
      const made = await folder.run('backup', folder.dir, '--to', file);
      expect(made).toMatchObject({ code: 0, stderr: '' });
      expect(made.stdout).toContain('checked');
      const db = new Database(file, { readonly: true });
      expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
      const found = db.prepare('SELECT n FROM "data/Note" ORDER BY n').pluck().all() as number[];
      db.close();
      // Every record up to some moment, and none after it.
      expect(found).toEqual(Array.from({ length: found.length }, (_, n) => n));
      expect(found.length).toBeGreaterThanOrEqual(before);
      expect((await stat(file)).mode & 0o077).toBe(0);
    }
    isDone = true;
    await writing;
    expect(written).toBeGreaterThan(10);
  });

  test('is put back with accounts and flows, and clients that are ahead of it are reset', {
    timeout: 120_000,
  }, async () => {
    const folder = await DataFolder.make(SCHEMA, CONFIG);
    const server = await startServer({ dir: folder.dir });
    await server.put('Note/1', { n: 1, text: 'first words' });
    expect((await folder.run('user', 'list', folder.dir)).code).toBe(0);
    const at = Number((await server.ask('GET', 'Note')).headers.get('x-position'));
    const file = folder.path('one.backup');
    expect((await folder.run('backup', folder.dir, '--to', file)).stdout).toContain('data.db, auth.db at position');
    await server.put('Note/2', { n: 2 });
    const ahead = Number((await server.ask('GET', 'Note')).headers.get('x-position'));

    const running = await folder.run('restore', file, folder.dir, '--force');
    expect([running.code, running.stderr]).toEqual([1, expect.stringContaining('is in use by process')]);
    await server.stop();
    const full = await folder.run('restore', file, folder.dir);
    expect([full.code, full.stderr]).toEqual([1, expect.stringContaining('has databases already: auth.db, data.db')]);
    const restored = await folder.run('restore', file, folder.dir, '--force');
    expect(restored).toMatchObject({ code: 0, stderr: '' });
    const [, kept = ''] = /The databases before are in (.*)\n/.exec(restored.stdout) ?? [];
    const old = new Database(join(kept, 'data.db'), { readonly: true });
    expect(old.prepare('SELECT count(*) FROM "data/Note"').pluck().get()).toBe(2);
    old.close();

    await server.start();
    expect((await server.ask('GET', 'Note?text=ft=first')).records).toHaveLength(1);
    await server.put('Note/3', { n: 3 });
    const resume = async (position: number) => {
      using client = await WsClient.subscribe(server.wsUrl(`Note?since=${position}`));
      return client.controls.items.find(({ type }) => type === 'reset')?.reason;
    };
    expect(await resume(at)).toBeUndefined();
    expect(await resume(ahead)).toBe('position_unknown');
    await server.stop();
  });

  test('is restored into an empty folder', async () => {
    const folder = await DataFolder.make(SCHEMA, CONFIG);
    await folder.write('seed/Note.json', '[{"id":"1","n":1}]');
    await folder.run('seed', folder.dir);
    const file = folder.path('one.backup');
    await folder.run('backup', folder.dir, '--to', file);
    const again = await folder.run('backup', folder.dir, '--to', file);
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('exists')]);
    await folder.wipe();
    const empty = await folder.run('backup', folder.dir);
    expect([empty.code, empty.stderr]).toEqual([1, expect.stringContaining('nothing to back up')]);
    expect((await folder.run('restore', file, folder.dir)).code).toBe(0);
    expect(folder.query('SELECT id FROM "data/Note"')).toEqual([['1']]);
    expect(folder.query(`SELECT name FROM sqlite_master WHERE name LIKE '%backup%'`)).toEqual([]);
  });

  test('that is damaged, or none, is refused and changes nothing', async () => {
    const folder = await DataFolder.make(SCHEMA, CONFIG);
    await folder.run('seed', folder.dir, '--generate', '2000');
    const file = folder.path('one.backup');
    await folder.run('backup', folder.dir, '--to', file);
    const { size } = await stat(file);
    const text = await folder.write('text.backup', 'not a database at all');
    const bytes = Buffer.alloc(4096 * 3, 0xff);
    const handle = await open(file, 'r+');
    await handle.write(bytes, 0, bytes.length, Math.floor(size / 2 / 4096) * 4096);
    await handle.close();
    for (const [source, message] of [
      [file, 'damaged'],
      [text, 'cannot be used'],
      [folder.path('data/data.db'), 'no backup'],
      [folder.path('none'), 'does not exist'],
    ] as const) {
      const found = await folder.run('restore', source, folder.dir, '--force');
      expect([found.code, found.stdout]).toEqual([1, '']);
      expect(found.stderr).toContain(message);
    }
    expect(folder.query('SELECT count(*) FROM "data/Note"')).toEqual([[2000]]);
  });
});
