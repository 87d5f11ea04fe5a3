import { expect, it } from 'vitest';
import { inBrowser } from './browser.ts';
import { ConsoleApp } from './console-app.ts';

inBrowser('the flows in the console', (browser) => {
  it('show an event that has failed, say why its replay fails, and forget it once it is done', async () => {
    await using app = await ConsoleApp.start(browser(), {
      schema: `type Order @table @export { id: ID! @primaryKey total: Float }
type Bill @table @export { id: ID! @primaryKey total: Float }`,
      config: `port: 0
host: 127.0.0.1
flows:
  bills:
    from: {connector: table, operation: create, table: Order}
    transform: {id: input.record.id, total: input.record.total}
    to: {connector: table, operation: create, target: Bill}
    retry: {attempts: 2, delay: 1ms}
`,
    });
    await app.store('Bill', [{ id: 'o1', total: 7 }]);
    const page = await app.open('shop/_/flows');
    await page.getByText('None: every event was done.').waitFor();
    await app.store('Order', [{ id: 'o1', total: 9 }]);
    const open = page.getByRole('button', { name: 'Open' });
    await open.click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('heading', { name: 'Dead letter of bills' }).waitFor();
    await dialog.getByText('"total": 9').waitFor();
    await dialog.getByRole('button', { name: 'Replay' }).click();
    await dialog
      .getByRole('alert')
      .getByText(/has failed again: CONFLICT: id/)
      .waitFor();
    await app.ask('DELETE', 'Bill/o1');
    await dialog.getByRole('button', { name: 'Replay' }).click();
    await dialog.waitFor({ state: 'detached' });
    await page.getByText('None: every event was done.').waitFor();
    expect((await app.ask('GET', 'Bill/o1')).record).toMatchObject({ total: 9 });
    expect(app.said.filter((said) => !said.includes('502'))).toEqual([]);
  });
});
