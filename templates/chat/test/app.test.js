import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connect } from 'tablecast/client';
import { startServer } from '../scripts/server.js';

let server;

before(async () => {
  server = await startServer();
});
after(() => server.stop());

async function signUp(name) {
  const response = await fetch(`${server.url}/auth/signup`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name, password: 'correct horse' }),
  });
  assert.equal(response.status, 201);
  const { access_token, user } = await response.json();
  return { client: connect(server.url, { token: access_token }), user };
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
  const client = connect(server.url);
  await assert.rejects(client.tables.Message.list(), { status: 401 });
  client.close();
});

test('the rooms of seed/ are there for everyone who is logged in', async () => {
  await server.seed();
  const { client } = await signUp('cyd');
  const rooms = await client.tables.Room.list('sort=id');
  assert.deepEqual(
    rooms.map(({ id }) => id),
    ['help', 'lobby', 'random'],
  );
  client.close();
});
