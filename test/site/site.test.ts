import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { collectComplaints, inBrowser } from '../browser/browser.ts';
import { listFiles, readPage } from '../support/pages.ts';
import { DIST, findBuilt, listBuilt, ServedSite } from './served.ts';

const { version } = JSON.parse(readPage('package.json')) as { version: string };
const BASE = `/v${version.split('.').slice(0, 2).join('.')}/`;
/** A folder for pictures of the site, for those who want to look at it. */
const PICTURES = process.env.PICTURES;

const files = listBuilt();
const pages = files.filter((file) => file.endsWith('.html'));
const built = new Map(pages.map((file) => [file, readFileSync(join(DIST, file), 'utf8')]));

describe('the built site', () => {
  test('has every page of the documentation, the protocol and the changelog', () => {
    const wanted = listFiles('docs')
      .filter((file) => file.endsWith('.md') && file !== 'docs/README.md')
      .map((file) => file.replace(/^docs\//, '').replace(/\.md$/, '.html'));
    const more = ['index.html', 'pages.html', 'reference/protocol.html', 'contributing/changelog.html'];
    const missing = [...wanted, ...more].filter((file) => !built.has(`${BASE.slice(1)}${file}`));
    expect(wanted.length).toBeGreaterThan(40);
    expect(missing).toEqual([]);
  });

  test('names every page of the documentation in its side bar', () => {
    const text = built.get(`${BASE.slice(1)}tutorials/get-started.html`) ?? '';
    const named = new Set([...text.matchAll(/href="([^"#]+)"/g)].map(([, href]) => href));
    const left = pages.filter(
      (file) => /\/(?:tutorials|how-to|reference|explanation|contributing)\//.test(file) && !named.has(`/${file}`),
    );
    expect(left).toEqual([]);
  });

  test('has links and anchors that lead somewhere', () => {
    const broken: string[] = [];
    let count = 0;
    for (const [file, text] of built) {
      for (const [, href = ''] of text.matchAll(/\s(?:href|src)="([^"]*)"/g)) {
        if (/^(?:[a-z][a-z+.-]*:|#$)/i.test(href)) continue;
        count++;
        const { pathname, hash } = new URL(href.replaceAll('&amp;', '&'), `http://site/${file}`);
        const target = findBuilt(decodeURI(pathname).slice(1));
        const anchor = decodeURIComponent(hash.slice(1));
        if (target === undefined) broken.push(`${file}: ${href}`);
        else if (anchor !== '' && !/\bid="/.test(anchor) && !hasAnchor(built.get(target) ?? '', anchor)) {
          broken.push(`${file}: ${href} names no heading`);
        }
      }
    }
    expect(count).toBeGreaterThan(5000);
    expect(broken).toEqual([]);
  });

  test('loads nothing from another host', () => {
    const asks =
      /<(?:script|img|iframe|source)[^>]+src="(?:https?:)?\/\/|<link[^>]+href="(?:https?:)?\/\/|url\((?:https?:)?\/\//;
    const texts = files.filter((file) => /\.(?:html|css)$/.test(file));
    expect(texts.filter((file) => asks.test(readFileSync(join(DIST, file), 'utf8')))).toEqual([]);
  });
});

const hasAnchor = (text: string, anchor: string): boolean =>
  text.includes(` id="${anchor}"`) || text.includes(` name="${anchor}"`);

const isTooWide = (page: Page) => page.evaluate('document.documentElement.scrollWidth > innerWidth');

async function picture(page: Page, name: string): Promise<void> {
  if (PICTURES === undefined) return;
  mkdirSync(PICTURES, { recursive: true });
  await page.screenshot({ path: join(PICTURES, `site-${name}.png`) });
}

inBrowser('the site in a browser', (browser) => {
  test('asks no other host, is searched, and opens what was found', async () => {
    await using site = await ServedSite.open();
    const page = await browser().newPage({ viewport: { width: 1280, height: 900 } });
    const complaints = collectComplaints(page);
    const elsewhere: string[] = [];
    page.on('request', (request) => {
      if (!request.url().startsWith(site.origin) && !/^(?:data|blob):/.test(request.url()))
        elsewhere.push(request.url());
    });
    await page.goto(`${site.origin}/`);
    await page.waitForURL(`**${BASE}`);
    await page.getByRole('link', { name: 'Get started' }).first().waitFor();
    await picture(page, 'home');
    await page.getByRole('link', { name: 'Get started' }).first().click();
    await page.getByRole('heading', { name: 'Create the application' }).waitFor();
    await picture(page, 'tutorial');
    await page.keyboard.press('Control+k');
    await page.locator('#localsearch-input').fill('idempotency key');
    const found = page.locator('.VPLocalSearchBox .result');
    await found.first().waitFor();
    await picture(page, 'search');
    await found.first().click();
    await page.locator('.VPLocalSearchBox').waitFor({ state: 'detached' });
    expect(await page.locator('main').textContent()).toMatch(/idempoten/i);
    await page.getByRole('button', { name: `v${version}` }).hover();
    await page.getByRole('link', { name: 'Changelog' }).first().waitFor();
    expect([...complaints, ...elsewhere]).toEqual([]);
    await page.close();
  });

  test.each([
    ['light', 1280],
    ['dark', 1280],
    ['light', 390],
    ['dark', 390],
  ] as const)('is readable in %s at %i pixels', async (colorScheme, width) => {
    await using site = await ServedSite.open();
    const context = await browser().newContext({ viewport: { width, height: 900 }, colorScheme });
    const page = await context.newPage();
    const complaints = collectComplaints(page);
    for (const path of [
      '',
      'tutorials/to-do-list.html',
      'reference/schema/directives.html',
      'reference/protocol.html',
    ]) {
      await page.goto(`${site.origin}${BASE}${path}`);
      await page.locator('h1').first().waitFor();
      expect([path, await isTooWide(page)]).toEqual([path, false]);
      expect(await page.evaluate(`document.documentElement.classList.contains('dark')`)).toBe(colorScheme === 'dark');
      await picture(page, `${colorScheme}-${width}-${path.replaceAll('/', '-') || 'home'}`);
    }
    expect(complaints).toEqual([]);
    await context.close();
  });
});
