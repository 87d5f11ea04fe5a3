import { createCollection, createLiveQueryCollection, createTransaction, eq } from '@tanstack/db';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connect } from '../../dist/client.js';
import { tablecastCollectionOptions, tablecastMutationFn } from '../../dist/client-tanstack-db.js';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';

const OPEN = '@export(public: [read, create, update, delete, subscribe])';
const SCHEMA = `
type List @table ${OPEN} { id: ID! @primaryKey name: String! }
type Task @table ${OPEN} { id: ID! @primaryKey title: String! @constraint(maxLength: 10) done: Boolean listId: ID }
type Locked @table @export(public: [read, subscribe]) { id: ID! @primaryKey title: String }`;

type Row = { id: string; title: string; done: boolean | null; listId: string | null };
type Tables = { List: { id: string; name: string }; Task: Row; Locked: { id: string; title: string } };

const ends: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

const connectTo = (server: TestServer) => {
  const client = connect<Tables>(server.url(''));
  ends.unshift(() => client.close());
  return client;
};

describe('a collection of TanStack DB', { timeout: 120_000 }, () => {
  let server: TestServer;
  beforeEach(async () => {
    // So short a log that positions are trimmed while the server is away.
    server = await startServer({ schema: SCHEMA, config: `${BASE_CONFIG}events: {max_count: 5}\n` });
    ends.push(() => server[Symbol.asyncDispose]());
  }, 120_000);

  const open = (client = connectTo(server)) => {
    const tasks = createCollection(tablecastCollectionOptions({ client, table: 'Task' }));
    const lists = createCollection(tablecastCollectionOptions({ client, table: 'List' }));
    return { client, tasks, lists };
  };
  const stored = async () => (await server.ask('GET', 'Task?sort=id')).records as unknown as Row[];
  /** What the collection shows, each time that it changes. */
  const watch = (tasks: ReturnType<typeof open>['tasks'], id: string) => {
    const seen: unknown[] = [];
    tasks.subscribeChanges(() => {
      const title = tasks.get(id)?.title;
      if (seen.at(-1) !== title) seen.push(title);
    });
    return seen;
  };

  test('has the records of the query, and follows those of others', async () => {
    await server.put('Task/a', { title: 'one', done: false });
    await server.put('Task/z', { title: 'other', done: true });
    const client = connectTo(server);
    const open = createCollection(tablecastCollectionOptions({ client, table: 'Task', query: { done: false } }));
    await open.preload();
    expect([...open.keys()]).toEqual(['a']);
    await server.put('Task/b', { title: 'two', done: false });
    await server.ask('PATCH', 'Task/a', { json: { title: 'first' } });
    await expect.poll(() => [...open.values()].map(({ title }) => title).sort()).toEqual(['first', 'two']);
    await server.ask('PATCH', 'Task/a', { json: { done: true } });
    await expect.poll(() => [...open.keys()]).toEqual(['b']);
    await server.ask('DELETE', 'Task/b');
    await expect.poll(() => open.size).toBe(0);
  });

  test('shows its own writes at once and without a flicker, and the server has them', async () => {
    const { tasks } = open();
    await tasks.preload();
    const seen = watch(tasks, 'a');
    const insert = tasks.insert({ id: 'a', title: 'new', done: null, listId: null });
    expect(tasks.get('a')?.title).toBe('new');
    await insert.isPersisted.promise;
    for (let n = 0; n < 5; n++) {
      const update = tasks.update('a', (draft) => {
        draft.title = `v${n}`;
      });
      expect(tasks.get('a')?.title).toBe(`v${n}`);
      await update.isPersisted.promise;
      expect((await stored())[0]?.title).toBe(`v${n}`);
    }
    const many = tasks.insert(['b', 'c'].map((id) => ({ id, title: id, done: null, listId: null })));
    await many.isPersisted.promise;
    await tasks.delete(['a', 'b']).isPersisted.promise;
    expect((await stored()).map(({ id }) => id)).toEqual(['c']);
    expect(seen).toEqual(['new', 'v0', 'v1', 'v2', 'v3', 'v4', undefined]);
  });

  test('takes refused writes back, and those of one call together', async () => {
    const { client, tasks } = open();
    const locked = createCollection(tablecastCollectionOptions({ client, table: 'Locked' }));
    await Promise.all([tasks.preload(), locked.preload()]);
    const denied = locked.insert({ id: 'x', title: 'no' });
    expect(locked.size).toBe(1);
    await expect(denied.isPersisted.promise).rejects.toMatchObject({ status: 403, code: 'FORBIDDEN' });
    expect(locked.size).toBe(0);
    const both = tasks.insert(
      ['short', 'much too long'].map((title, n) => ({ id: `${n}`, title, done: null, listId: null })),
    );
    expect(tasks.size).toBe(2);
    await expect(both.isPersisted.promise).rejects.toMatchObject({ status: 400 });
    expect([tasks.size, (await stored()).length]).toEqual([0, 0]);
  });

  test('is joined with another one, and a transaction over both comes at one moment', async () => {
    const { client, tasks, lists } = open();
    await Promise.all([tasks.preload(), lists.preload()]);
    const joined = createLiveQueryCollection({
      startSync: true,
      query: (q) =>
        q
          .from({ task: tasks })
          .innerJoin({ list: lists }, ({ task, list }) => eq(task.listId, list.id))
          .select(({ task, list }) => ({ id: task.id, title: task.title, list: list.name })),
    });
    const rows = () => joined.toArray.map(({ title, list }) => `${list}: ${title}`);
    await server.put('List/l', { name: 'home' });
    await server.put('Task/a', { title: 'clean', listId: 'l' });
    await expect.poll(rows).toEqual(['home: clean']);
    await server.ask('PATCH', 'List/l', { json: { name: 'work' } });
    await expect.poll(rows).toEqual(['work: clean']);
    const both = createTransaction({ mutationFn: tablecastMutationFn(client) });
    both.mutate(() => {
      lists.insert({ id: 'm', name: 'garden' });
      tasks.update('a', (draft) => {
        draft.listId = 'm';
      });
    });
    expect(rows()).toEqual(['garden: clean']);
    await both.isPersisted.promise;
    expect([rows(), (await stored())[0]?.listId]).toEqual([['garden: clean'], 'm']);
  });

  test('is filled again after the server was killed and its log does not reach back', async () => {
    const { tasks } = open();
    await server.put('Task/old', { title: 'old' });
    await tasks.preload();
    await server.kill();
    await server.restart();
    await server.ask('DELETE', 'Task/old');
    for (let n = 0; n < 8; n++) await server.put(`Task/n${n}`, { title: `n${n}` });
    await expect.poll(() => [...tasks.keys()].sort()).toEqual([...Array(8).keys()].map((n) => `n${n}`));
  });

  test('reports the error of a query that the server refuses', async () => {
    const client = connectTo(server);
    const wrong = createCollection(tablecastCollectionOptions({ client, table: 'Task', query: 'titel==x' }));
    await expect(wrong.preload()).rejects.toMatchObject({ code: 'INVALID_QUERY' });
  });
});
