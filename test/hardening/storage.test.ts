import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, statSync, writeSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { BASE_CONFIG, IN_PROCESS, runToExit, startServer, type TestServer } from '../support/app.ts';
import type { Json } from '../support/frames.ts';
import { ask } from '../support/http.ts';
import { SseClient } from '../support/sse-client.ts';
import { meanwhile, until } from '../support/wait.ts';
import { refusedUpgrade, WsClient } from '../support/ws-client.ts';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
const MEBIBYTE = 1024 * 1024;

describe('killed while it writes', { timeout: 120_000 }, () => {
  /** Writes one record after the other until the server is gone; what was answered goes into `acknowledged`. */
  async function writer(server: TestServer, name: string, acknowledged: Set<string>): Promise<void> {
    for (let n = 0; n < 10_000; n++) {
      const id = `${name}-${n}`;
      try {
        const { status } = await server.ask('PUT', `Message/${id}`, { json: { title: id, content: id } });
        if (status === 201) acknowledged.add(id);
      } catch {
        return;
      }
    }
  }

  test('it has every write that it answered, and tells each change once and in order', async () => {
    await using server = await startServer();
    using first = await WsClient.open(server.wsUrl('Message'));
    const { seq: start } = await first.ready();
    const acknowledged = new Set<string>();
    for (let round = 0; round < 3; round++) {
      const before = acknowledged.size;
      const writers = Array.from({ length: 8 }, (_, n) => writer(server, `r${round}w${n}`, acknowledged));
      await until(
        async () => acknowledged.size - before,
        (count) => count > 50 + 30 * round,
      );
      await server.kill();
      await Promise.all(writers);
      await server.start();
    }
    using resumed = await WsClient.open(server.wsUrl(`Message?since=${start}`));
    await resumed.ready();
    const told = resumed.changes.items;
    const ids = told.map(({ id }) => id);
    expect([...acknowledged].filter((id) => !ids.includes(id))).toEqual([]);
    expect(new Set(ids).size).toBe(ids.length);
    expect(told.every(({ seq }, index) => index === 0 || seq > (told[index - 1]?.seq ?? 0))).toBe(true);
    for (const { id, data } of told) expect(data).toEqual({ id, title: id, content: id });
    let stored = 0;
    for (let offset = 0; offset <= told.length; offset += 1000) {
      stored += (await server.ask('GET', `Message?limit=1000&offset=${offset}`)).records.length;
    }
    expect(stored).toBe(told.length);
  });
});

describe('a batch that breaks a constraint', () => {
  const schema = `type Message @table @export(rest: true, ws: true) {
    id: ID! @primaryKey
    email: String @unique
  }\n`;

  test('stores nothing and tells nothing', async () => {
    await using server = await startServer({ schema });
    await server.put('Message/taken', { email: 'a@example.org' });
    using ws = await WsClient.subscribe(server.wsUrl('Message'));
    using sse = await SseClient.subscribe(server.url('Message?stream=sse'));
    const before = (await server.ask('GET', 'Message')).headers.get('x-position');
    const batches = [
      [{ id: 'new-1', email: 'b@example.org' }, { email: 'c@example.org' }, { id: 'new-2', email: 'a@example.org' }],
      [
        { id: 'new-1', email: 'd@example.org' },
        { id: 'new-2', email: 'd@example.org' },
      ],
      [{ id: 'new-1' }, { id: 'taken' }],
    ];
    for (const json of batches) {
      const answer = await server.ask('POST', 'Message', { json });
      expect([answer.status, answer.record.code]).toEqual([409, 'CONFLICT']);
    }
    const after = await server.ask('GET', 'Message');
    expect(after.records.map(({ id }) => id)).toEqual(['taken']);
    expect(after.headers.get('x-position')).toBe(before);
    // The first thing told is the next write that is good.
    await server.put('Message/good', { email: 'b@example.org' });
    await ws.next(({ id }) => id === 'good');
    await sse.next('update');
    expect(ws.changes.items.map(({ id }) => id)).toEqual(['good']);
    expect(sse.all('update').map(({ id }) => id)).toEqual(['good']);
  });

  test('does not take down good writes that share its commit', async () => {
    await using server = await startServer({ schema });
    await server.put('Message/taken', { email: 'a@example.org' });
    using ws = await WsClient.subscribe(server.wsUrl('Message'));
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, n) =>
        server.ask('POST', 'Message', {
          json: [{ id: `${n}-a` }, { id: `${n}-b`, email: n % 2 === 0 ? `${n}@example.org` : 'a@example.org' }],
        }),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map((_, n) => (n % 2 === 0 ? 201 : 409)));
    await ws.changes.atLeast(60);
    await server.put('Message/last', {});
    await ws.next(({ id }) => id === 'last');
    const ids = ws.changes.items.map(({ id }) => id ?? '');
    expect(ids).toHaveLength(61);
    expect(ids.filter((id) => Number.parseInt(id, 10) % 2 === 1)).toEqual([]);
  });
});

describe('a position that cannot be resumed', { timeout: 120_000 }, () => {
  test('is a reset and then the whole state: trimmed, of the future, or of another database', async () => {
    await using server = await startServer({ config: `${BASE_CONFIG}events: { max_count: 10 }\n` });
    using first = await WsClient.open(server.wsUrl('Message'));
    const { seq: start } = await first.ready();
    for (let n = 0; n < 40; n++) await server.put(`Message/m${n}`, { title: '', content: '' });
    await until(
      async () => {
        using ws = await WsClient.open(server.wsUrl(`Message?since=${start}`));
        await ws.ready();
        return ws.controls.items[0];
      },
      (control) => control?.type === 'reset' && control.reason === 'position_trimmed',
      { what: 'position_trimmed' },
    );
    await expectReset(server, Number(start), ['position_trimmed', 40]);
    const newest = Number((await server.ask('GET', 'Message')).headers.get('x-position'));
    await expectReset(server, newest + 1_000_000_000, ['position_unknown', 40]);
    using current = await WsClient.open(server.wsUrl(`Message?since=${newest}`));
    await current.ready();
    expect([current.controls.items.length, current.changes.items.length]).toEqual([1, 0]);

    await server.stop();
    await rm(join(server.dir, 'data'), { recursive: true });
    await server.start();
    await server.put('Message/other', { title: '', content: '' });
    await expectReset(server, newest, [expect.stringMatching(/^position_/), 1]);
  });

  async function expectReset(server: TestServer, since: number, expected: readonly unknown[]): Promise<void> {
    using ws = await WsClient.open(server.wsUrl(`Message?since=${since}`));
    const { seq } = await ws.ready();
    expect([ws.controls.items[0]?.reason, ws.changes.items.length]).toEqual(expected);
    expect(ws.changes.items.every(({ message_type }) => message_type === 'Retained')).toBe(true);
    using sse = await SseClient.open(server.url('Message?stream=sse'), { lastEventId: String(since) });
    await sse.next('ready');
    expect([sse.all('reset')[0]?.reason, sse.all('retained').length]).toEqual(expected);
    expect(sse.lastEventId).toBe(String(seq));
  }

  test('that is no position at all is 400 INVALID_POSITION on every way in', async () => {
    await using server = await startServer();
    const none = ['', 'NaN', 'abc', '-1', '1.5', '1e3', '0x10', '9007199254740993', '1'.repeat(400)];
    for (const since of [...none, '+1', '%201', '%D9%A1']) {
      const refused = await refusedUpgrade(server.wsUrl(`Message?since=${since}`));
      expect([refused.status, (JSON.parse(refused.body) as Json).code], since).toEqual([400, 'INVALID_POSITION']);
      const sse = await server.ask('GET', `Message?stream=sse&since=${since}`);
      expect([sse.status, sse.record.code], since).toEqual([400, 'INVALID_POSITION']);
    }
    // An EventSource that has seen no event yet sends an empty one: that is no mistake.
    for (const lastEventId of none.slice(1)) {
      const headers = { accept: 'text/event-stream', 'last-event-id': lastEventId };
      const resumed = await server.ask('GET', 'Message', { headers });
      expect([resumed.status, resumed.record.code], lastEventId).toEqual([400, 'INVALID_POSITION']);
    }
  });
});

/** A small file system of its own, or the reason why there cannot be one. */
function mountSmall(dir: string): string | undefined {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', dir], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return String(error);
  }
}

/** Writes a file until the file system has no room left. */
function fill(file: string): void {
  const descriptor = openSync(file, 'w');
  try {
    for (let size = 64 * 1024; size >= 1; size = size >> 1) {
      try {
        for (let count = 0; count < 1000; count++) writeSync(descriptor, Buffer.alloc(size));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    }
  } finally {
    closeSync(descriptor);
  }
}

/** Level and code of each line of the log about the storage; a server in this process writes none that can be read. */
function expectLines({ logs }: TestServer, lines: readonly unknown[]): void {
  if (IN_PROCESS) return;
  const found = logs.items.filter(({ msg }) => String(msg).startsWith('storage '));
  expect(found.map(({ level, code }) => [level, code])).toEqual(lines);
}

const BEGIN = [50, 'STORAGE_FULL'];
const END = [30, undefined];

async function untilReady(server: TestServer, status: 200 | 503): Promise<void> {
  await until(
    async () => (await ask('GET', `${server.origin}/health/ready`)).status,
    (found) => found === status,
    { what: `readiness ${status}`, timeout: 10_000 },
  );
}

describe('a full disk', { timeout: 120_000 }, () => {
  test('refuses writes and nothing else, and needs no restart when there is room again', async ({ skip }) => {
    const disk = await mkdtemp(join(tmpdir(), 'tablecast-full-'));
    const problem = mountSmall(disk);
    if (problem !== undefined) {
      await rm(disk, { recursive: true });
      skip(`no small file system can be mounted here: ${problem}`);
    }
    try {
      await using server = await startServer({ config: `${BASE_CONFIG}data_dir: ${disk}/data\n` });
      await server.put('Message/kept', { title: 'kept', content: 'x' });
      using ws = await WsClient.subscribe(server.wsUrl('Message?retained=true'));
      fill(join(disk, 'filler'));
      const stored = new Set(['kept']);
      const refused: string[] = [];
      for (let n = 0; n < 200 && refused.length < 5; n++) {
        const json = { title: `${n}`, content: 'x'.repeat(50_000) };
        const answer = await server.ask('PUT', `Message/m${n}`, { json });
        if (answer.status === 201) {
          stored.add(`m${n}`);
          continue;
        }
        expect([answer.status, answer.record.code]).toEqual([503, 'STORAGE_FULL']);
        expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
        refused.push(`m${n}`);
      }
      expect(refused).toHaveLength(5);
      ws.send({ message_type: 'Update', id: 'by-ws', data: { title: '', content: 'x'.repeat(50_000) }, ref: 1 });
      expect((await ws.control('error', 1)).code).toBe('STORAGE_FULL');
      expect((await server.ask('GET', 'Message/kept')).record.title).toBe('kept');
      const failing = await ask('GET', `${server.origin}/health/ready`);
      expect([failing.status, failing.record.status]).toEqual([503, 'unwritable']);
      expect((await ask('GET', `${server.origin}/health/live`)).status).toBe(200);
      expect(await server.metric(/^tablecast_storage_failing\{app="my-app"\}/)).toBe(1);
      expect(await server.metric(/^tablecast_storage_failures_total/)).toBeGreaterThanOrEqual(6);
      expectLines(server, [BEGIN]);
      using other = await WsClient.subscribe(server.wsUrl('Message?retained=true'));
      expect(new Set(other.changes.items.map(({ id }) => id))).toEqual(stored);

      await rm(join(disk, 'filler'));
      // Without a write.
      await untilReady(server, 200);
      expectLines(server, [BEGIN, END]);
      expect(await server.metric(/^tablecast_storage_failing/)).toBe(0);
      await server.put('Message/after', { title: 'after', content: 'x'.repeat(50_000) });
      await ws.next(({ id }) => id === 'after');
      // No phantom: what was refused was never told, and is not there.
      expect(new Set(ws.changes.items.map(({ id }) => id))).toEqual(new Set([...stored, 'after']));
      for (const id of refused) expect((await server.ask('GET', `Message/${id}`)).status).toBe(404);
      await server.kill();
      await server.start();
      expect(new Set((await server.ask('GET', 'Message')).records.map(({ id }) => id))).toEqual(
        new Set([...stored, 'after']),
      );
    } finally {
      execFileSync('umount', [disk]);
      await rm(disk, { recursive: true });
    }
  });
});

describe.skipIf(IN_PROCESS)('a file system that fails', { timeout: 30_000 }, () => {
  test('is no different: a process that may not make its files larger', async () => {
    await using server = await startServer();
    await server.put('Message/kept', { title: 'kept', content: 'x' });
    const limit = (size: string) => execFileSync('prlimit', ['--pid', String(server.pid), `--fsize=${size}:`]);
    limit('0');
    const refused = await server.ask('PUT', 'Message/a', { json: { title: 'a', content: 'x'.repeat(50_000) } });
    expect([refused.status, refused.record.code]).toEqual([503, 'STORAGE_FULL']);
    await untilReady(server, 503);
    expect((await server.ask('GET', 'Message/kept')).status).toBe(200);
    limit('unlimited');
    await untilReady(server, 200);
    await server.put('Message/a', { title: 'a', content: 'x' });
    expectLines(server, [BEGIN, END]);
  });
});

describe('a data directory that is not in its place', { timeout: 40_000 }, () => {
  const config = `${BASE_CONFIG}auth:\n  users: true\n  jwt:\n    secret: k3Jx0-qTz8vLw2_NpYd7RbHs5UfGm1Ac\n`;
  const schema = 'type Message @table @export(public: [read, create, update, delete]) { id: ID! @primaryKey }\n';

  test('is not written to, until it is back', async () => {
    await using server = await startServer({ schema, config });
    await server.put('Message/kept', {});
    const dir = join(server.dir, 'data');
    await rename(dir, `${dir}-away`);
    await untilReady(server, 503);
    const refused = await server.ask('PUT', 'Message/lost', { json: {} });
    expect([refused.status, refused.record.code]).toEqual([503, 'STORAGE_MOVED']);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await server.ask('GET', 'Message/kept')).status).toBe(200);
    // Another one in its place is not the one that is open.
    await mkdir(dir);
    expect((await server.ask('PUT', 'Message/lost', { json: {} })).record.code).toBe('STORAGE_MOVED');
    await rm(dir, { recursive: true });
    await rename(`${dir}-away`, dir);
    await untilReady(server, 200);
    await server.put('Message/after', {});
    expectLines(server, [[50, 'STORAGE_MOVED'], END]);
    await server.restart();
    expect((await server.ask('GET', 'Message')).records).toEqual([{ id: 'after' }, { id: 'kept' }]);
  });

  test.each(['data.db', 'data.db-wal', 'auth.db', 'auth.db-wal'])('which %s has left counts as moved', async (name) => {
    await using server = await startServer({ schema, config });
    await server.put('Message/a', {});
    await rm(join(server.dir, 'data', name));
    await untilReady(server, 503);
    expect((await server.ask('PUT', 'Message/b', { json: {} })).record.code).toBe('STORAGE_MOVED');
    await server.kill();
  });

  test.skipIf(IN_PROCESS)('and a start without records in a folder that was used is told in the log', async () => {
    await using server = await startServer();
    await server.stop();
    await rm(join(server.dir, 'data', 'data.db'));
    await server.start();
    const told = server.logs.items.filter(({ msg }) => String(msg).includes('begins without records'));
    expect(told.map(({ level }) => level)).toEqual([40]);
    await server.restart();
    expect(server.logs.items.some(({ msg }) => String(msg).includes('begins without records'))).toBe(false);
  });
});

const HOLD = `
  import Database from 'better-sqlite3';
  const db = new Database(process.argv[1], { timeout: 5000 });
  db.exec('BEGIN IMMEDIATE');
  process.stdout.write('held');
  process.stdin.resume().once('end', () => { db.exec('ROLLBACK'); db.close(); });
`;

/** Another process that holds the database's write lock until its standard input ends. */
async function holdDatabase(server: TestServer): Promise<{ child: ChildProcess; release: () => Promise<void> }> {
  const file = join(server.dir, 'data', 'data.db');
  const child = spawn(process.execPath, ['--input-type=module', '-e', HOLD, file], {
    cwd: PROJECT,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  await Promise.race([
    once(child.stdout, 'data'),
    ended.then(() => Promise.reject(new Error('the lock was not taken'))),
  ]);
  const release = async (): Promise<void> => {
    child.stdin.end();
    await ended;
  };
  return { child, release };
}

describe('a database that another process holds', { timeout: 120_000 }, () => {
  test('lets writes wait, then refuses them, and delays no other request', async () => {
    await using server = await startServer();
    await server.put('Message/before', { title: '', content: '' });
    using ws = await WsClient.subscribe(server.wsUrl('Message'));
    const holder = await holdDatabase(server);
    try {
      const started = performance.now();
      let refused = false;
      const write = meanwhile(() =>
        server.ask('PUT', 'Message/late', { json: { title: '', content: '' } }).finally(() => {
          refused = true;
        }),
      );
      ws.send({ message_type: 'Update', id: 'by-ws', data: { title: '', content: '' }, ref: 'w' });
      const waits: number[] = [];
      while (!refused && performance.now() - started < 10_000) {
        const asked = performance.now();
        expect((await ask('GET', `${server.origin}/health/live`)).status).toBe(200);
        expect((await server.ask('GET', 'Message/before')).status).toBe(200);
        waits.push(performance.now() - asked);
        await pause(10);
      }
      const answer = await write;
      const waited = performance.now() - started;
      expect([answer.status, answer.record.code]).toEqual([503, 'STORAGE_BUSY']);
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(waited).toBeGreaterThan(1900);
      expect(waited).toBeLessThan(9000);
      // A server that stands still while it waits would answer one of them, at the end.
      expect(waits.toSorted((a, b) => a - b)[Math.floor(waits.length * 0.9)]).toBeLessThan(1000);
      expect((await ws.control('error', 'w')).code).toBe('STORAGE_BUSY');

      const patient = meanwhile(() => server.ask('PUT', 'Message/patient', { json: { title: '', content: '' } }));
      await pause(500);
      await holder.release();
      expect((await patient).status).toBe(201);
    } finally {
      holder.child.kill('SIGKILL');
    }
    await server.put('Message/after', { title: '', content: '' });
    await ws.next(({ id }) => id === 'after');
    expect(ws.changes.items.map(({ id }) => id)).toEqual(['patient', 'after']);
  });

  test('does not make a stop fail or lose anything', async () => {
    await using server = await startServer();
    const { headers } = await server.put('Message/before', { title: '', content: '' });
    const holder = await holdDatabase(server);
    try {
      const started = performance.now();
      await server.stop();
      expect(performance.now() - started).toBeLessThan(20_000);
    } finally {
      await holder.release();
    }
    await server.start();
    expect((await server.ask('GET', 'Message/before')).headers.get('etag')).toBe(headers.get('etag'));
  });
});

test('a second server on the same data refuses to start and names the process that has it', async () => {
  await using server = await startServer();
  const { code, stderr } = await runToExit(['start', server.dir, '--port', '0']);
  expect(code).toBe(1);
  expect(stderr).toContain(`process ${server.pid} `);
  expect(stderr).not.toMatch(/^\s+at /m);
  await server.put('Message/still', { title: '', content: '' });
  await server.kill();
  await server.start();
  expect((await server.ask('GET', 'Message/still')).status).toBe(200);
});

describe('a reader that is slow', { timeout: 120_000 }, () => {
  test('does not let the write-ahead log grow, and misses none of 100,000 changes', async () => {
    const config = `${BASE_CONFIG}events: { max_count: 200000 }\nchannels: { slow_client_timeout: 60s }\n`;
    await using server = await startServer({ config });
    using sse = await SseClient.subscribe(server.url('Message?stream=sse'));
    sse.pause();
    const log = join(server.dir, 'data', 'data.db-wal');
    let largest = 0;
    for (let batch = 0; batch < 100; batch++) {
      const json = Array.from({ length: 1000 }, (_, n) => ({ id: `${batch}-${n}`, title: 't', content: 'c' }));
      const { status } = await server.ask('POST', 'Message', { json, headers: { prefer: 'return=minimal' } });
      expect(status).toBe(201);
      largest = Math.max(largest, statSync(log).size);
    }
    expect(largest).toBeGreaterThan(0);
    expect(largest).toBeLessThan(128 * MEBIBYTE);
    sse.resume();
    await sse.events.atLeast(100_002, 30_000);
    // `connected` and `ready` are the other two; there may be pings as well.
    await until(
      async () => sse.events.items.filter(({ event }) => event === 'update').length,
      (count) => count === 100_000,
    );
    const events = sse.events.items.filter(({ event }) => event === 'update');
    expect(events).toHaveLength(100_000);
    const expected = Array.from({ length: 100_000 }, (_, n) => `${Math.floor(n / 1000)}-${n % 1000}`);
    const wrong = expected.findIndex((id, index) => (JSON.parse(events[index]?.data ?? '{}') as Json).id !== id);
    expect(wrong).toBe(-1);
    expect(statSync(log).size).toBeLessThan(128 * MEBIBYTE);
  });
});
