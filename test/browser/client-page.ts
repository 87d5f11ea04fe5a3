import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { rolldown } from 'rolldown';
import { expect } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const SCHEMA = `type Item @table @export(public: [read, create, update, delete, subscribe]) {
  id: ID! @primaryKey
  title: String!
  n: Int
}`;
const PAGE = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Items</title><link rel="icon" href="data:,">
<script type="module" src="app.js"></script></head><body><div id="root"></div></body></html>`;

/** Counts what is drawn: one row alone when one record changes. */
export const REACT_APP = `
import { createElement as h, memo, StrictMode, useState, version } from 'react';
import { createRoot } from 'react-dom/client';
import { connect } from '${ROOT}dist/client.js';
import { TablecastProvider, useLive, useRecord, useStatus, useTablecast, useWrite } from '${ROOT}dist/client-react.js';

const client = connect('.', { linger: 200 });
window.client = client;
window.version = version;
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
function Form({ id }) {
  const { tables } = useTablecast();
  const { data, seq } = useRecord(tables.Item, id);
  const { patch, conflict, reset } = useWrite(tables.Item);
  const [draft, setDraft] = useState();
  const edited = draft ?? { title: data?.title ?? '', seq, base: data };
  const save = async (ifSeq) => {
    if (await patch(id, { title: edited.title }, { ifSeq, base: edited.base })) setDraft(undefined);
  };
  const discard = () => { reset(); setDraft(undefined); };
  return h('form', { id: 'form', onSubmit: (event) => { event.preventDefault(); save(edited.seq); } },
    h('input', { value: edited.title, onChange: ({ target }) => setDraft({ ...edited, title: target.value }) }),
    conflict && h('p', { id: 'conflict' }, [conflict.base.title, conflict.theirs.title, conflict.mine.title].join(' '),
      h('button', { type: 'button', onClick: () => save(seq) }, 'keep mine'),
      h('button', { type: 'button', onClick: discard }, 'take theirs')));
}
function App() {
  const [shown, setShown] = useState(true);
  const [query, setQuery] = useState('sort=id&limit=3');
  Object.assign(window, { setShown, setQuery });
  const status = useStatus();
  return h('main', null, h('p', { id: 'status' }, status), h(One, { id: 'i1' }), h(Form, { id: 'i4' }), shown && h(List, { query }), shown && h(List, { query }));
}
createRoot(document.getElementById('root')).render(h(StrictMode, null, h(TablecastProvider, { client }, h(App))));
`;

/** Bundles a page for browsers; `alias` replaces packages. */
export async function bundlePage(source: string, alias: Readonly<Record<string, string>> = {}): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'tablecast-page-'));
  try {
    const input = join(dir, 'app.js');
    await writeFile(input, source);
    const bundle = await rolldown({
      input,
      platform: 'browser',
      external: ['ws'],
      resolve: { modules: [join(ROOT, 'node_modules')], alias },
      transform: { define: { 'process.env.NODE_ENV': '"development"' } },
    });
    const { output } = await bundle.write({ file: join(dir, 'out.js'), format: 'esm', codeSplitting: false });
    return await readFile(join(dir, output[0].fileName), 'utf8');
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Files of an application with the page of a bundle. */
export const pageFiles = (app: string) => ({ 'web/index.html': PAGE, 'web/app.js': app });

/** Opens the page with React, and checks what it draws and subscribes to. */
export async function checkReact(browser: Browser, app: string, major: number): Promise<void> {
  await using server = await startServer({ schema: SCHEMA, config: BASE_CONFIG, files: pageFiles(app) });
  for (let n = 0; n < 5; n++) await server.put(`Item/i${n}`, { title: `t${n}`, n });
  const page = await browser.newPage();
  const sockets: string[] = [];
  const sent: string[] = [];
  page.on('websocket', (socket) => {
    sockets.push(socket.url());
    socket.on('framesent', ({ payload }) => void sent.push(String(payload)));
  });
  const wait = { timeout: 60_000 };
  await page.goto(`${server.origin}/my-app/`);
  expect(await page.evaluate('version')).toMatch(new RegExp(`^${major}\\.`));
  const rows = () => page.locator('ul').first().getByRole('listitem').allTextContents();
  await expect.poll(rows, wait).toEqual(['t0', 't1', 't2']);
  await expect.poll(() => page.locator('#one').textContent(), wait).toContain('t1');
  expect(await page.locator('#status').textContent()).toBe('live');
  // Two lists of one query, and two records.
  const subscribed = () => sent.filter((text) => text.includes('"subscribe"')).length;
  expect([sockets.length, subscribed()]).toEqual([1, 3]);
  const before = await page.evaluate<number>('draws.rows');
  await server.put('Item/i1', { title: 'changed', n: 1 });
  await expect.poll(rows, wait).toEqual(['t0', 'changed', 't2']);
  await expect.poll(() => page.locator('#one').textContent(), wait).toContain('changed');
  // One row of each list; StrictMode draws twice.
  expect((await page.evaluate<number>('draws.rows')) - before).toBeLessThanOrEqual(4);
  await page.evaluate(`setQuery('sort=-id&limit=2')`);
  await expect.poll(rows, wait).toEqual(['t4', 't3']);
  expect(await page.locator('#state').first().textContent()).toBe('sort=-id&limit=2 live false 2');
  await page.getByRole('button', { name: 'write' }).click();
  await expect.poll(() => page.locator('#one').textContent(), wait).toContain('VALIDATION_ERROR');
  await checkConflict(page, server);
  for (let turn = 0; turn < 100; turn++) await page.evaluate(`setShown(${turn % 2 === 1})`);
  await page.evaluate('setShown(false)');
  const open = () => subscribed() - sent.filter((text) => text.includes('"unsubscribe"')).length;
  await expect.poll(open, wait).toBe(2);
  expect(sockets).toHaveLength(1);
  await page.close();
}

/** Edits a record in a form while another client changes it, and decides both ways. */
async function checkConflict(page: Page, server: TestServer): Promise<void> {
  const wait = { timeout: 60_000 };
  const [input, conflict] = [page.locator('#form input'), page.locator('#conflict')];
  const stored = async () => (await server.ask('GET', 'Item/i4')).record.title;
  for (const [theirs, choice, kept] of [
    ['theirs', 'keep mine', 'mine'],
    ['again', 'take theirs', 'again'],
  ] as const) {
    const before = await input.inputValue();
    await input.fill('mine');
    await server.put('Item/i4', { title: theirs, n: 4 });
    expect(await input.inputValue()).toBe('mine');
    await input.press('Enter');
    await expect.poll(() => conflict.textContent(), wait).toContain(`${before} ${theirs} mine`);
    expect(await stored()).toBe(theirs);
    await page.getByRole('button', { name: choice }).click();
    await expect.poll(() => conflict.count(), wait).toBe(0);
    await expect.poll(() => input.inputValue(), wait).toBe(kept);
    expect(await stored()).toBe(kept);
    await server.put('Item/i4', { title: 't4', n: 4 });
    await expect.poll(() => input.inputValue(), wait).toBe('t4');
  }
}
