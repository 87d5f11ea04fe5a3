import type { Browser, Page } from 'playwright-core';
import { expect, it } from 'vitest';
import type { TestServer } from '../support/app.ts';
import { startKanban } from '../support/kanban.ts';
import { collectComplaints, inBrowser } from './browser.ts';

const WAIT = { timeout: 30_000 };
/** The browser reports every answer of a kind that the page is there to show. */
const REFUSED = /status of 4\d\d/;

/** One window of the kanban, with a user of its own. */
class Window {
  readonly page: Page;
  readonly complaints: string[];

  static async signUp(browser: Browser, { origin }: TestServer, name: string): Promise<Window> {
    const window = new Window(await (await browser.newContext()).newPage());
    const { page } = window;
    await page.goto(`${origin}/kanban/`);
    await page.getByLabel('Name', { exact: true }).fill(name);
    await page.getByLabel('Password').fill('correct horse');
    await page.getByRole('button', { name: 'Sign up' }).click();
    await page.locator('#status[data-status=live]').waitFor();
    return window;
  }

  private constructor(page: Page) {
    this.page = page;
    this.complaints = collectComplaints(page);
    page.setDefaultTimeout(WAIT.timeout);
  }

  column(name: string) {
    return this.page.getByRole('region', { name, exact: true });
  }

  titles(column: string): Promise<string[]> {
    return this.column(column).locator('.card .link').allTextContents();
  }

  async add(column: string, title: string): Promise<void> {
    await this.page.getByLabel(`Title of a new card in ${column}`).fill(title);
    await this.column(column).getByRole('button', { name: 'Add' }).click();
  }

  stock(name: string) {
    return this.page.getByLabel(`Stock of ${name}`);
  }
}

inBrowser('the kanban in two windows', (browser) => {
  it('is shared, refuses and counts as its schema says', { timeout: 180_000 }, async () => {
    await using server = await startKanban();
    const ada = await Window.signUp(browser(), server, 'ada');
    const bob = await Window.signUp(browser(), server, 'bob');
    await bob.page.getByText('Add a board, or ask a user to share one with you.').waitFor();

    await ada.page.getByLabel('Name of a new board').fill('Garden');
    await ada.page.locator('#board-form').getByRole('button').click();
    await ada.page.getByRole('heading', { name: 'Garden' }).waitFor();
    await ada.add('To do', 'Dig');
    await ada.page.getByLabel('Name of a product').fill('Seeds');
    await ada.page.getByLabel('Pieces').first().fill('3');
    await ada.page.locator('#product-form').getByRole('button').click();
    await expect.poll(() => ada.stock('Seeds').textContent(), WAIT).toBe('3');

    await ada.page.getByLabel('Name of a user').fill('bob');
    await ada.page.getByRole('button', { name: 'Share' }).click();
    await bob.page.getByRole('heading', { name: 'Garden' }).waitFor();
    await expect.poll(() => bob.titles('To do'), WAIT).toEqual(['Dig']);
    await bob.add('To do', 'Water');
    await expect.poll(() => ada.titles('To do'), WAIT).toEqual(['Dig', 'Water']);
    await bob.page.getByRole('button', { name: 'Move “Dig” to Doing' }).click();
    await expect.poll(() => ada.titles('Doing'), WAIT).toEqual(['Dig']);

    // What the schema forbids is said where it is wrong.
    await ada.page.getByRole('button', { name: 'Dig', exact: true }).click();
    const form = ada.page.locator('#card-form');
    await form.getByLabel('Title').fill('');
    await form.getByLabel('Labels').fill('green, green');
    await form.getByRole('button', { name: 'Save' }).click();
    await form.getByText('must have at least 1 character').waitFor();
    await form.getByText('items must be unique').waitFor();
    await form.getByLabel('Title').fill('Dig deep');
    await form.getByLabel('Labels').fill('green');
    await form.getByLabel('Assignee').selectOption('bob');
    await form.getByRole('button', { name: 'Save' }).click();
    await expect.poll(() => bob.titles('Doing'), WAIT).toEqual(['Dig deep']);

    // A reader is offered nothing to write, and a former member sees nothing.
    await ada.page.getByRole('button', { name: 'Only read' }).click();
    await expect.poll(() => bob.page.getByRole('button', { name: 'Add' }).count(), WAIT).toBe(1);
    await ada.page.getByRole('button', { name: 'Remove bob' }).click();
    await bob.page.getByText('Add a board, or ask a user to share one with you.').waitFor();
    expect([...ada.complaints, ...bob.complaints].filter((text) => !REFUSED.test(text))).toEqual([]);
    if (process.env.SHOTS) await ada.page.screenshot({ path: `${process.env.SHOTS}/board.png`, fullPage: true });
  });

  it('takes from a stock with the line that needs it', { timeout: 180_000 }, async () => {
    await using server = await startKanban();
    const ada = await Window.signUp(browser(), server, 'ada');
    const { page } = ada;
    await page.getByLabel('Name of a new board').fill('Garden');
    await page.locator('#board-form').getByRole('button').click();
    await ada.add('To do', 'Sow');
    await page.getByLabel('Name of a product').fill('Seeds');
    await page.locator('#product-stock').fill('3');
    await page.locator('#product-form').getByRole('button').click();
    await expect.poll(() => ada.stock('Seeds').textContent(), WAIT).toBe('3');
    await page.getByRole('button', { name: 'Sow', exact: true }).click();
    const take = page.getByRole('button', { name: 'Take from stock' });
    await page.locator('#line-amount').fill('2');
    await take.click();
    await page.locator('#lines').getByText('2 × Seeds').waitFor();
    await expect.poll(() => ada.stock('Seeds').textContent(), WAIT).toBe('1');
    await take.click();
    await page.locator('#line-form').getByText('stock: must be at least 0').waitFor();
    if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/card.png` });
    await page.getByRole('button', { name: 'Give back 2 × Seeds' }).click();
    await expect.poll(() => ada.stock('Seeds').textContent(), WAIT).toBe('3');
    expect(ada.complaints.filter((text) => !REFUSED.test(text))).toEqual([]);
  });

  it('fits on a phone', { timeout: 120_000 }, async () => {
    await using server = await startKanban();
    const { page } = await Window.signUp(browser(), server, 'ada');
    await page.setViewportSize({ width: 320, height: 640 });
    await page.getByLabel('Name of a new board').fill('W'.repeat(60));
    await page.locator('#board-form').getByRole('button').click();
    await page.getByRole('heading', { name: 'W'.repeat(60) }).waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(320);
    if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/phone.png`, fullPage: true });
  });
});
