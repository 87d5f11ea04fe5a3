import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { createElement } from 'react';
import { renderToString } from 'react-dom/server';
import { get } from 'svelte/store';
import { expect, test } from 'vitest';
import { effectScope, ref } from 'vue';
import { TablecastProvider, useLive, useTablecast } from '../../src/client/bindings/react.ts';
import { liveStore, recordStore } from '../../src/client/bindings/svelte.ts';
import { useLive as useVueLive, useRecord as useVueRecord } from '../../src/client/bindings/vue.ts';
import { connect } from '../../src/client/index.ts';
import { startServer, type TestServer } from '../support/app.ts';

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

test('the binding of React renders on a server, without a connection', async () => {
  await using server = await startServer({ schema: SCHEMA });
  const { client } = tableOf(server);
  function List() {
    const { tables } = useTablecast<{ Item: Item }>();
    const { data, status, isStale } = useLive(tables.Item, { sort: 'title' });
    return createElement('p', null, `${status} ${data.length} ${isStale}`);
  }
  expect(renderToString(createElement(TablecastProvider, { client }, createElement(List)))).toBe(
    '<p>loading 0 false</p>',
  );
  expect(client.status).toBe('idle');
  expect(() => renderToString(createElement(List))).toThrow('TablecastProvider');
  client.close();
});

/** Bytes of a built file, compressed. What it loads later, from `client-chunks`, does not count. */
const sizeOf = (name: string) => gzipSync(readFileSync(new URL(`../../dist/${name}.js`, import.meta.url))).length;

test.each([
  ['client', 13],
  ['client-optimistic', 3],
  // With all that the others load later, and with `optimistic`.
  ['client-page', 20],
  ['client-tanstack-db', 1],
  ['client-react', 1.25],
  ['client-svelte', 0.7],
  ['client-vue', 0.7],
])('the entry %s is within %s KB of gzip', (name, kilobytes) => {
  expect(sizeOf(name) / 1024).toBeLessThanOrEqual(kilobytes);
});
