import { setTimeout as pause } from 'node:timers/promises';
import { beforeAll, expect, it } from 'vitest';
import { BASE_CONFIG, startServer } from '../support/app.ts';
import { SECRET } from '../support/tokens.ts';
import { inBrowser } from './browser.ts';
import { bundlePage, checkReact, pageFiles, REACT_APP, SCHEMA } from './client-page.ts';

let app = '';
beforeAll(async () => {
  app = await bundlePage(REACT_APP);
});

inBrowser('K3, K5, K10 the client in pages', (browser) => {
  it('React: draws what changed, shares queries, and leaves nothing open', { timeout: 180_000 }, async () => {
    await checkReact(browser(), app, 19);
  });

  it('folds 1,000 changes a second of 10,000 records into one notification a frame', { timeout: 180_000 }, async () => {
    const files = pageFiles(app);
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
      Object.assign(window, { told: 0, frames: 0, changes: 0 });
      list.onChange((_records, _frame, all) => { told++; changes += all.length; });
      const count = () => { frames++; requestAnimationFrame(count); };
      requestAnimationFrame(count);
    })()`);
    expect(await page.evaluate('list.size')).toBe(10_000);
    const session = await page.context().newCDPSession(page);
    await session.send('Performance.enable');
    const scriptSeconds = async () =>
      (await session.send('Performance.getMetrics')).metrics.find(({ name }) => name === 'ScriptDuration')?.value ?? 0;
    const before = await scriptSeconds();
    let changes = 0;
    for (const begun = Date.now(); changes < 3000; changes += 50) {
      const ids = Array.from({ length: 50 }, (_, n) => `k${String((7 * (changes + n)) % 10_000).padStart(5, '0')}`);
      await server.ask('PATCH', `Item?id[in]=${ids.join(',')}`, { json: { n: -changes - 1 } });
      await pause(Math.max(0, begun + changes - Date.now()));
    }
    await expect.poll(() => page.evaluate('changes'), { timeout: 60_000 }).toBe(3000);
    const [told, frames] = await page.evaluate<[number, number]>('[told, frames]');
    const perFrame = ((await scriptSeconds()) - before) / frames;
    expect(told).toBeGreaterThan(0);
    // Each wait for a frame is one notification, or two where the browser was too busy to draw.
    expect(told).toBeLessThanOrEqual(frames * 2 + 2);
    // Far above what an idle machine needs, about 2 ms.
    expect(perFrame * 1000).toBeLessThan(50);
    const { records } = await server.ask('GET', 'Item?sort=-n&limit=1000');
    expect(await page.evaluate('list.records.slice(0, 1000)')).toEqual(records);
    await page.close();
  });

  it('eight tabs at the end of a token: one refresh, all stay logged in', { timeout: 180_000 }, async () => {
    const files = pageFiles(app);
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
