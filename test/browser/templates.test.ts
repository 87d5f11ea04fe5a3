import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { startServer } from '../support/app.ts';
import { runCommand } from '../support/cli.ts';
import { collectComplaints, inBrowser } from './browser.ts';

const PHONE: BrowserContextOptions = { viewport: { width: 390, height: 780 }, colorScheme: 'dark' };

/** Creates an application from a template, and serves it on any free port. */
async function serve(template: string, run: (url: string) => Promise<void>): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'tablecast-template-'));
  const dir = join(root, template);
  await runCommand(['init', dir, template, '--no-install']);
  try {
    await using server = await startServer({ dir, args: ['--port', '0'] });
    await run(`${server.origin}/${template}/`);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

const isTooWide = (page: Page) => page.evaluate('document.documentElement.scrollWidth > innerWidth');

inBrowser('the pages of the templates', (browser) => {
  /** Two windows, one of them a phone, with a profile each. The first one has the text when the second is opened. */
  async function open(url: string, text: string): Promise<{ desk: Page; phone: Page; complaints: string[][] }> {
    const [desk, phone] = await Promise.all([browser().newPage(), browser().newPage(PHONE)]);
    const complaints = [desk, phone].map(collectComplaints);
    // Of two pages at once, both would create the lists of an empty board.
    await desk.goto(url);
    await desk.getByText(text, { exact: true }).first().waitFor();
    await phone.goto(url);
    return { desk, phone, complaints };
  }

  test('minimal: a task appears in the other window, and is changed there', { timeout: 60_000 }, async () => {
    await serve('minimal', async (url) => {
      const { desk, phone, complaints } = await open(url, 'Live');
      await desk.getByPlaceholder('What is to be done?').fill('Buy milk');
      await desk.getByRole('button', { name: 'Add' }).click();
      await phone.getByText('Buy milk').click();
      await expect.poll(() => desk.getByRole('checkbox').isChecked()).toBe(true);
      await phone.getByRole('button', { name: 'Delete “Buy milk”' }).click();
      await desk.getByText('Nothing to do.').waitFor();
      expect(await isTooWide(phone)).toBe(false);
      expect(complaints).toEqual([[], []]);
      await Promise.all([desk.close(), phone.close()]);
    });
  });

  test('board: a card that is moved by a button moves in the other window', { timeout: 60_000 }, async () => {
    await serve('board', async (url) => {
      const { desk, phone, complaints } = await open(url, 'Done');
      await desk.getByRole('textbox', { name: 'Add a card to To do' }).fill('Write tests');
      await desk.keyboard.press('Enter');
      await phone.getByRole('button', { name: 'Move “Write tests” to Doing' }).click();
      const card = desk.locator('section', { hasText: 'Doing' }).getByText('Write tests');
      await card.waitFor();
      await card.dragTo(desk.locator('section', { hasText: 'Done' }));
      await phone.locator('section', { hasText: 'Done' }).getByText('Write tests').waitFor();
      expect(await isTooWide(phone)).toBe(false);
      expect(complaints).toEqual([[], []]);
      await Promise.all([desk.close(), phone.close()]);
    });
  });

  test('chat: two users see each other, and what they write', { timeout: 60_000 }, async () => {
    await serve('chat', async (url) => {
      const { desk, phone, complaints } = await open(url, 'Log in');
      for (const [page, name] of [
        [desk, 'ada'],
        [phone, 'bob'],
      ] as const) {
        await page.getByLabel('Name').fill(name);
        await page.getByLabel('Password').fill('correct horse');
        await page.getByRole('button', { name: 'Sign up' }).click();
      }
      await desk.getByText('Online: ada, bob').waitFor();
      await desk.getByRole('textbox', { name: 'Message' }).fill('Hello Bob');
      await desk.getByRole('button', { name: 'Send' }).click();
      await phone.getByText('Hello Bob').waitFor();
      // Only the author may delete it.
      expect(await phone.getByRole('button', { name: 'Delete' }).count()).toBe(0);
      await desk.getByRole('button', { name: 'Delete' }).click();
      await phone.getByText('Hello Bob').waitFor({ state: 'detached' });
      expect(await isTooWide(phone)).toBe(false);
      expect(complaints).toEqual([[], []]);
      await Promise.all([desk.close(), phone.close()]);
    });
  });
});
