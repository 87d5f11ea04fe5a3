import type { Locator, Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { until } from '../support/wait.ts';
import { inBrowser } from './browser.ts';
import { ConsoleApp, cell, isLive } from './console-app.ts';

const MAX_TABS = 80;

/** Presses Tab until the element that has the focus meets a selector. */
async function tabTo(page: Page, selector: string): Promise<void> {
  for (let presses = 0; presses < MAX_TABS; presses++) {
    if (await page.evaluate(`document.activeElement?.matches(${JSON.stringify(selector)}) === true`)) return;
    await page.keyboard.press('Tab');
  }
  throw new Error(`Tab does not lead to ${selector}`);
}

inBrowser('the console without a mouse', (browser) => {
  it('edits a cell, settles a conflict, and has the focus where it was', async () => {
    await using app = await ConsoleApp.start(browser());
    await app.store('Product', [
      { id: 'a', title: 'Title a', stock: 1 },
      { id: 'b', title: 'Title b', stock: 2 },
    ]);
    const page = await app.openTable('shop/Product');
    await tabTo(page, '.grid-body .cell');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowRight');
    expect(await page.evaluate('document.activeElement.dataset.name')).toBe('title');
    await page.keyboard.press('F2');
    await page.keyboard.type('Mine');
    await page.keyboard.press('Enter');
    await cell(page, 1, 'title').and(page.locator('.pending')).waitFor();
    await page.waitForFunction(`sessionStorage.getItem('tablecast.drafts.shop/Product')?.includes('"seq":')`);
    await app.ask('PATCH', 'Product/b', { title: 'Theirs' });
    await page.keyboard.press('Control+s');
    const sheet = page.getByRole('dialog');
    await sheet.waitFor();
    await tabTo(page, 'dialog input[type="radio"]');
    await page.keyboard.press('Space');
    await page.keyboard.press('ArrowDown');
    expect(await sheet.getByLabel('Mine').isChecked()).toBe(true);
    await tabTo(page, 'dialog footer .primary');
    await page.keyboard.press('Enter');
    await sheet.waitFor({ state: 'detached' });
    await expect.poll(async () => (await app.ask('GET', 'Product/b')).record.title).toBe('Mine');
    await expect.poll(() => page.evaluate('document.activeElement.closest(".grid") !== null')).toBe(true);
    // Tab leads out of the grid.
    await tabTo(page, 'button, a, input');
    expect(app.said.filter((said) => !said.includes('412'))).toEqual([]);
  });

  it('goes through the views of a record with the arrows', async () => {
    await using app = await ConsoleApp.start(browser());
    await app.store('Product', [{ id: 'a', title: 'Title a' }]);
    const page = await app.openTable('shop/Product/a');
    await tabTo(page, '[role="tab"]');
    const shown = () => page.getByRole('tabpanel').getAttribute('aria-label');
    const seen: (string | null)[] = [];
    for (const key of ['ArrowRight', 'ArrowRight', 'ArrowLeft', 'ArrowLeft', 'ArrowLeft']) {
      await page.keyboard.press(key);
      seen.push(await shown());
    }
    expect(seen).toEqual(['JSON', 'Related', 'JSON', 'Fields', 'Access']);
    // The other tabs are not in the order of Tab.
    await page.keyboard.press('Tab');
    expect(await page.evaluate(`document.activeElement.getAttribute('role')`)).not.toBe('tab');
  });

  it('keeps columns, their widths and queries over a reload', async () => {
    await using app = await ConsoleApp.start(browser());
    await app.store('Product', [{ id: 'a', title: 'Title a', stock: 1 }]);
    const page = await app.openTable('shop/Product?stock=gt=0');
    await page.getByLabel('Query of Product').fill('stock=lt=9');
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Columns' }).click();
    await page.getByRole('menuitemcheckbox', { name: 'kind' }).click();
    await page.keyboard.press('Escape');
    const head = (name: string) => page.locator('.grid-head .cell').filter({ hasText: name });
    await expect.poll(() => head('kind').count()).toBe(0);
    const grip = await boxOf(head('title').locator('.resize'));
    await page.mouse.move(grip.x + 3, grip.y + 5);
    await page.mouse.down();
    await page.mouse.move(grip.x + 83, grip.y + 5, { steps: 4 });
    await page.mouse.up();
    const width = async () => (await cell(page, 0, 'title').boundingBox())?.width;
    // The grid draws with the next frame of the page.
    await expect.poll(width).toBeGreaterThan(280);
    const wide = await width();
    await page.reload();
    await isLive(page);
    expect([await width(), await head('kind').count()]).toEqual([wide, 0]);
    const kept = await page.evaluate(`localStorage.getItem('tablecast.queries.shop/Product')`);
    expect(kept).toContain('stock=lt=9');
  });
});

/** Where an element stands: the grid may draw it anew just now, when it is nowhere. */
async function boxOf(element: Locator): Promise<{ x: number; y: number }> {
  const box = await until(
    () => element.boundingBox(),
    (found) => found !== null,
    { what: 'the place of an element' },
  );
  return box as NonNullable<typeof box>;
}
