import { expect, it } from 'vitest';
import { BASE_CONFIG, startServer } from '../support/app.ts';
import { collectComplaints, inBrowser } from './browser.ts';

const SCHEMA = `type Message @table @export(public: [read, create, update, delete, subscribe, publish]) {
  id: ID! @primaryKey
  title: String!
}`;
const PAGE = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Titles</title><link rel="icon" href="data:,">
<script type="module" src="app.js"></script></head>
<body><p id="status"></p><ul id="titles"></ul><p id="seqs"></p></body></html>`;
const APP = `import { connect } from '/my-app/client.js';
const { tables } = connect('.');
const show = (id, text) => { document.getElementById(id).textContent = text; };
const seqs = [];
const list = tables.Message.live('sort=title', {
  onStatus: (status) => show('status', status),
  onChange: (records, frame) => {
    if (frame !== undefined) seqs.push(frame.seq);
    show('seqs', JSON.stringify(seqs));
    document.getElementById('titles').replaceChildren(...records.map(({ title }) => {
      const item = document.createElement('li');
      item.textContent = title;
      return item;
    }));
  },
});
window.write = (id, title) => list.send({ message_type: 'Update', id, data: { title } });
window.create = (title) => tables.Message.create({ title });
`;
/** All that a page may complain about while its server is away. */
const CONNECTION_LOST = /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|WebSocket|ERR_EMPTY_RESPONSE/;

inBrowser('S2.7 the served client', (browser) => {
  it('shows live changes, before and after its server was killed, and writes once', { timeout: 120_000 }, async () => {
    const files = { 'web/index.html': PAGE, 'web/app.js': APP };
    await using server = await startServer({ schema: SCHEMA, config: BASE_CONFIG, files });
    await server.put('Message/b', { title: 'B' });
    const page = await browser().newPage();
    const complaints = collectComplaints(page);
    await page.goto(`${server.origin}/my-app/`);
    const titles = () => page.getByRole('listitem').allTextContents();
    const wait = { timeout: 30_000 };
    await expect.poll(titles, wait).toEqual(['B']);
    await server.put('Message/a', { title: 'A' });
    await expect.poll(titles, wait).toEqual(['A', 'B']);
    await page.evaluate(`create('C')`);
    expect(await page.evaluate(`write('d', 'D').then(({ type, id }) => [type, id])`)).toEqual(['ack', 'd']);
    await expect.poll(titles, wait).toEqual(['A', 'B', 'C', 'D']);
    await page.evaluate('window.untouched = true');
    await server.kill();
    await expect.poll(() => page.locator('#status').textContent(), wait).toBe('waiting');
    const written = page.evaluate(`Promise.all([write('e', 'E'), create('F')])`);
    await server.restart();
    await written;
    await server.ask('DELETE', 'Message/b');
    await expect.poll(titles, wait).toEqual(['A', 'C', 'D', 'E', 'F']);
    await expect.poll(() => page.locator('#status').textContent(), wait).toBe('live');
    expect((await server.ask('GET', 'Message?sort=title')).records.map(({ title }) => title)).toEqual(await titles());
    const seqs = JSON.parse((await page.locator('#seqs').textContent()) ?? '') as number[];
    expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
    expect(await page.evaluate('window.untouched')).toBe(true);
    expect(complaints.filter((text) => !CONNECTION_LOST.test(text))).toEqual([]);
    await page.close();
  });

  it('connects again at once when the network is back, and asks an open connection whether it is there', async () => {
    const files = { 'web/index.html': PAGE, 'web/app.js': APP };
    await using server = await startServer({ schema: SCHEMA, config: BASE_CONFIG, files });
    const page = await browser().newPage();
    const sent: string[] = [];
    page.on('websocket', (socket) => socket.on('framesent', ({ payload }) => void sent.push(String(payload))));
    await page.goto(`${server.origin}/my-app/`);
    await expect.poll(() => page.locator('#status').textContent()).toBe('live');
    await page.evaluate(`dispatchEvent(new Event('online'))`);
    await expect.poll(() => sent).toContain('{"type":"ping"}');
    // From now on every pause is half a minute, but for those that the window ends.
    await page.evaluate('Math.random = () => 120');
    await server.kill();
    await expect.poll(() => page.locator('#status').textContent()).toBe('waiting');
    await server.restart();
    await page.evaluate(`dispatchEvent(new Event('online'))`);
    await expect.poll(() => page.locator('#status').textContent(), { timeout: 30_000 }).toBe('live');
    await page.close();
  });
});
