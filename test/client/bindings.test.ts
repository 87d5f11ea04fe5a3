import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { createElement } from 'react';
import { renderToString } from 'react-dom/server';
import { get } from 'svelte/store';
import { expect, test } from 'vitest';
import { effectScope, ref } from 'vue';
import { TablecastProvider, useLive, useRoom, useTablecast } from '../../src/client/bindings/react.ts';
import type { RoomState } from '../../src/client/bindings/room.ts';
import { liveStore, recordStore, roomStore } from '../../src/client/bindings/svelte.ts';
import {
  useLive as useVueLive,
  useRecord as useVueRecord,
  useRoom as useVueRoom,
} from '../../src/client/bindings/vue.ts';
import { connect } from '../../src/client/index.ts';
import { startServer, type TestServer } from '../support/app.ts';
import { startRoomsServer, tell } from '../support/rooms-app.ts';

const SCHEMA = `type Item @table @export(public: [read, create, update, delete, subscribe]) {
  id: ID! @primaryKey
  title: String!
}`;
interface Item {
  readonly id: string;
  readonly title: string;
}

/** What a binding shows, as the contract suite sees it. */
interface Shown {
  ids(): readonly string[];
  status(): string;
  title(): string | undefined;
  stop(): void;
}
type Table = ReturnType<typeof tableOf>['table'];

function tableOf(server: TestServer) {
  const client = connect<{ Item: Item }>(server.url(''), { linger: 20 });
  return { client, table: client.tables.Item };
}

function showInSvelte(table: Table): Shown {
  const list = liveStore(table, 'sort=title');
  const one = recordStore(table, 'a');
  const stops = [list.subscribe(() => {}), one.subscribe(() => {})];
  return {
    ids: () => get(list).data.map(({ id }) => id),
    status: () => get(list).status,
    title: () => get(one)?.title,
    stop: () => {
      for (const stop of stops) stop();
    },
  };
}

function showInVue(table: Table): Shown {
  const scope = effectScope();
  const query = ref('sort=title');
  const [list, one] = scope.run(() => [useVueLive(table, () => query.value), useVueRecord(table, 'a')] as const) ?? [];
  return {
    ids: () => list?.value.data.map(({ id }) => id) ?? [],
    status: () => list?.value.status ?? '',
    title: () => one?.value?.title,
    stop: () => scope.stop(),
  };
}

test.each([
  ['Svelte', showInSvelte],
  ['Vue', showInVue],
])('the binding of %s shows a live list and a record, and closes what nothing shows', async (_name, show) => {
  await using server = await startServer({ schema: SCHEMA });
  const { client, table } = tableOf(server);
  await table.create([
    { id: 'b', title: 'B' },
    { id: 'a', title: 'A' },
  ]);
  const shown = show(table);
  await expect.poll(() => [shown.ids(), shown.status(), shown.title()]).toEqual([['a', 'b'], 'live', 'A']);
  await table.patch('a', { title: 'Z' });
  await expect.poll(() => [shown.ids(), shown.title()]).toEqual([['b', 'a'], 'Z']);
  await table.delete('a');
  await expect.poll(() => [shown.ids(), shown.title()]).toEqual([['b'], undefined]);
  shown.stop();
  await expect.poll(() => client.status).toBe('idle');
  client.close();
});

/** State of a room as a binding shows it. */
interface ShownRoom {
  state(): RoomState;
  send(data: unknown): Promise<unknown> | undefined;
  stop(): void;
}
type ShowRoom = (client: object, room: string, onMessage: (data: unknown) => void) => ShownRoom;

const roomInSvelte: ShowRoom = (client, room, onMessage) => {
  const store = roomStore(client, room, { onMessage });
  const stops = [store.subscribe(() => {}), store.subscribe(() => {})];
  return {
    state: () => get(store),
    send: (data) => store.send(data),
    stop: () => {
      for (const stop of stops) stop();
    },
  };
};

const roomInVue: ShowRoom = (client, room, onMessage) => {
  const scope = effectScope();
  const shown = scope.run(() => useVueRoom(client, () => room, { onMessage }));
  return {
    state: () => shown?.state.value as RoomState,
    send: (data) => shown?.send(data),
    stop: () => scope.stop(),
  };
};

test.each([
  ['Svelte', roomInSvelte],
  ['Vue', roomInVue],
])('the binding of %s joins a room, and leaves it with what shows it', async (_name, show) => {
  await using server = await startRoomsServer({ ws: 'presence: true' });
  const client = connect(server.url(''), { userId: 'ann' });
  const messages: unknown[] = [];
  const shown = show(client, 'a', (data) => void messages.push(data));
  await expect.poll(() => shown.state()).toEqual({ status: 'live', members: ['ann'], error: undefined });
  expect(await shown.send({ big: 'xyz', room: 'a' })).toEqual({ delivered: 1 });
  await expect.poll(() => messages).toEqual([{ size: 3 }]);
  await tell(server, '', 1);
  await shown.send({ text: 5 })?.catch(() => {});
  expect(shown.state()).toMatchObject({ status: 'live', error: { code: 'VALIDATION_ERROR' } });
  const refused = show(client, '', () => {});
  await expect.poll(() => refused.state()).toMatchObject({ status: 'closed', error: { code: 'BAD_REQUEST' } });
  for (const { stop } of [shown, refused]) stop();
  await expect.poll(() => tell(server, 'rooms/a', 1)).toBe(0);
  expect(messages).toEqual([{ size: 3 }]);
  await expect.poll(() => client.status).toBe('idle');
  client.close();
});

test('the binding of React renders on a server, without a connection', async () => {
  await using server = await startServer({ schema: SCHEMA });
  const { client } = tableOf(server);
  function List() {
    const { tables } = useTablecast<{ Item: Item }>();
    const { data, status, isStale } = useLive(tables.Item, { sort: 'title' });
    const { members } = useRoom('lobby');
    return createElement('p', null, `${status} ${data.length} ${isStale} ${members.length}`);
  }
  expect(renderToString(createElement(TablecastProvider, { client }, createElement(List)))).toBe(
    '<p>loading 0 false 0</p>',
  );
  expect(client.status).toBe('idle');
  expect(() => renderToString(createElement(List))).toThrow('TablecastProvider');
  client.close();
});

/** Bytes of a built file and those that it imports, compressed. What it loads later by `import()` does not count. */
function sizeOf(name: string): number {
  const files = new Set([`${name}.js`]);
  let size = 0;
  for (const file of files) {
    const code = readFileSync(new URL(`../../dist/${file}`, import.meta.url));
    size += gzipSync(code).length;
    for (const [, chunk] of code.toString().matchAll(/\bfrom"\.\/(client-chunks\/[^"]+)"/g)) files.add(chunk as string);
  }
  return size;
}

test.each([
  ['client', 11.75],
  ['client-optimistic', 3],
  // What a page loads: all that the others load later, and `optimistic`.
  ['client-page', 20.5],
  ['client-tanstack-db', 1],
  ['client-react', 1.25],
  ['client-svelte', 0.7],
  ['client-vue', 0.7],
])('the entry %s is within %s KB of gzip', (name, kilobytes) => {
  expect(sizeOf(name) / 1024).toBeLessThanOrEqual(kilobytes);
});
