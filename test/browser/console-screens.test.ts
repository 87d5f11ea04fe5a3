import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { inBrowser } from './browser.ts';
import { ConsoleApp, cell, columnTexts } from './console-app.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const SCREENS = [
  'shop/',
  'shop/Product',
  'shop/Product/a',
  'shop/Empty',
  'shop/Product?prise=1',
  'shop/_/channels',
  'shop/_/changes',
  'shop/_/audit',
  'shop/_/flows',
  'shop/_/connections',
  'shop/_/rooms',
  'shop/_/schema',
  'shop/_/past?table=Product',
];
const LONG_TEST = 240_000;

const ATTACKS = [
  '<script>window.hacked = 1</script>',
  '<img src=x onerror="window.hacked = 1">',
  'javascript:window.hacked=1',
  '"><svg onload=window.hacked=1>',
  'abc\u202egnp.exe',
  '=HYPERLINK("http://evil.test","x")',
  '__proto__',
  '{{constructor.constructor("window.hacked=1")()}}',
];

const record = (id: string, more: object = {}) => ({
  id,
  title: `Title ${id}`,
  kind: 'TOOL',
  price: 1,
  stock: 2,
  ...more,
});

async function settle(page: Page): Promise<void> {
  await page.locator('.main, .login-card').first().waitFor();
  await page.waitForLoadState('networkidle').catch(() => undefined);
}

/** Findings of axe that are serious or worse, in the light and in the dark. */
async function findings(page: Page): Promise<readonly string[]> {
  await page.evaluate(AXE);
  const found: string[] = [];
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    // Colors that change slowly have done so.
    await page.waitForTimeout(300);
    for (const finding of await violations(page)) found.push(`${colorScheme}: ${finding}`);
  }
  return found;
}

function violations(page: Page): Promise<readonly string[]> {
  return page.evaluate(`axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ html }) => id + ': ' + html.slice(0, 160))))`);
}

inBrowser('the screens of the console', (browser) => {
  it(
    'run nothing of what is stored, and send it nowhere',
    async () => {
      await using app = await ConsoleApp.start(browser(), {
        schema: `"<script>window.hacked = 1</script>"
type Product @table @export @audit {
  id: ID! @primaryKey
  "<img src=x onerror='window.hacked = 1'>"
  title: String!
  kind: String
  tags: [String]
  extra: JSON
}`,
      });
      const hostile = ATTACKS.map((text, index) => ({
        id: `${index}${text}`.slice(0, 200),
        title: text,
        kind: text,
        tags: [text, text],
        // The server takes no such key.
        extra: { [text === '__proto__' ? 'proto' : text]: text, deep: [text] },
      }));
      await app.store('Product', [...hostile, { id: 'zz', title: 'y'.repeat(400_000), extra: null }]);
      const page = await app.openTable('shop/Product');
      await cell(page, 0, 'title').getByText('<script>').waitFor();
      expect((await columnTexts(page, 'title'))[4]).toBe('abc⟨202E⟩gnp.exe');
      expect(
        await page.evaluate(
          `Math.max(...[...document.querySelectorAll('.grid-body .cell')].map((it) => it.textContent.length))`,
        ),
      ).toBeLessThan(210);
      for (const { id } of hostile.slice(0, 4)) {
        await page.goto(`${app.server.origin}/_console/shop/Product/${encodeURIComponent(id)}`);
        await page.getByLabel('title', { exact: true }).waitFor();
        for (const tab of ['JSON', 'Access', 'History']) await page.getByRole('tab', { name: tab }).click();
        await page.locator('.timeline').waitFor();
      }
      for (const path of [
        'shop/',
        'shop/_/changes',
        'shop/_/audit',
        'shop/_/schema',
        'shop/_/past?table=Product',
        `shop/Product?title==${encodeURIComponent('<script>')}*`,
      ]) {
        await page.goto(`${app.server.origin}/_console/${path}`);
        await settle(page);
      }
      expect(await page.evaluate('window.hacked')).toBeUndefined();
      expect(await page.evaluate(`document.querySelectorAll('#root script, #root img').length`)).toBe(0);
      expect(app.requests.filter((request) => !request.includes(` ${app.server.origin}/`))).toEqual([]);
      expect(app.said).toEqual([]);
    },
    LONG_TEST,
  );

  it(
    'can be used by everyone, as far as axe can tell, light or dark',
    async () => {
      await using app = await ConsoleApp.start(browser(), { bypassPolicy: true });
      await app.store('Product', [record('a', { tags: ['x'], extra: { b: 1 } }), record('b')]);
      await app.ask('PATCH', 'Product/a', { title: 'Changed' });
      const page = await app.open('');
      const found: string[] = [];
      for (const path of SCREENS) {
        await page.goto(`${app.server.origin}/_console/${path}`);
        await settle(page);
        for (const finding of await findings(page)) found.push(`${path}: ${finding}`);
      }
      await page.keyboard.press('Control+k');
      await page.getByRole('combobox', { name: 'Find a table' }).waitFor();
      for (const finding of await findings(page)) found.push(`palette: ${finding}`);
      await page.keyboard.press('Escape');
      for (const item of ['Import…', 'Export…', 'Change all', 'Delete all', 'Explain this', 'Who may']) {
        await page.goto(`${app.server.origin}/_console/shop/Product`);
        await page.getByRole('button', { name: 'More' }).click();
        await page.getByRole('menuitem', { name: item }).click();
        await page.getByRole('dialog').waitFor();
        for (const finding of await findings(page)) found.push(`${item} ${finding}`);
      }
      expect(found).toEqual([]);
    },
    LONG_TEST,
  );

  it(
    'fit on a phone',
    async () => {
      await using app = await ConsoleApp.start(browser());
      await app.store('Product', [record('a', { title: 'W'.repeat(300) }), record('b')]);
      const page = await app.open('');
      await page.setViewportSize({ width: 390, height: 844 });
      for (const path of SCREENS) {
        await page.goto(`${app.server.origin}/_console/${path}`);
        await settle(page);
        expect(await page.evaluate('document.documentElement.scrollWidth'), path).toBe(390);
      }
      await page.getByRole('button', { name: 'Navigation' }).click();
      await page.getByRole('link', { name: 'Product' }).click();
      await cell(page, 1, 'id').waitFor();
    },
    LONG_TEST,
  );

  it('ask for a login, and show nothing of the schema before', async () => {
    await using app = await ConsoleApp.start(browser(), {
      schema: 'type Note @table @export @access(read: "authenticated") { id: ID! @primaryKey text: String }',
      config: `port: 0\nhost: 127.0.0.1\nauth:\n  users: true\n  signup: true\n  jwt:\n    secret: 4fKq9vXz2LmN8pRt6wYb3cEh5jGd7sAu\n`,
    });
    const account = { name: 'ada', password: 'correct horse battery' };
    expect((await app.ask('POST', '_/auth/signup', account)).status).toBe(201);
    const page = await app.open('shop/Note');
    await page.getByLabel('Name').fill(account.name);
    await page.getByLabel('Password').fill('wrong horse');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('alert').waitFor();
    expect(await page.locator('body').textContent()).not.toContain('Note');
    expect(app.requests.filter((request) => request.includes('openapi.json'))).toEqual([]);
    await page.getByLabel('Password').fill(account.password);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('heading', { name: 'Note', exact: true }).waitFor();
    // A user without the role of administrators: no screen for them, and no request.
    expect(await page.getByRole('link', { name: 'Audit' }).count()).toBe(0);
    expect(app.requests.filter((request) => request.includes('/_/admin/'))).toEqual([]);
    expect(await page.evaluate('Object.keys(localStorage).filter((name) => name.includes("login"))')).toEqual([]);
    expect(await page.evaluate('location.href + document.cookie')).not.toContain('eyJ');
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByLabel('Password').waitFor();
  });

  it('list changes as they are made, and the records that refer to one', async () => {
    await using app = await ConsoleApp.start(browser(), {
      schema: `type Maker @table @export { id: ID! @primaryKey name: String products: [Product] @relationship(to: "makerId") }
type Product @table @export { id: ID! @primaryKey title: String makerId: ID @indexed maker: Maker @relationship(from: "makerId") }`,
    });
    const page = await app.open('shop/_/changes');
    await page.getByText('No changes here.').waitFor();
    await app.store('Maker', [{ id: 'm1', name: 'Hand & Co' }]);
    await app.store('Product', [
      { id: 'p1', title: 'Saw', makerId: 'm1' },
      { id: 'p2', title: 'Drill', makerId: 'm2' },
    ]);
    const entries = page.locator('.timeline > li');
    await expect.poll(() => entries.count()).toBe(3);
    expect(await entries.first().getAttribute('class')).toBe('create fresh');
    await page.getByRole('button', { name: 'Pause' }).click();
    await app.ask('PATCH', 'Product/p1', { title: 'Handsaw' });
    await page.getByRole('button', { name: 'Go live' }).click();
    await entries.filter({ hasText: 'Handsaw' }).waitFor();
    await page.goto(`${app.server.origin}/_console/shop/Maker/m1`);
    await page.getByRole('tab', { name: 'Related' }).click();
    const related = page.getByRole('region', { name: 'Product by makerId' });
    await related.getByText('Handsaw').waitFor();
    expect(await related.getByRole('listitem').count()).toBe(1);
    await page.getByRole('link', { name: 'Listen to its channel' }).click();
    expect(await page.getByLabel('Channel', { exact: true }).inputValue()).toBe('Maker/m1');
    await page.goBack();
    await page.getByRole('tab', { name: 'Related' }).click();
    await related.getByRole('link', { name: 'Product' }).click();
    await cell(page, 0, 'title').getByText('Handsaw').waitFor();
    await page.getByText('1 record', { exact: true }).waitFor();
    expect(app.said).toEqual([]);
  });

  it('listen to a channel, and replay it from a position', async () => {
    await using app = await ConsoleApp.start(browser(), {
      schema: `type Product @table @export(public: [read, create, update, delete, subscribe, publish]) {
  id: ID! @primaryKey
  title: String!
  kind: String
  price: Float
  stock: Int
}`,
    });
    await app.store('Product', [record('a')]);
    const page = await app.open('shop/_/channels');
    await page.getByRole('button', { name: 'Listen' }).click();
    const frames = page.locator('.frame');
    await isReady(page);
    for (const stock of [11, 12, 13]) await app.ask('PATCH', 'Product/a', { stock });
    await expect.poll(() => frames.filter({ hasText: 'Update' }).count()).toBe(3);
    await page.getByRole('button', { name: 'Send' }).click();
    await frames.filter({ hasText: 'Publish' }).waitFor();
    await frames.filter({ hasText: 'Update' }).first().click();
    await page.getByRole('button', { name: 'Clear' }).click();
    await page.getByRole('button', { name: 'Replay from here' }).click();
    await expect.poll(() => frames.filter({ hasText: 'Update' }).count()).toBe(2);
    await isReady(page);
  });
});

async function isReady(page: Page): Promise<void> {
  await page.locator('.frame .op.ready').waitFor();
}
