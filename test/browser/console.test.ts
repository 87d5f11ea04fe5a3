import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, test } from 'vitest';
import { inBrowser } from './browser.ts';
import { ConsoleApp, cell, columnTexts, isLive } from './console-app.ts';

const BUILT = fileURLToPath(new URL('../../dist/console', import.meta.url));
const WITH_RESTART = 120_000;
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const product = (index: number, more: object = {}) => ({
  id: `p${String(index).padStart(5, '0')}`,
  title: `Product ${index}`,
  kind: ['TOOL', 'TOY', 'FOOD'][index % 3],
  price: index % 7 === 0 ? null : (index * 37) % 1000,
  stock: index % 50,
  done: index % 2 === 0,
  ...more,
});
const products = (count: number) => Array.from({ length: count }, (_, index) => product(index));

describe('the files of the console', () => {
  const files = readdirSync(BUILT).map((name) => {
    const body = readFileSync(join(BUILT, name));
    return { name, body: body.toString(), bytes: body.length, packed: gzipSync(body, { level: 9 }).length };
  });
  const sum = (list: typeof files) => list.reduce((total, { packed }) => total + packed, 0);

  test('keep within their sizes', () => {
    const isLazy = (name: string) => !/^(?:main|style|index)\b/.test(name);
    const main = files.find(({ name }) => /^main-.*\.js$/.test(name))?.body ?? '';
    const imported = [...main.matchAll(/from\s*"\.\/([^"]+)"/g)].map(([, name]) => name);
    const isFirst = ({ name }: { readonly name: string }) =>
      /^(?:main-.*\.js|style-.*\.css)$/.test(name) || imported.includes(name);
    expect(sum(files.filter(isFirst))).toBeLessThan(80 * 1024);
    for (const { name, packed } of files.filter((file) => isLazy(file.name))) {
      expect(packed, name).toBeLessThan(140 * 1024);
    }
    expect(sum(files)).toBeLessThan(300 * 1024);
    const total = files.reduce((bytes, { name }) => bytes + statSync(join(BUILT, name)).size, 0);
    expect(total).toBeLessThan(1.2 * 1024 * 1024);
  });

  test('have nothing inline, and no way from text to HTML', () => {
    const page = files.find(({ name }) => name === 'index.html')?.body ?? '';
    expect(page.match(/<script(?![^>]*\ssrc=)/g)).toBeNull();
    expect(page.match(/<style|\sstyle=|\son\w+=/g)).toBeNull();
    const own = readdirSync(fileURLToPath(new URL('../../console/src', import.meta.url)), {
      recursive: true,
      encoding: 'utf8',
    });
    const sinks = own
      .filter((name) => /\.tsx?$/.test(name))
      .filter((name) =>
        /innerHTML|outerHTML|insertAdjacentHTML|document\.write|dangerouslySetInnerHTML|\beval\(|new Function/.test(
          readFileSync(fileURLToPath(new URL(`../../console/src/${name}`, import.meta.url)), 'utf8'),
        ),
      );
    expect(sinks).toEqual([]);
  });
});

inBrowser('the console', (browser) => {
  it('begins with few requests to its own server, and does not count before it shows', async () => {
    await using app = await ConsoleApp.start(browser());
    await app.store('Product', products(300));
    const page = await app.open('shop/Product');
    await cell(page, 0, 'title').getByText('Product 0').waitFor();
    await isLive(page);
    const sent = [...app.requests];
    expect(sent.length).toBeLessThanOrEqual(12);
    expect(sent.filter((request) => !request.includes(` ${app.server.origin}/`))).toEqual([]);
    const lists = sent.filter((request) => request.includes('/shop/Product?'));
    expect(lists[0]).not.toContain('count');
    expect(app.said).toEqual([]);
  });

  it('is served under its policy, word for word', async () => {
    await using app = await ConsoleApp.start(browser());
    for (const path of ['', 'shop/', 'shop/Product', 'shop/Product/p1?title==x']) {
      const response = await fetch(`${app.server.origin}/_console/${path}`, { headers: { accept: 'text/html' } });
      expect([response.status, response.headers.get('content-security-policy')]).toEqual([200, POLICY]);
    }
  });

  it('shows what changes as it changes, in the order of the query', async () => {
    await using app = await ConsoleApp.start(browser());
    await app.store('Product', products(40));
    const page = await app.openTable('shop/Product?price=ge=900&sort=-price');
    const prices = async () => (await columnTexts(page, 'price')).map(Number);
    const before = (await app.ask('GET', 'Product?price=ge=900&sort=-price')).records.map(({ price }) => price);
    await expect.poll(prices).toEqual(before);
    await app.ask('PATCH', 'Product/p00001', { price: 950 });
    await app.ask('POST', 'Product', product(77, { price: 2_000, title: 'The dearest' }));
    await app.ask(
      'DELETE',
      `Product/${(await app.ask('GET', 'Product?price=ge=900&sort=price&limit=1')).records[0]?.id}`,
    );
    const after = (await app.ask('GET', 'Product?price=ge=900&sort=-price')).records.map(({ price }) => price);
    expect(after).toContain(950);
    await expect.poll(prices).toEqual(after);
    await cell(page, 0, 'title').getByText('The dearest').waitFor();
    await app.ask('PATCH', 'Product/p00077', { title: 'Still the dearest' });
    await page.locator('.cell[class*="flash-"]').getByText('Still the dearest').waitFor();
    expect(app.said).toEqual([]);
  });

  it.each([
    ['sort=-price&limit=3', 'id', ['p1', 'p4', 'p3'], ['p2', 'p1', 'p4']],
    ['aggregate=count,sum(price)&group=kind', 'sum_price', ['50', '60'], ['150', '60']],
  ])('follows a window and totals as a list of the client does (%s)', async (search, column, before, after) => {
    await using app = await ConsoleApp.start(browser());
    const prices = [50, 0, 20, 40];
    await app.store(
      'Product',
      prices.map((price, at) => ({ id: `p${at + 1}`, title: 'x', kind: at > 1 ? 'TOY' : 'TOOL', price })),
    );
    const page = await app.openTable(`shop/Product?${search}`);
    await expect.poll(() => columnTexts(page, column)).toEqual(before);
    await page.getByRole('button', { name: 'Pause' }).click();
    await app.ask('PATCH', 'Product/p2', { price: 100 });
    await page.locator('.status-line .held').waitFor();
    expect(await columnTexts(page, column)).toEqual(before);
    await page.getByRole('button', { name: 'Go live' }).click();
    await page.locator('.cell[class*="flash-"], [class*=" new-"]').first().waitFor();
    await expect.poll(() => columnTexts(page, column)).toEqual(after);
    expect(app.said).toEqual([]);
  });

  it('shows a page that the server does not follow, and says so', async () => {
    await using app = await ConsoleApp.start(browser());
    await app.store('Product', products(3));
    const page = await app.open('shop/Product?offset=1&limit=900&sort=title');
    await cell(page, 1, 'title').getByText('Product 2').waitFor();
    await page.goto(`${app.server.origin}/_console/shop/Product?offset=1500&limit=1000`);
    await page.locator('.live-state.off').waitFor();
  });

  it('names the column of a mistake in the query', async () => {
    await using app = await ConsoleApp.start(browser());
    await app.store('Product', products(3));
    const page = await app.open('shop/Product?title==P*&prise=gt=1');
    await page.locator('.query-error').getByText('did you mean "price"?').waitFor();
    expect(
      await page
        .locator('.column-mark')
        .evaluate((mark) => (mark as unknown as { style: { left: string } }).style.left),
    ).toBe('calc(10ch)');
    await page.getByLabel('Query of Product').fill('title==P*&price=gt=1');
    await page.keyboard.press('Enter');
    await isLive(page);
    expect(new URL(page.url()).search).toBe('?title==P*&price=gt=1');
  });

  it(
    'is right again after the server was killed, without loading the page anew',
    async () => {
      await using app = await ConsoleApp.start(browser());
      await app.store('Product', products(60));
      const page = await app.openTable('shop/Product?sort=title&kind==TOOL');
      await page.evaluate('window.untouched = true');
      await app.crashAndChange(async () => {
        await app.ask('PATCH', 'Product/p00003', { title: 'A changed while away' });
        await app.ask('DELETE', 'Product/p00006');
        await app.ask('POST', 'Product', product(999, { kind: 'TOOL', title: 'B came while away' }));
      });
      const expected = (await app.ask('GET', 'Product?sort=title&kind==TOOL')).records.map(({ title }) => title);
      await isLive(page);
      await expect.poll(() => columnTexts(page, 'title'), { timeout: 60_000 }).toEqual(expected);
      expect(await page.evaluate('window.untouched')).toBe(true);
    },
    WITH_RESTART,
  );
});
