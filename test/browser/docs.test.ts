import { mkdirSync } from 'node:fs';
import { createServer, request as forward, type RequestOptions } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startServer } from '../support/app.ts';
import { ask } from '../support/http.ts';
import { collectComplaints, inBrowser } from './browser.ts';

const SCHEMA = `
"What people write to each other."
type Message @table @export(public: [read, create, update, delete, subscribe, publish]) {
  id: ID! @primaryKey
  "Shown in bold."
  title: String!
  content: String
  kind: Kind
  made: Date @createdTime
}
enum Kind { NOTE QUESTION }
type Number @table @export(sse: false) { n: Int! @primaryKey }
`;
const CONFIG = 'app_id: my-app\nport: 0\nhost: 127.0.0.1\n';
/** A folder for pictures of the page, for those who want to look at it. */
const PICTURES = process.env.PICTURES;

inBrowser('the API page', (browser) => {
  it('shows the operations, tries one, and shows an event when something is written', async () => {
    await using server = await startServer({ schema: SCHEMA, config: CONFIG });
    const context = await browser().newContext({ viewport: { width: 1280, height: 1100 } });
    const page = await context.newPage();
    const complaints = collectComplaints(page);
    const elsewhere: string[] = [];
    page.on('request', (request) => {
      if (!request.url().startsWith(server.origin) && !request.url().startsWith('data:')) elsewhere.push(request.url());
    });
    await page.goto(server.url('docs'));
    await page.locator('#operations-Message-listMessage').waitFor();
    const { text } = await server.ask('GET', 'openapi.json');
    expect(await page.locator('.opblock').count()).toBe(text.match(/"operationId"/g)?.length);
    await page.getByText('What people write to each other.').waitFor();

    const channels = page.locator('.channels li button');
    expect(await channels.count()).toBe(1);
    await channels.first().click();
    await page.getByText('Listening on Message').waitFor();
    await server.put('Message/m1', { title: 'Hello <b>', content: 'World' });
    await page.locator('#events li[data-event=update]').waitFor();
    const shown = await page.locator('#events li .data').first().textContent();
    expect(JSON.parse(shown ?? '')).toMatchObject({ id: 'm1', title: 'Hello <b>' });
    await server.ask('DELETE', 'Message/m1');
    await page.locator('#events li[data-event=delete]').waitFor();
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByText('Stopped.').waitFor();

    const create = page.locator('#operations-Message-createMessage');
    await create.locator('.opblock-summary-control').click();
    await create.getByRole('button', { name: 'Try it out' }).click();
    await create.locator('textarea').first().fill('{"id":"tried","title":"From the page"}');
    await create.getByRole('button', { name: 'Execute' }).click();
    await create.locator('.live-responses-table').waitFor();
    expect((await ask('GET', server.url('Message/tried'))).record).toMatchObject({ title: 'From the page' });
    if (PICTURES !== undefined) {
      mkdirSync(PICTURES, { recursive: true });
      await page.screenshot({ path: join(PICTURES, 'page.png'), fullPage: true });
    }
    expect([...complaints, ...elsewhere]).toEqual([]);
    await context.close();
  });

  it('works behind a proxy that adds a prefix', async () => {
    await using server = await startServer({ schema: SCHEMA, config: CONFIG });
    const proxy = createServer((request, response) => {
      const path = (request.url ?? '').replace(/^\/outside/, '');
      const options = { host: '127.0.0.1', port: server.port, path, method: request.method, headers: request.headers };
      const inner = forward(options as RequestOptions, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      request.pipe(inner);
      response.on('close', () => inner.destroy());
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const { port } = proxy.address() as AddressInfo;
    const page = await browser().newPage();
    const complaints = collectComplaints(page);
    await page.goto(`http://127.0.0.1:${port}/outside/my-app/docs/`);
    const list = page.locator('#operations-Message-listMessage');
    await list.locator('.opblock-summary-control').click();
    await list.getByRole('button', { name: 'Try it out' }).click();
    await list.locator('tr[data-param-name=title] input').fill('sw=He');
    const asked = page.waitForRequest((request) => request.url().includes('/Message?'));
    await list.getByRole('button', { name: 'Execute' }).click();
    expect((await asked).url()).toMatch(`http://127.0.0.1:${port}/outside/my-app/Message?title=sw=He&`);
    await list.locator('.live-responses-table').getByText('200').first().waitFor();
    await page.getByRole('button', { name: 'Listen' }).click();
    await page.getByText('Listening on Message').waitFor();
    expect(complaints).toEqual([]);
    await page.close();
    proxy.closeAllConnections();
    await new Promise((resolve) => proxy.close(resolve));
  });
});
