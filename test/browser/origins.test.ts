import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { BASE_CONFIG, startServer } from '../support/app.ts';
import { inBrowser } from './browser.ts';

/** An empty page of another site. */
async function servePage(): Promise<{ server: Server; origin: string }> {
  const server = createServer((_request, response) =>
    response.setHeader('content-type', 'text/html').end('<p>page</p>'),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** What a page can do with a table: everything that it learns, or how it fails. */
const TRY_ALL = `async (url) => {
  const settled = (target, good, bad) => new Promise((resolve) => {
    target.addEventListener(good, () => resolve('open'));
    target.addEventListener(bad, () => resolve('refused'));
  });
  const socket = new WebSocket(url.replace('http', 'ws'));
  const source = new EventSource(url);
  const opened = await Promise.all([settled(socket, 'open', 'error'), settled(source, 'ready', 'error')]);
  socket.close();
  source.close();
  const write = { method: 'PUT', headers: { 'content-type': 'application/json', 'if-none-match': '*' }, body: '{"title":"A","content":"B"}' };
  const written = await fetch(url + '/' + crypto.randomUUID(), write).then(
    ({ status, headers }) => [status, headers.has('etag'), headers.has('location')],
    (error) => error.name,
  );
  const read = await fetch(url).then(({ status, headers }) => [status, headers.has('x-position')], (error) => error.name);
  return { opened, written, read };
}`;

inBrowser('S4.34 C12 C19 pages of other origins', (browser) => {
  it('do everything when they are configured, and nothing otherwise', async () => {
    const friend = await servePage();
    const stranger = await servePage();
    const config = `${BASE_CONFIG}cors: { origins: ["${friend.origin}"] }\n`;
    await using server = await startServer({ config, files: { 'web/index.html': '<p>own</p>' } });
    const context = await browser().newContext();
    const tryFrom = async (origin: string) => {
      const page = await context.newPage();
      await page.goto(origin);
      return page.evaluate(`(${TRY_ALL})(${JSON.stringify(server.url('Message'))})`);
    };
    const all = { opened: ['open', 'open'], written: [201, true, true], read: [200, true] };
    expect(await tryFrom(server.url(''))).toEqual(all);
    expect(await tryFrom(friend.origin)).toEqual(all);
    expect(await tryFrom(stranger.origin)).toEqual({
      opened: ['refused', 'refused'],
      written: 'TypeError',
      read: 'TypeError',
    });
    expect((await server.ask('GET', 'Message')).records).toHaveLength(2);
    await context.close();
    for (const { server: site } of [friend, stranger]) {
      site.closeAllConnections();
      await new Promise((resolve) => site.close(resolve));
    }
  });
});
