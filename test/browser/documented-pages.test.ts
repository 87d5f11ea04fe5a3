import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { startServer } from '../support/app.ts';
import { readBlocks } from '../support/doc-session.ts';
import { collectComplaints, inBrowser } from './browser.ts';

const ENV = { JWT_SECRET: 'Zk3v9Qx7Lm2Rt8Wy5Bn1Cf6Hj4Pd0Sg+aUeIoMqXzT=' };

/** Serves the files that a page of the documentation has its readers write; of each file the last version. */
async function serve(page: string, use: (url: string) => Promise<void>): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'tablecast-pages-'));
  const dir = join(root, 'my-app');
  for (const { kind, name, text } of readBlocks(page)) {
    if (kind !== 'file') continue;
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), text);
  }
  try {
    await using server = await startServer({ dir, args: ['--port', '0'], env: ENV });
    await use(`${server.origin}/my-app/`);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

async function enter(page: Page, name: string, button: string): Promise<void> {
  await page.locator('#login [name=name]').fill(name);
  await page.locator('#login [name=password]').fill('correct horse');
  await page.getByRole('button', { name: button }).click();
}

async function add(page: Page, form: string, text: string): Promise<void> {
  await page.locator(`#${form} input`).fill(text);
  await page.locator(`#${form} button`).click();
}

inBrowser('the pages that the documentation has its readers build', (browser) => {
  /** A window with a profile of its own. The pages have no icon, for which a browser asks. */
  async function open(): Promise<Page> {
    const page = await browser().newPage();
    await page.route('**/favicon.ico', (route) => route.fulfill({ status: 204 }));
    return page;
  }

  test('a user logs in, writes, logs out, and is still known after a reload', async () => {
    await serve('docs/how-to/log-in-from-a-page.md', async (url) => {
      const page = await open();
      const complaints = collectComplaints(page);
      await page.goto(url);
      await enter(page, 'ada', 'Sign up');
      await add(page, 'add', 'Hello');
      await page.getByText('Hello').waitFor();
      await page.reload();
      await page.getByText('Hello').waitFor();
      expect(await page.locator('#user').textContent()).toBe('ada');
      await page.getByRole('button', { name: 'Log out' }).click();
      await page.getByRole('button', { name: 'Log in' }).waitFor();
      await enter(page, 'bob', 'Sign up');
      await page.locator('#user', { hasText: 'bob' }).waitFor();
      expect(await page.locator('#list li').count()).toBe(0);
      expect(complaints).toEqual([]);
      await page.close();
    });
  });

  test('two users share a list of tasks', async () => {
    await serve('docs/tutorials/to-do-list.md', async (url) => {
      const [ada, bob] = await Promise.all([open(), open()]);
      const complaints = [ada, bob].map(collectComplaints);
      await Promise.all([ada.goto(url), bob.goto(url)]);
      await enter(ada, 'ada', 'Sign up');
      await enter(bob, 'bob', 'Sign up');
      await bob.locator('#add-list').waitFor();
      await add(ada, 'add-list', 'Garden');
      await ada.locator('#lists option', { hasText: 'Garden' }).waitFor({ state: 'attached' });
      await add(ada, 'add', 'Dig');
      await ada.getByText('Dig').waitFor();
      await add(ada, 'share', 'bob');
      await bob.getByText('Dig').waitFor();
      await bob.getByRole('checkbox').check();
      await expect.poll(() => ada.getByRole('checkbox').isChecked()).toBe(true);
      expect(complaints).toEqual([[], []]);
      await Promise.all([ada.close(), bob.close()]);
    });
  });
});
