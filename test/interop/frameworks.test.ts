import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { inBrowser } from '../browser/browser.ts';
import { bundlePage, checkReact, pageFiles, REACT_APP, SCHEMA } from '../browser/client-page.ts';
import { BASE_CONFIG, startServer } from '../support/app.ts';

const DIST = fileURLToPath(new URL('../../dist', import.meta.url));
const MODULES = join(dirname(fileURLToPath(import.meta.url)), 'node_modules');

const SOLID_APP = `
import { createEffect, createRoot, createSignal, from } from 'solid-js';
import { connect } from '${DIST}/client.js';

const client = connect('.', { linger: 50 });
const root = document.getElementById('root');
const [shown, setShown] = createSignal(true);
window.client = client;
window.setShown = setShown;
createRoot(() => {
  createEffect(() => {
    if (!shown()) return void (root.textContent = 'nothing');
    const items = from(client.tables.Item.live('sort=id&limit=3', { lazy: true }));
    createEffect(() => {
      const { status, data } = items();
      root.textContent = [status, ...data.map(({ title }) => title)].join(' ');
    });
  });
});
`;

inBrowser('the client in pages of other frameworks', (browser) => {
  it('React 18: draws what changed, shares queries, and leaves nothing open', { timeout: 180_000 }, async () => {
    const alias = {
      'react-dom': join(MODULES, 'react-dom-18'),
      react: join(MODULES, 'react-18'),
      scheduler: join(MODULES, 'scheduler'),
    };
    await checkReact(browser(), await bundlePage(REACT_APP, alias), 18);
  });

  it('Solid: a live list is an observable, and ends with what shows it', { timeout: 180_000 }, async () => {
    const app = await bundlePage(SOLID_APP, { 'solid-js': join(MODULES, 'solid-js/dist/solid.js') });
    await using server = await startServer({ schema: SCHEMA, config: BASE_CONFIG, files: pageFiles(app) });
    for (let n = 0; n < 5; n++) await server.put(`Item/i${n}`, { title: `t${n}`, n });
    const page = await browser().newPage();
    await page.goto(`${server.origin}/my-app/`);
    const shown = () => page.locator('#root').textContent();
    await expect.poll(shown, { timeout: 30_000 }).toBe('live t0 t1 t2');
    await server.put('Item/i1', { title: 'changed', n: 1 });
    await expect.poll(shown, { timeout: 30_000 }).toBe('live t0 changed t2');
    await page.evaluate('setShown(false)');
    await expect.poll(() => page.evaluate('client.status'), { timeout: 30_000 }).toBe('idle');
    expect(await shown()).toBe('nothing');
    await page.close();
  });
});
