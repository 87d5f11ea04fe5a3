import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { BASE_CONFIG, MESSAGE_SCHEMA, startServer } from '../support/app.ts';

/** What Chromium sends when an address is opened. */
const BROWSER = {
  accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
};

/** The console is built apart from the server, which links it only when it is there. */
const HAS_CONSOLE = existsSync(new URL('../../dist/console/index.html', import.meta.url));

/** Follows every link of a page as a browser does. */
async function statusesOfLinks(url: string, html: string): Promise<[string, number][]> {
  const links = [...html.matchAll(/href="([^"]+)"/g)].map(([, href = '']) => new URL(href, url).href);
  return Promise.all(links.map(async (link) => [new URL(link).pathname, (await fetch(link)).status]));
}

describe('the start page', () => {
  test('lists applications, their pages and tables for browsers; others receive a problem', async () => {
    const files = { 'web/index.html': '<!doctype html><title>Own</title>\n' };
    await using server = await startServer({ files });
    const url = `${server.origin}/`;
    const page = await fetch(url, { headers: BROWSER });
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    const html = await page.text();
    const links = await statusesOfLinks(url, html);
    expect(links).toEqual([
      ['/my-app/', 200],
      ...(HAS_CONSOLE ? [['/_console/my-app/', 200]] : []),
      ['/my-app/_/docs', 200],
      ['/my-app/Message', 200],
    ]);
    for (const accept of ['*/*', 'application/json', 'application/json, text/html;q=0.5']) {
      const other = await fetch(url, { headers: { accept } });
      expect([accept, other.status, ((await other.json()) as { code: string }).code]).toEqual([
        accept,
        404,
        'NOT_FOUND',
      ]);
    }
    expect((await fetch(url, { method: 'HEAD', headers: BROWSER })).status).toBe(200);
    expect((await fetch(url, { method: 'POST', headers: BROWSER })).status).toBe(404);
  });

  test('suggests the address that was meant, with links that work at any depth', async () => {
    await using server = await startServer();
    for (const [path, meant] of [
      ['/my-app/Mesage', '/my-app/Message'],
      ['/my-ap/Message', '/my-app/Message'],
      ['/my-app/_/doc', '/my-app/_/docs'],
      ['/my-app/', undefined],
      ['/no/such/address/at/all', undefined],
    ] as const) {
      const url = server.origin + path;
      const answer = await fetch(url, { headers: BROWSER });
      expect([path, answer.status, answer.headers.get('cache-control')]).toEqual([path, 404, 'no-store']);
      const html = await answer.text();
      const [, suggested] = /Did you mean <a href="([^"]+)"/.exec(html) ?? [];
      expect(suggested === undefined ? undefined : new URL(suggested, url).pathname).toBe(meant);
      for (const [link, status] of await statusesOfLinks(url, html)) expect([link, status]).toEqual([link, 200]);
      expect((await fetch(url)).headers.get('content-type')).toContain('application/problem+json');
    }
  });

  test('is text for whatever stands in the address, and shows no application without `docs`', async () => {
    await using server = await startServer();
    const hostile = `/${encodeURIComponent('<img src=x onerror=alert(1)>')}/"><script>alert(1)</script>`;
    const html = await (await fetch(server.origin + hostile, { headers: BROWSER })).text();
    expect(html).not.toMatch(/<img|<script/);
    await using hidden = await startServer({ schema: MESSAGE_SCHEMA, config: `${BASE_CONFIG}docs: false\n` });
    const answer = await fetch(`${hidden.origin}/`, { headers: BROWSER });
    expect([answer.status, (await answer.text()).includes('my-app')]).toEqual([404, false]);
  });
});
