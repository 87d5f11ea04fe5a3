import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connect } from 'tablecast/client';
import { startServer } from '../scripts/server.js';

let server;

before(async () => {
  server = await startServer();
});
after(() => server.stop());

test('a task that one client creates reaches the live list of another', async () => {
  const writer = connect(server.url);
  const reader = connect(server.url);
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
  const client = connect(server.url);
  await assert.rejects(client.tables.Task.create({ done: true }), ({ status, errors }) => {
    assert.equal(status, 400);
    assert.equal(errors[0].field, 'title');
    return true;
  });
  client.close();
});

test('the records of seed/ are loaded once', async () => {
  const client = connect(server.url);
  await server.seed();
  await server.seed();
  const tasks = await client.tables.Task.list({ id: ['seed-1', 'seed-2', 'seed-3'] });
  assert.equal(tasks.length, 3);
  client.close();
});
