import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BASE_CONFIG, startServer } from '../support/app.ts';
import { SECRET } from '../support/tokens.ts';
import { inBrowser } from './browser.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SCHEMA = `type Item @table @export(public: [read, create, update, delete, subscribe]) {
  id: ID! @primaryKey
  title: String!
  n: Int
}`;
const PAGE = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Items</title><link rel="icon" href="data:,">
<script type="module" src="app.js"></script></head><body><div id="root"></div></body></html>`;

/** Counts what is drawn: one row alone when one record changes. */
const APP = `
import { createElement as h, memo, StrictMode, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { connect } from '${ROOT}dist/client.js';
import { TablecastProvider, useLive, useRecord, useStatus, useTablecast, useWrite } from '${ROOT}dist/client-react.js';

const client = connect('.', { linger: 200 });
window.client = client;
window.draws = { rows: 0, lists: 0 };
const Row = memo(({ item }) => { window.draws.rows++; return h('li', { id: item.id }, item.title); });
function List({ query }) {
  const { tables } = useTablecast();
  const { data, status, isStale, size } = useLive(tables.Item, query);
  window.draws.lists++;
  return h('section', null, h('p', { id: 'state' }, [query, status, isStale, size].join(' ')),
    h('ul', null, data.map((item) => h(Row, { key: item.id, item }))));
}
function One({ id }) {
  const { tables } = useTablecast();
  const { data } = useRecord(tables.Item, id);
  const { patch, error, pending } = useWrite(tables.Item);
  return h('p', { id: 'one' }, data?.title ?? 'none', ' ', error?.code ?? '', ' ', pending,
    h('button', { onClick: () => patch(id, { n: 'wrong' }) }, 'write'));
}
function App() {
  const [shown, setShown] = useState(true);
  const [query, setQuery] = useState('sort=id&limit=3');
  Object.assign(window, { setShown, setQuery });
  const status = useStatus();
  return h('main', null, h('p', { id: 'status' }, status), h(One, { id: 'i1' }), shown && h(List, { query }), shown && h(List, { query }));
}
createRoot(document.getElementById('root')).render(h(StrictMode, null, h(TablecastProvider, { client }, h(App))));
`;

let app = '';
let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tablecast-react-'));
  const input = join(dir, 'app.js');
  await writeFile(input, APP);
  const bundle = await rolldown({
    input,
    platform: 'browser',
    external: ['ws'],
    resolve: { modules: [join(ROOT, 'node_modules')] },
    transform: { define: { 'process.env.NODE_ENV': '"development"' } },
  });
  const { output } = await bundle.write({ file: join(dir, 'out.js'), format: 'esm', codeSplitting: false });
  app = await readFile(join(dir, output[0].fileName), 'utf8');
});
afterAll(() => rm(dir, { recursive: true, force: true }));

inBrowser('K3, K5, K10 the client in pages', (browser) => {
  it('React: draws what changed, shares queries, and leaves nothing open', { timeout: 180_000 }, async () => {
    const files = { 'web/index.html': PAGE, 'web/app.js': app };
    await using server = await startServer({ schema: SCHEMA, config: BASE_CONFIG, files });
    for (let n = 0; n < 5; n++) await server.put(`Item/i${n}`, { title: `t${n}`, n });
    const page = await browser().newPage();
    const sockets: string[] = [];
    const sent: string[] = [];
    page.on('websocket', (socket) => {
      sockets.push(socket.url());
      socket.on('framesent', ({ payload }) => void sent.push(String(payload)));
    });
    const wait = { timeout: 60_000 };
    await page.goto(`${server.origin}/my-app/`);
    const rows = () => page.locator('ul').first().getByRole('listitem').allTextContents();
    await expect.poll(rows, wait).toEqual(['t0', 't1', 't2']);
    await expect.poll(() => page.locator('#one').textContent(), wait).toContain('t1');
    expect(await page.locator('#status').textContent()).toBe('live');
    // Two lists of one query, and one record.
    const subscribed = () => sent.filter((text) => text.includes('"subscribe"')).length;
    expect([sockets.length, subscribed()]).toEqual([1, 2]);
    const before = await page.evaluate<number>('draws.rows');
    await server.put('Item/i1', { title: 'changed', n: 1 });
    await expect.poll(rows, wait).toEqual(['t0', 'changed', 't2']);
    await expect.poll(() => page.locator('#one').textContent(), wait).toContain('changed');
    // One row of each list; StrictMode draws twice.
    expect((await page.evaluate<number>('draws.rows')) - before).toBeLessThanOrEqual(4);
    await page.evaluate(`setQuery('sort=-id&limit=2')`);
    await expect.poll(rows, wait).toEqual(['t4', 't3']);
    expect(await page.locator('#state').first().textContent()).toBe('sort=-id&limit=2 live false 2');
    await page.getByRole('button').click();
    await expect.poll(() => page.locator('#one').textContent(), wait).toContain('VALIDATION_ERROR');
    for (let turn = 0; turn < 100; turn++) await page.evaluate(`setShown(${turn % 2 === 1})`);
    await page.evaluate('setShown(false)');
    const open = () => subscribed() - sent.filter((text) => text.includes('"unsubscribe"')).length;
    await expect.poll(open, wait).toBe(1);
    expect(sockets).toHaveLength(1);
    await page.close();
  });

  it('folds 1,000 changes a second of 10,000 records into one notification a frame', { timeout: 180_000 }, async () => {
    const files = { 'web/index.html': PAGE, 'web/app.js': app };
    await using server = await startServer({ schema: SCHEMA, config: BASE_CONFIG, files });
    const page = await browser().newPage();
    await page.goto(`${server.origin}/my-app/`);
    await page.evaluate(`(async () => {
      setShown(false);
      const { Item } = client.tables;
      const id = (n) => 'k' + String(n).padStart(5, '0');
      for (let from = 0; from < 10000; from += 1000)
        await Item.create(Array.from({ length: 1000 }, (_, n) => ({ id: id(from + n), title: 't', n: from + n })));
      window.list = Item.live('sort=-n');
      await list.ready;
      window.told = 0;
      window.frames = 0;
      list.listen(() => { told++; });
      const count = () => { frames++; requestAnimationFrame(count); };
      requestAnimationFrame(count);
    })()`);
    expect(await page.evaluate('list.size')).toBe(10_000);
    await server.ask('PATCH', 'Item?n=lt=3000', { json: { title: 'changed' } });
    const changed = () => page.evaluate(`list.records.filter(({ title }) => title === 'changed').length`);
    await expect.poll(changed, { timeout: 60_000 }).toBe(3000);
    const [told, frames] = await page.evaluate<[number, number]>('[told, frames]');
    expect(told).toBeGreaterThan(0);
    // Each wait for a frame is one notification, or two where the browser was too busy to draw.
    expect(told).toBeLessThanOrEqual(frames * 2 + 2);
    expect(told).toBeLessThan(1500);
    await page.close();
  });

  it('eight tabs at the end of a token: one refresh, all stay logged in', { timeout: 180_000 }, async () => {
    const files = { 'web/index.html': PAGE, 'web/app.js': app };
    const config = `${BASE_CONFIG}auth:\n  users: true\n  signup: true\n  jwt:\n    secret: \${JWT_SECRET}\n`;
    await using server = await startServer({ schema: SCHEMA, config, env: { JWT_SECRET: SECRET }, files });
    const context = await browser().newContext();
    const refreshes: string[] = [];
    context.on('request', (request) => void (request.url().endsWith('/refresh') && refreshes.push(request.url())));
    const first = await context.newPage();
    await first.goto(`${server.origin}/my-app/`);
    await first.evaluate(`client.auth.signup('ada', 'correct horse')`);
    const tabs = [first];
    for (let n = 1; n < 8; n++) {
      const tab = await context.newPage();
      await tab.goto(`${server.origin}/my-app/`);
      tabs.push(tab);
    }
    expect(await Promise.all(tabs.map((tab) => tab.evaluate('client.auth.user.name')))).toEqual(tabs.map(() => 'ada'));
    await first.evaluate(`(() => {
      const key = Object.keys(localStorage).find((name) => name.startsWith('tablecast:'));
      localStorage.setItem(key, JSON.stringify({ ...JSON.parse(localStorage.getItem(key)), obtained: 0 }));
      new BroadcastChannel(key).postMessage('changed');
    })()`);
    // Every tab reads its session again, and finds that its token is over.
    const counts = await Promise.all(
      tabs.map((tab) =>
        tab.evaluate(`new Promise((done) => setTimeout(done, 300))
      .then(() => client.tables.Item.list()).then((items) => items.length)`),
      ),
    );
    expect(counts).toEqual(tabs.map(() => 0));
    expect(refreshes).toHaveLength(1);
    expect(await Promise.all(tabs.map((tab) => tab.evaluate('client.auth.user.name')))).toEqual(tabs.map(() => 'ada'));
    await context.close();
  });
});
