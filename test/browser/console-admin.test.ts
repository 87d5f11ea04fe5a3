import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { SECRET, tokenOf } from '../support/tokens.ts';
import { inBrowser } from './browser.ts';
import { ConsoleApp, cell, columnTexts, isLive } from './console-app.ts';

const LONG_TEST = 120_000;

async function openMore(page: Page, item: string): Promise<void> {
  await page.getByRole('button', { name: 'More' }).click();
  await page.getByRole('menuitem', { name: item }).click();
}

const note = (id: string, text: string) => ({ id, text, owner: 'ada' });

const SCHEMA = `
type Note @table @export @access(read: "owner==$auth.sub", update: "editor") {
  id: ID! @primaryKey
  text: String!
  owner: String
  size: Int
}
type Log @table @export { id: ID! @primaryKey line: String }
`;

inBrowser('administrators in the console', (browser) => {
  it(
    'see how a query is answered, and which directive makes it fast',
    async () => {
      await using app = await ConsoleApp.start(browser());
      await app.store(
        'Product',
        Array.from({ length: 50 }, (_, index) => ({ id: `p${index}`, title: `T${index}`, stock: index })),
      );
      const page = await app.openTable('shop/Product?stock=gt=40');
      await openMore(page, 'Explain this query…');
      const dialog = page.getByRole('dialog');
      await dialog.getByText('@indexed on Product.stock').waitFor();
      expect(await dialog.locator('.facts dd').allTextContents()).toEqual(['scan', '9', expect.stringMatching(/ ms$/)]);
      await page.keyboard.press('Escape');
      await page.goto(`${app.server.origin}/_console/shop/Product?title==T1*&sort=title`);
      await openMore(page, 'Explain this query…');
      await dialog.getByText('index', { exact: true }).waitFor();
      expect(app.said).toEqual([]);
    },
    LONG_TEST,
  );

  it(
    'see which rule lets a caller do what, and whether a record meets the query',
    async () => {
      await using app = await ConsoleApp.start(browser(), { schema: SCHEMA });
      await app.store('Note', [note('a', 'one'), note('b', 'two')]).catch(() => undefined);
      const page = await app.open('shop/Log');
      await openMore(page, 'Who may do what…');
      const dialog = page.getByRole('dialog');
      await dialog.getByText('Public: every caller may.').first().waitFor();
      await dialog.getByLabel('Claims').fill('[');
      await dialog.getByLabel('Caller').fill('ada');
      await dialog.getByRole('button', { name: 'Ask' }).click();
      await dialog.getByText('Claims are a JSON object.').waitFor();
      expect(app.said).toEqual([]);
    },
    LONG_TEST,
  );

  it(
    'go through the log of a table, and bring back a record as it was',
    async () => {
      await using app = await ConsoleApp.start(browser());
      await app.store('Product', [{ id: 'a', title: 'First', stock: 1 }]);
      await app.store('Product', [{ id: 'b', title: 'Other' }]);
      await app.ask('PATCH', 'Product/a', { title: 'Second', stock: 2 });
      await app.ask('DELETE', 'Product/b');
      const page = await app.open('shop/_/past?table=Product');
      const rows = page.locator('table.past tbody tr');
      await rows.filter({ hasText: 'Second' }).waitFor();
      expect(await rows.count()).toBe(1);
      // The change at the head is the deletion: one back is before it.
      await page.getByRole('button', { name: 'One change back' }).click();
      await rows.filter({ hasText: 'Other' }).waitFor();
      expect(await rows.filter({ hasText: 'Second' }).locator('td.changed').allTextContents()).toEqual(['Second', '2']);
      await page.keyboard.press('[');
      await rows.filter({ hasText: 'First' }).waitFor();
      await rows.filter({ hasText: 'First' }).getByRole('button', { name: 'Restore…' }).click();
      await page.getByRole('button', { name: 'Restore', exact: true }).click();
      await expect.poll(async () => (await app.ask('GET', 'Product/a')).text).toContain('"First"');
      await rows.filter({ hasText: 'Other' }).getByRole('button', { name: 'Restore…' }).click();
      await page.getByText('It is deleted now').waitFor();
      await page.getByRole('button', { name: 'Restore', exact: true }).click();
      await expect.poll(async () => (await app.ask('GET', 'Product/b')).status).toBe(200);
      await page.goto(`${app.server.origin}/_console/shop/Product/a`);
      await page.getByRole('tab', { name: 'History' }).click();
      await page.getByRole('button', { name: 'Compare' }).nth(1).click();
      await page.getByRole('dialog').getByText('Second').waitFor();
      // Another client changes it before it is restored.
      await app.ask('PATCH', 'Product/a', { stock: 99 });
      await page.getByRole('button', { name: 'Restore', exact: true }).click();
      await page.getByText('It has been changed meanwhile').waitFor();
      expect((await app.ask('GET', 'Product/a')).text).toContain('99');
    },
    LONG_TEST,
  );

  it(
    'see the schema as the server runs with it, and the accounts without secrets',
    async () => {
      await using app = await ConsoleApp.start(browser(), {
        schema: `type Author @table @export { id: ID! @primaryKey name: String! books: [Book] @relationship(to: "authorId") }
"What was written."
type Book @table @export @compositeIndex(fields: ["title", "year"]) {
  id: ID! @primaryKey
  title: String! @indexed
  year: Int
  secret: String @hidden
  authorId: ID @indexed
  author: Author @relationship(from: "authorId")
}`,
      });
      const page = await app.open('shop/_/schema');
      const book = page.getByRole('region', { name: 'Book' });
      await book.getByText('What was written.').waitFor();
      expect(await book.locator('.schema-fields li').allTextContents()).toEqual([
        'idID!key',
        'titleString!indexed',
        'yearInt',
        'secretStringhidden',
        'authorIdIDindexed',
        'authorAuthorby authorId',
      ]);
      await book.getByText('Indexes: title + year').waitFor();
      await page.getByText('schema.graphql').click();
      expect(await page.locator('.file pre').textContent()).toContain('@compositeIndex');
      await page.getByRole('link', { name: 'Book' }).last().click();
      expect(app.said).toEqual([]);
    },
    LONG_TEST,
  );

  it(
    'see the tables as another caller, and cannot write then',
    async () => {
      await using app = await ConsoleApp.start(browser(), {
        schema: SCHEMA,
        config: `port: 0\nhost: 127.0.0.1\nauth:\n  jwt:\n    secret: ${SECRET}\n`,
      });
      const root = tokenOf('root', { roles: ['admin'] });
      const asRoot = { authorization: `Bearer ${root}` };
      await app.ask('PUT', 'Note/a', { text: 'of ada', owner: 'ada' }, asRoot);
      await app.ask('PUT', 'Note/b', { text: 'of bob', owner: 'bob' }, asRoot);
      const page = await app.open('shop/Note');
      await page.getByLabel('Token or API key').fill(root);
      await page.getByRole('button', { name: 'Log in' }).click();
      await cell(page, 1, 'text').getByText('of bob').waitFor();
      // Effects of the page come late, as on a busy machine: what is opened for the new caller has to stay open.
      await page.evaluate(`{ const plain = setTimeout; window.setTimeout = (run, ms) => plain(run, ms || 1_000); }`);
      await page.getByRole('button', { name: 'View as' }).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByLabel('Caller').fill('ada');
      await dialog.getByRole('button', { name: 'View', exact: true }).click();
      const bar = page.getByRole('region', { name: 'View as another caller' });
      await bar.getByText('As ada').waitFor();
      await page.getByText('1 record', { exact: true }).waitFor();
      await isLive(page);
      expect(await columnTexts(page, 'text')).toEqual(['of ada']);
      await page.waitForTimeout(1_500);
      // What comes is what the caller gets, too.
      await app.ask('PUT', 'Note/c', { text: 'also of bob', owner: 'bob' }, asRoot);
      await app.ask('PUT', 'Note/d', { text: 'also of ada', owner: 'ada' }, asRoot);
      await cell(page, 1, 'text').getByText('also of ada').waitFor();
      expect(await columnTexts(page, 'text')).toEqual(['of ada', 'also of ada']);
      for (const name of ['New', 'Save', 'Delete']) expect(await page.getByRole('button', { name }).count()).toBe(0);
      for (const name of ['Audit', 'Schema']) expect(await page.getByRole('link', { name }).count()).toBe(0);
      const before = app.requests.filter((request) => !/^(?:GET|HEAD) /.test(request)).length;
      await cell(page, 0, 'text').dblclick();
      await page.keyboard.press('Escape');
      await cell(page, 0, 'text').click();
      await page.keyboard.type('xy');
      await page.keyboard.press('Control+s');
      await page.keyboard.press('n');
      expect(await page.locator('input.cell-editor, .panel-form').count()).toBe(0);
      expect(app.requests.filter((request) => !/^(?:GET|HEAD) /.test(request)).length).toBe(before);
      expect(app.requests.filter((request) => request.includes('tcv_'))).toEqual([]);
      await bar.getByRole('button', { name: 'Leave' }).click();
      await page.getByText('4 records', { exact: true }).waitFor();
      await page.getByRole('link', { name: 'Audit' }).waitFor();
    },
    LONG_TEST,
  );
});
