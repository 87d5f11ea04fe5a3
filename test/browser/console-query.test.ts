import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { inBrowser } from './browser.ts';
import { ConsoleApp, columnTexts, isLive } from './console-app.ts';

const run = promisify(execFile);
const LONG_TEST = 180_000;
const QUERIES = [
  'title==O*',
  'title==*"quoted" it\'s 100% & so*'.replace('&', '%26').replace('100%', '100%25'),
  'title==*ü 語*',
  'price=gt=10&kind==TOOL&sort=-price,title',
  '!(kind==TOOL&price=gt=10)',
  '(stock=gt=3|price=lt=5)&sort=title',
  'kind[in]=TOY,FOOD&sort=-id',
  'price[eq]=null',
  'sort=-price&limit=4&select=title,price',
];

/** Takes one of the forms of "Copy as" from the clipboard. */
async function copyAs(page: Page, form: string): Promise<string> {
  await page.getByRole('button', { name: 'Copy as' }).click();
  await page.getByRole('menuitem', { name: form, exact: true }).click();
  return (await page.evaluate('navigator.clipboard.readText()')) as string;
}

const idsOf = (records: unknown) => (records as readonly { id: string }[]).map(({ id }) => id);

inBrowser('a query in the console', (browser) => {
  it(
    'gives the rows that curl gives, and every program that is copied gives them too',
    async () => {
      await using app = await ConsoleApp.start(browser());
      const kinds = ['TOOL', 'TOY', 'FOOD'];
      await app.store('Product', [
        ...Array.from({ length: 12 }, (_, index) => ({
          id: `p${index}`,
          title: `${index % 2 ? 'One' : 'Two'} ${index}`,
          kind: kinds[index % 3],
          price: index === 3 ? null : index * 2,
          stock: index % 5,
        })),
        { id: 'q1', title: 'A "quoted" it\'s 100% & so on', kind: 'TOY', price: 1, stock: 1 },
        { id: 'q2', title: 'Tür ü 語 x', kind: 'TOY', price: 1, stock: 1 },
      ]);
      await app.context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: app.server.origin });
      const page = await app.openTable('shop/Product');
      for (const query of QUERIES) {
        await page.getByLabel('Query of Product').fill(query);
        await page.keyboard.press('Enter');
        await isLive(page);
        const { stdout } = await run('/bin/sh', ['-c', await copyAs(page, 'curl')]);
        const expected = idsOf(JSON.parse(stdout));
        expect(expected.length, query).toBeGreaterThan(0);
        await expect.poll(() => columnTexts(page, 'id'), { message: query }).toEqual(expected);
        const asked = await copyAs(page, 'fetch');
        const got = await page.evaluate(`(async () => { ${asked}\nreturn records; })()`);
        expect(idsOf(got), query).toEqual(expected);
      }
      // The programs that stay: with the first query, in another order than the key's, and with one of odd characters.
      for (const query of [QUERIES[1], QUERIES[5]] as string[]) {
        await page.getByLabel('Query of Product').fill(query);
        await page.keyboard.press('Enter');
        await isLive(page);
        const { stdout } = await run('/bin/sh', ['-c', await copyAs(page, 'curl')]);
        const expected = idsOf(JSON.parse(stdout));
        const client = (await copyAs(page, 'client')).replace(
          /import (\{.*\}) from (".*");/,
          'const $1 = await import($2);',
        );
        const listed = await page.evaluate(
          `new Promise(async (done) => { ${client.replace('console.log(records)', 'done(records)')} })`,
        );
        expect(idsOf(listed), query).toEqual(expected);
        const source = (await copyAs(page, 'EventSource')).replace(
          'console.log(name, JSON.parse(data))',
          'add(JSON.parse(data))',
        );
        const streamed = await page.evaluate(`new Promise((done) => {
          const found = [];
          const add = (record) => { found.push(record); if (found.length === ${expected.length}) done(found); };
          ${source}
        })`);
        expect(idsOf(streamed).toSorted(), query).toEqual(expected.toSorted());
      }
      expect(app.said).toEqual([]);
    },
    LONG_TEST,
  );
});
