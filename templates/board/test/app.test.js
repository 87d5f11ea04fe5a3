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

test('a card that one client moves leaves the live list of its old list', async () => {
  const writer = connect(url);
  const reader = connect(url);
  const { List, Card } = writer.tables;
  await List.create([
    { id: 'todo', title: 'To do', position: 0 },
    { id: 'done', title: 'Done', position: 1 },
  ]);
  const card = await Card.create({ title: 'Write tests', listId: 'todo', position: 0 });
  let changed = () => {};
  const list = reader.tables.Card.live({ listId: 'todo' }, { onChange: () => changed() });
  await list.ready;
  assert.deepEqual(list.records, [card]);
  const left = new Promise((resolve) => {
    changed = resolve;
  });
  await Card.patch(card.id, { listId: 'done' });
  await left;
  assert.deepEqual(list.records, []);
  const lists = await List.list('select=title,cards{title}&sort=position');
  assert.deepEqual(
    lists.at(-1).cards.map(({ title }) => title),
    ['Write tests'],
  );
  reader.close();
  writer.close();
});
