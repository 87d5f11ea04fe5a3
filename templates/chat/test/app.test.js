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
    env: { JWT_SECRET: 'only-for-tests-0123456789-0123456789', ...process.env, DATA_DIR: data },
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

async function signUp(name) {
  const response = await fetch(`${url}/auth/signup`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name, password: 'correct horse' }),
  });
  assert.equal(response.status, 201);
  const { access_token, user } = await response.json();
  return { client: connect(url, { token: access_token }), user };
}

test('a message reaches the other users, and nobody writes under another name', async () => {
  const ada = await signUp('ada');
  const bob = await signUp('bob');
  let changed = () => {};
  const list = bob.client.tables.Message.live({ room: 'lobby' }, { onChange: () => changed() });
  await list.ready;
  const arrived = new Promise((resolve) => {
    changed = resolve;
  });
  const message = { room: 'lobby', authorId: ada.user.id, author: 'ada', text: 'Hello' };
  const { id } = await ada.client.tables.Message.create(message);
  await arrived;
  assert.deepEqual(
    list.records.map(({ text }) => text),
    ['Hello'],
  );
  await assert.rejects(bob.client.tables.Message.create(message), { status: 403 });
  await assert.rejects(bob.client.tables.Message.delete(id), { status: 403 });
  await ada.client.tables.Message.delete(id);
  ada.client.close();
  bob.client.close();
});

test('anonymous callers read nothing', async () => {
  const client = connect(url);
  await assert.rejects(client.tables.Message.list(), { status: 401 });
  client.close();
});
