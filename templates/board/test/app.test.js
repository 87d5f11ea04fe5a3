import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connect } from 'tablecast/client';
import { startServer } from '../scripts/server.js';

let server;

before(async () => {
  server = await startServer();
});
after(() => server.stop());

test('a card that one client moves leaves the live list of its old list', async () => {
  const writer = connect(server.url);
  const reader = connect(server.url);
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

test('the records of seed/ are a board with cards', async () => {
  await server.seed();
  const client = connect(server.url);
  const lists = await client.tables.List.list('id==list-*&select=title,cards{title}&sort=position');
  assert.deepEqual(
    lists.map(({ title, cards }) => [title, cards.length]),
    [
      ['To do', 2],
      ['Doing', 1],
      ['Done', 1],
    ],
  );
  client.close();
});
