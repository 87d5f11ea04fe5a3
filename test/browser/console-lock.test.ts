import { setTimeout as pause } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { SECRET, tokenOf } from '../support/tokens.ts';
import { inBrowser } from './browser.ts';
import { ConsoleApp, cell } from './console-app.ts';

const SCHEMA = 'type Note @table @export @access(read: "authenticated") { id: ID! @primaryKey text: String }';
const CONFIG = `port: 0\nhost: 127.0.0.1\nconsole: {idle_lock: 10s}\nauth:\n  jwt:\n    secret: ${SECRET}\n`;

async function logIn(page: Page, token: string): Promise<void> {
  await page.getByLabel('Token or API key').fill(token);
  await page.getByRole('button', { name: 'Log in' }).click();
  await cell(page, 0, 'text').waitFor();
}

inBrowser('the lock of the console', (browser) => {
  it('comes after a time without input, shows nothing, and keeps what is not saved', async () => {
    await using app = await ConsoleApp.start(browser(), { schema: SCHEMA, config: CONFIG });
    const root = tokenOf('root', { roles: ['admin'] });
    await app.ask('PUT', 'Note/a', { text: 'a secret' }, { authorization: `Bearer ${root}` });
    const page = await app.open('shop/Note');
    await logIn(page, root);
    await cell(page, 0, 'text').click();
    await page.keyboard.type('mine');
    await page.keyboard.press('Enter');
    await page.getByText('1 change in 1 record').waitFor();
    // Input in another window of the browser counts.
    const other = await app.open('shop/Note');
    for (let second = 0; second < 12; second += 2) {
      await other.mouse.move(10 + second, 10);
      await pause(2_000);
    }
    expect(await page.getByText('1 change in 1 record').isVisible()).toBe(true);
    await other.close();
    await page.getByText('Locked, since there was no input for a while.').waitFor({ timeout: 30_000 });
    const shown = await page.locator('body').textContent();
    expect([shown?.includes('a secret'), shown?.includes('mine')]).toEqual([false, false]);
    expect(await page.evaluate('Object.keys(sessionStorage).filter((name) => name.includes("login"))')).toEqual([]);
    await logIn(page, root);
    await page.getByText('1 change in 1 record').waitFor();
    // A caller who is no administrator stays logged in.
    await page.getByRole('button', { name: 'Log out' }).click();
    await logIn(page, tokenOf('ada', { roles: [] }));
    await pause(12_000);
    expect(await cell(page, 0, 'text').isVisible()).toBe(true);
  }, 120_000);
});
