import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, it } from 'vitest';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A group of tests with one browser for all of them, in a profile of its own. */
export function inBrowser(name: string, body: (browser: () => Browser) => void): void {
  if (!existsSync(CHROMIUM)) {
    withoutBrowser(name);
    return;
  }
  describe(name, () => {
    let browser: Browser;
    beforeAll(async () => {
      browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: FLAGS });
    });
    afterAll(() => browser.close());
    body(() => browser);
  });
}

/** Where everything must be there, a missing browser is a failure; elsewhere it is a skip that says so. */
function withoutBrowser(name: string): void {
  const reason = `there is no browser at ${CHROMIUM}: install Chromium, or name it in CHROMIUM`;
  if (process.env.CI === 'true') {
    it(`${name} needs a browser`, () => {
      throw new Error(reason);
    });
    return;
  }
  console.warn(`SKIPPED ${name}: ${reason}`);
  it.skip(`${name} (${reason})`, () => undefined);
}

/** What a page had to complain about: thrown errors, refused resources, breaches of its Content-Security-Policy. */
export function collectComplaints(page: Page): string[] {
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  return complaints;
}
