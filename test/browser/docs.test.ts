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

const AUTH_CONFIG = `${CONFIG}auth:
  jwt: {secret: "a-secret-of-this-test-that-is-no-example-1"}
  users: true
  signup: true
`;
const OWN_SCHEMA = `
type Note @table @export @access(read: "authenticated", create: "authenticated", subscribe: "authenticated") {
  id: ID! @primaryKey
  text: String
  count: Int
  at: Date
  kind: Kind
  owner: ID
}
enum Kind { ONE TWO }
`;
const MAX_OPERATION_HEIGHT = 4000;

inBrowser('the API page of an application with logins', (browser) => {
  it('logs in with an operation, calls with the token, and listens with a ticket', async () => {
    await using server = await startServer({ schema: OWN_SCHEMA, config: AUTH_CONFIG });
    const page = await browser().newPage();
    await page.goto(server.url('docs'));
    await page.locator('#operations-Note-listNote').waitFor();
    await page.getByRole('button', { name: 'Listen' }).click();
    await page.getByText('Log in first.').waitFor();

    const signUp = page.locator('#operations-Authentication-signUp');
    await signUp.locator('.opblock-summary-control').click();
    await signUp.getByRole('button', { name: 'Try it out' }).click();
    await signUp.getByRole('button', { name: 'Execute' }).click();
    await page.getByText('Logged in as ada.').waitFor();

    const list = page.locator('#operations-Note-listNote');
    await list.locator('.opblock-summary-control').click();
    await list.getByRole('button', { name: 'Try it out' }).click();
    const asked = page.waitForResponse((response) => response.url().includes('/Note?'));
    await list.getByRole('button', { name: 'Execute' }).click();
    // Examples are not sent: they are for those who read, and for tools.
    expect([(await asked).status(), new URL((await asked).url()).search]).toEqual([200, '?limit=100&offset=0']);

    const ticket = page.waitForRequest((request) => request.url().includes('ticket='));
    await page.getByRole('button', { name: 'Listen' }).click();
    await ticket;
    await page.getByText('Listening on Note').waitFor();
    const { record } = await ask('POST', server.url('auth/login'), {
      json: { name: 'ada', password: 'correct horse battery staple' },
    });
    const headers = { authorization: `Bearer ${String(record.access_token)}` };
    await ask('POST', server.url('Note'), { json: { id: 'n1', text: 'Hello' }, headers });
    await page.locator('#events li[data-event=update]').waitFor();
    await page.close();
  }, 60_000);

  it.each([
    ['light', 1280, 'rgb(243, 245, 245)', 'rgb(255, 255, 255)'],
    ['light', 390, 'rgb(243, 245, 245)', 'rgb(255, 255, 255)'],
    ['dark', 1280, 'rgb(13, 19, 19)', 'rgb(22, 30, 30)'],
    ['dark', 390, 'rgb(13, 19, 19)', 'rgb(22, 30, 30)'],
  ] as const)(
    'has short operations and a dialog for tokens in %s at %i pixels',
    async (colorScheme, width, ground, card) => {
      await using server = await startServer({ schema: OWN_SCHEMA, config: AUTH_CONFIG });
      const context = await browser().newContext({ viewport: { width, height: 900 }, colorScheme });
      const page = await context.newPage();
      const complaints = collectComplaints(page);
      await page.goto(server.url('docs'));
      const list = page.locator('#operations-Note-listNote');
      await list.locator('.opblock-summary-control').click();
      await list.locator('.responses-wrapper').waitFor();
      const height = (await list.boundingBox())?.height ?? 0;
      expect(height).toBeGreaterThan(200);
      expect(height).toBeLessThan(MAX_OPERATION_HEIGHT);
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
      const styles = `(query, name) => [...new Set([...document.querySelectorAll(query)].map((it) => getComputedStyle(it)[name]))]`;
      const of = (query: string, name: string) => page.evaluate(`(${styles})(${JSON.stringify(query)}, '${name}')`);
      expect(await of('body *', 'fontFamily')).toHaveLength(2);
      expect(await of('body', 'backgroundColor')).toEqual([ground]);
      expect(await of('main > section', 'backgroundColor')).toEqual([card]);
      expect(await of('html.dark-mode .swagger-ui', 'display')).toHaveLength(colorScheme === 'dark' ? 1 : 0);

      await page.locator('.scheme-container .authorize').click();
      const input = page.locator('.modal-ux input');
      await input.fill('some-token');
      const { x = -1, width: wide = 0 } = (await input.boundingBox()) ?? {};
      expect([wide > 100, x >= 0, x + wide <= width]).toEqual([true, true, true]);
      if (PICTURES !== undefined) await page.screenshot({ path: join(PICTURES, `${colorScheme}-${width}.png`) });
      await page.locator('.modal-ux button.authorize').click();
      await page.locator('.modal-ux').getByText('Logout').waitFor();
      expect(complaints).toEqual([]);
      await context.close();
    },
    60_000,
  );

  it('says what it is: version, documents, the page and the client of the application', async () => {
    await using server = await startServer({ schema: OWN_SCHEMA, config: AUTH_CONFIG });
    const page = await browser().newPage();
    await page.goto(server.url('docs'));
    const { info } = (await server.ask('GET', 'openapi.json')).record as unknown as { info: { version: string } };
    await page.getByText(`version ${info.version}`).waitFor();
    const links = await page.evaluate<string[]>("[...document.querySelectorAll('nav a')].map((one) => one.href)");
    expect(links).toEqual(
      ['openapi.json', 'openapi.json?media=all', 'asyncapi.json', 'client.js'].map((path) => server.url(path)),
    );
    for (const link of links) expect((await fetch(link)).status).toBe(200);
    await page.getByText(`curl -N ${server.url('Note?stream=sse')}`).waitFor();
    await page.close();
  });
});
