import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { connect } from 'tablecast/client';

const program = fileURLToPath(import.meta.resolve('tablecast/cli'));
const app = fileURLToPath(new URL('..', import.meta.url));
let data;
let server;
let url;

before(async () => {
  data = await mkdtemp(join(tmpdir(), 'tablecast-test-'));
  server = spawn(process.execPath, [program, 'start', app, '--port', '0'], {
    env: { ...process.env, DATA_DIR: data },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const line of createInterface({ input: server.stdout })) {
    const entry = JSON.parse(line);
    if (entry.msg !== 'listening') continue;
    url = `${entry.url}/${entry.apps[0]}`;
    return;
  }
  throw new Error('the server has ended');
});

after(async () => {
  server.kill();
  await once(server, 'exit');
  await rm(data, { recursive: true });
});

test('a task that one client creates reaches the live list of another', async () => {
  const writer = connect(url);
  const reader = connect(url);
  let changed = () => {};
  const list = reader.tables.Task.live('done=false', { onChange: () => changed() });
  await list.ready;
  const arrived = new Promise((resolve) => {
    changed = resolve;
  });
  const task = await writer.tables.Task.create({ title: 'Buy milk' });
  await arrived;
  assert.deepEqual(list.records, [task]);
  assert.equal(task.done, false);
  reader.close();
  writer.close();
});

test('a task without a title is refused with the name of the field', async () => {
  const client = connect(url);
  await assert.rejects(client.tables.Task.create({ done: true }), ({ status, errors }) => {
    assert.equal(status, 400);
    assert.equal(errors[0].field, 'title');
    return true;
  });
  client.close();
});
