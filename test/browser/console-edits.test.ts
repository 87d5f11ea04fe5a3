import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { inBrowser } from './browser.ts';
import { ConsoleApp, cell, isLive } from './console-app.ts';

const record = (id: string, more: object = {}) => ({
  id,
  title: `Title ${id}`,
  kind: 'TOOL',
  price: 1,
  stock: 2,
  done: false,
  ...more,
});

/** Types a value into a cell of the first rows. */
async function edit(page: Page, row: number, column: string, text: string): Promise<void> {
  await cell(page, row, column).dblclick();
  await page.locator('.cell-editor').fill(text);
  await page.keyboard.press('Enter');
  await cell(page, row, column).and(page.locator('.pending')).waitFor();
}

async function save(page: Page): Promise<void> {
  await page.locator('.pending-bar').getByRole('button', { name: 'Save' }).click();
}

/** Waits until the change knows the position that it is saved from: the record was read for it. */
async function isBased(page: Page, id: string): Promise<void> {
  await page.waitForFunction(
    `JSON.parse(sessionStorage.getItem('tablecast.drafts.shop/Product') ?? '[]').some((it) => it.id === '${id}' && it.seq > 0)`,
  );
}

inBrowser('edits in the console', (browser) => {
  it('sends nothing but GET while one only looks', async () => {
    await using app = await ConsoleApp.start(browser());
    await app.store('Product', [record('a', { tags: ['x'], extra: { deep: 1 }, made: '2025-01-01' }), record('b')]);
    const page = await app.openTable('shop/Product');
    // Columns that are out of sight are not drawn.
    await page.setViewportSize({ width: 2_400, height: 800 });
    for (const column of ['title', 'kind', 'price', 'stock', 'serial', 'done']) {
      await cell(page, 0, column).dblclick();
      await page.locator('.cell-editor').waitFor();
      await page.keyboard.press('Escape');
      await cell(page, 0, column).dblclick();
      await cell(page, 1, 'id').click();
      await page.keyboard.press('Control+2');
      await page.keyboard.press('Meta+5');
    }
    await page.goto(`${app.server.origin}/_console/shop/Product/a`);
    await page.getByRole('textbox', { name: 'extra' }).waitFor();
    for (const tab of ['JSON', 'History', 'Fields']) await page.getByRole('tab', { name: tab }).click();
    await page.keyboard.press('Escape');
    await page.getByRole('link', { name: 'Channels' }).click();
    await page.getByRole('button', { name: 'Listen' }).click();
    await page.locator('.frame').first().waitFor();
    expect(app.requests.filter((request) => !request.startsWith('GET '))).toEqual([]);
    expect(await page.evaluate(`sessionStorage.getItem('tablecast.drafts.shop/Product')`)).toBeNull();
  });

  it('keeps both changes when two windows change different fields of one record', async () => {
    await using app = await ConsoleApp.start(browser());
    await app.store('Product', [record('a')]);
    const [here, there] = [await app.openTable('shop/Product'), await app.openTable('shop/Product')];
    await edit(here, 0, 'title', 'Mine');
    await isBased(here, 'a');
    await edit(there, 0, 'stock', '99');
    await save(there);
    await cell(there, 0, 'stock').and(there.locator(':not(.pending)')).getByText('99').waitFor();
    await save(here);
    await here.getByText('was kept').waitFor();
    expect((await app.ask('GET', 'Product/a')).record).toMatchObject({ title: 'Mine', stock: 99 });
  });

  it.each([
    ['Theirs', 'Theirs'],
    ['Mine', 'Mine'],
    ['Something else', 'Both'],
  ])('asks when both have changed the same field, and stores what was chosen (%s)', async (choice, stored) => {
    await using app = await ConsoleApp.start(browser());
    await app.store('Product', [record('a')]);
    const page = await app.openTable('shop/Product');
    await edit(page, 0, 'title', 'Mine');
    await isBased(page, 'a');
    await app.ask('PATCH', 'Product/a', { title: 'Theirs' });
    await save(page);
    const sheet = page.getByRole('dialog');
    await sheet.getByText('Title a').waitFor();
    expect(await sheet.getByRole('button', { name: 'Save what is chosen' }).isDisabled()).toBe(true);
    await sheet.getByText('by anonymous').waitFor();
    expect((await app.ask('GET', 'Product/a')).record.title).toBe('Theirs');
    if (choice === 'Something else') await sheet.getByLabel('title, something else').fill('Both');
    else await sheet.getByLabel(choice).check();
    await sheet.getByRole('button', { name: 'Save what is chosen' }).click();
    await sheet.waitFor({ state: 'detached' });
    await expect.poll(async () => (await app.ask('GET', 'Product/a')).record.title).toBe(stored);
    await page.locator('.pending-bar').waitFor({ state: 'detached' });
  });

  it('keeps a draft while another client changes and deletes the record, and over a reload', async () => {
    await using app = await ConsoleApp.start(browser());
    await app.store('Product', [record('a')]);
    const page = await app.openTable('shop/Product/a');
    const title = page.getByLabel('title', { exact: true });
    await title.fill('My draft');
    await isBased(page, 'a');
    await app.ask('PATCH', 'Product/a', { title: 'From the API', stock: 7 });
    await page.getByText('Now stored by another client: From the API').waitFor();
    await expect.poll(() => page.getByLabel('stock', { exact: true }).inputValue()).toBe('7');
    expect(await title.inputValue()).toBe('My draft');
    page.on('dialog', (dialog) => void dialog.accept());
    await page.reload();
    await isLive(page);
    expect(await title.inputValue()).toBe('My draft');
    await app.ask('DELETE', 'Product/a');
    await page.getByText('It has been deleted meanwhile').waitFor();
    await save(page);
    await page.getByRole('button', { name: 'Create again' }).click();
    await expect.poll(async () => (await app.ask('GET', 'Product/a')).record.title).toBe('My draft');
  });

  it('takes back a change, and not when the record was changed since', async () => {
    await using app = await ConsoleApp.start(browser());
    await app.store('Product', [record('a')]);
    const page = await app.openTable('shop/Product');
    await edit(page, 0, 'title', 'Once');
    await save(page);
    await page.getByRole('button', { name: 'Undo' }).click();
    await expect.poll(async () => (await app.ask('GET', 'Product/a')).record.title).toBe('Title a');
    await edit(page, 0, 'title', 'Twice');
    await save(page);
    await expect.poll(async () => (await app.ask('GET', 'Product/a')).record.title).toBe('Twice');
    await app.ask('PATCH', 'Product/a', { title: 'Other' });
    await cell(page, 0, 'title').getByText('Other').waitFor();
    await cell(page, 0, 'id').click();
    await page.keyboard.press('Control+z');
    await page.getByText('Not undone').waitFor();
    expect((await app.ask('GET', 'Product/a')).record.title).toBe('Other');
  });

  it('creates a record, says what is wrong at its field, and deletes more than one by their typed number', async () => {
    await using app = await ConsoleApp.start(browser());
    await app.store('Product', [record('a'), record('b')]);
    const page = await app.openTable('shop/Product');
    await page.getByRole('button', { name: 'New' }).click();
    const panel = page.getByRole('complementary', { name: 'New Product' });
    await panel.getByLabel('id', { exact: true }).fill('c');
    await panel.getByRole('button', { name: 'Create' }).click();
    await panel.locator('.field.wrong').getByText('is required').waitFor();
    await panel.getByLabel('title', { exact: true }).fill('Third');
    await panel.getByRole('button', { name: 'Create' }).click();
    await cell(page, 2, 'title').getByText('Third').waitFor();
    await page.getByRole('button', { name: 'Close the panel' }).click();
    await page.keyboard.press('Control+a');
    await page.keyboard.press('Delete');
    const dialog = page.getByRole('dialog');
    const remove = dialog.getByRole('button', { name: 'Delete' });
    expect(await remove.isDisabled()).toBe(true);
    await dialog.getByRole('textbox').fill('3');
    await remove.click();
    await page.getByText('No records yet').waitFor();
    await page.getByRole('button', { name: 'Undo' }).last().click();
    await expect.poll(async () => (await app.ask('GET', 'Product?select=title')).records.length).toBe(3);
  });
});
