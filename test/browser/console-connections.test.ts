import { expect, it } from 'vitest';
import { SseClient } from '../support/sse-client.ts';
import { WsClient } from '../support/ws-client.ts';
import { inBrowser } from './browser.ts';
import { ConsoleApp } from './console-app.ts';

inBrowser('the connections in the console', (browser) => {
  it('come and go as they are opened, and one is closed after a question', async () => {
    await using app = await ConsoleApp.start(browser());
    const page = await app.open('shop/_/connections');
    await page.getByText('No open connections').waitFor();
    const { origin } = app.server;
    using socket = await WsClient.subscribe(`${origin.replace('http', 'ws')}/shop/Product?price=gt=1`);
    using stream = await SseClient.subscribe(`${origin}/shop/Empty`);
    const row = page.locator('tbody tr');
    await row.filter({ hasText: 'Empty' }).waitFor();
    const texts = await row.filter({ hasText: 'Product' }).locator('td').allTextContents();
    expect(texts.map((text, index) => (index === 3 ? typeof text : text))).toEqual([
      'websocket',
      'Product?price=gt=1',
      'anonymous',
      'string',
      'live, 0',
      '0 B',
      'Close',
    ]);
    const close = () => row.filter({ hasText: 'Product' }).getByRole('button', { name: 'Close' }).click();
    await close();
    await page.getByRole('button', { name: 'Keep' }).click();
    expect(socket.isOpen).toBe(true);
    await close();
    await page.getByRole('button', { name: 'Close the connection' }).click();
    expect((await socket.closed).code).toBe(4403);
    await row.filter({ hasText: 'Product' }).waitFor({ state: 'detached' });
    expect(await row.count()).toBe(1);
    stream.close();
    await page.getByText('No open connections').waitFor();
    // A stream, and no request again and again.
    const read = app.requests.filter((request) => request.endsWith('/_/admin/connections'));
    expect([read.length, app.said]).toEqual([1, []]);
  });
});
