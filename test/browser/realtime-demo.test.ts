import { expect, it } from 'vitest';
import { SseClient } from '../support/sse-client.ts';
import { until } from '../support/wait.ts';
import { inBrowser } from './browser.ts';
import { Demo, type Transport, type Window } from './demo.ts';

const WAIT = { timeout: 30_000 };
/** Enough for the browser's own delay before an EventSource connects again, twice. */
const RECONNECT = { timeout: 30_000 };
const WITH_RESTART = 60_000;
/** All that a page may complain about while its server is away. */
const CONNECTION_LOST = /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET|WebSocket/;

const TRANSPORTS: readonly Transport[] = ['ws', 'sse'];
const PAIRS: readonly (readonly [Transport, Transport])[] = [
  ['ws', 'ws'],
  ['sse', 'sse'],
  ['ws', 'sse'],
];

async function expectTitles(windows: readonly Window[], titles: readonly string[]): Promise<void> {
  for (const window of windows) await expect.poll(() => window.titles(), WAIT).toEqual(titles);
}

/** Every change of the log, in order, as somebody sees them who was never away. */
async function changesOf(demo: Demo): Promise<number[]> {
  using client = await SseClient.subscribe(`${demo.url}Message?since=${demo.beginning}`);
  return client.events.items
    .filter(({ event }) => event === 'update' || event === 'delete')
    .map(({ id }) => Number(id));
}

inBrowser('the demo in two windows', (browser) => {
  it.each(PAIRS)('shows in both what is added, edited and deleted in either (%s, %s)', async (first, second) => {
    await using demo = await Demo.start(browser());
    const here = await demo.open(first);
    const there = await demo.open(second);
    await here.write('Bread', 'one loaf');
    await expectTitles([here, there], ['Bread']);
    await there.write('Milk', 'two litres');
    await expectTitles([here, there], ['Milk', 'Bread']);
    await there.edit('Bread', { title: 'Rye bread', content: 'two loaves' });
    await expectTitles([here, there], ['Milk', 'Rye bread']);
    await here.message('Rye bread').getByText('two loaves').waitFor();
    await here.delete('Milk');
    await expectTitles([here, there], ['Rye bread']);
    const { records } = await demo.ask('GET', 'Message');
    expect(records.map(({ title, content }) => [title, content])).toEqual([['Rye bread', 'two loaves']]);
    expect(await here.seqs()).toEqual(await changesOf(demo));
    expect(await there.seqs()).toEqual(await changesOf(demo));
    expect([...here.complaints, ...there.complaints]).toEqual([]);
  });

  it.each(TRANSPORTS)(
    'catches up after the server was killed, nothing missing and nothing twice (%s)',
    async (transport) => {
      await using demo = await Demo.start(browser());
      await demo.put('kept', 'Kept');
      await demo.put('changed', 'Changed');
      await demo.put('removed', 'Removed');
      const windows = [await demo.open(transport), await demo.open(transport)] as const;
      const seen = (await changesOf(demo)).length;
      await expectTitles(windows, ['Removed', 'Changed', 'Kept']);
      for (const { page } of windows) await page.evaluate('window.untouched = true');
      await demo.crashAndChange(async () => {
        await demo.put('changed', 'Changed meanwhile');
        await demo.ask('DELETE', 'Message/removed');
        await demo.put('added', 'Added meanwhile');
      });
      for (const window of windows) {
        await expect.poll(() => window.titles(), RECONNECT).toEqual(['Added meanwhile', 'Changed meanwhile', 'Kept']);
        await window.live();
      }
      await demo.put('after', 'After all that');
      await expectTitles(windows, ['After all that', 'Added meanwhile', 'Changed meanwhile', 'Kept']);
      const expected = (await changesOf(demo)).slice(seen);
      expect(expected).toHaveLength(4);
      for (const window of windows) {
        expect(await window.seqs()).toEqual(expected);
        expect((await window.frames()).filter(({ type }) => type === 'Retained')).toHaveLength(3);
        expect(await window.page.evaluate('window.untouched')).toBe(true);
        expect(window.complaints.filter((text) => !CONNECTION_LOST.test(text))).toEqual([]);
      }
    },
    WITH_RESTART,
  );

  it.each(TRANSPORTS)(
    'builds its state anew when the log does not reach back any more (%s)',
    async (transport) => {
      await using demo = await Demo.start(browser(), 'events:\n  max_count: 3\n');
      await demo.put('removed', 'Removed');
      await demo.put('kept', 'Kept');
      const window = await demo.open(transport);
      await expectTitles([window], ['Kept', 'Removed']);
      const position = Number(await window.page.locator('#position').textContent());
      await demo.crashAndChange(async () => {
        await demo.ask('DELETE', 'Message/removed');
        for (let turn = 1; turn <= 5; turn += 1) await demo.put('kept', `Kept, turn ${turn}`);
        await until(
          async () => {
            using client = await SseClient.subscribe(`${demo.url}Message?since=${position}`);
            return client.all('reset').length;
          },
          (resets) => resets > 0,
          { what: 'the end of the log before the position of the window' },
        );
      });
      await expect.poll(() => window.titles(), RECONNECT).toEqual(['Kept, turn 5']);
      await window.live();
      const types = (await window.frames()).map(({ type }) => type);
      expect(types.slice(types.indexOf('reset')).filter((type) => type !== 'ping')).toEqual([
        'reset',
        'Retained',
        'ready',
      ]);
    },
    WITH_RESTART,
  );

  it('keeps its state and its place when the transport is switched, and remembers the switch', async () => {
    await using demo = await Demo.start(browser());
    await demo.put('one', 'One');
    const window = await demo.open('ws');
    await window.page.getByText('SSE', { exact: true }).click();
    await window.page.getByText('Live over Server-Sent Events').waitFor();
    expect(new URL(window.page.url()).searchParams.get('transport')).toBe('sse');
    await demo.put('two', 'Two');
    await expectTitles([window], ['Two', 'One']);
    // Only the first connection asked for what is stored.
    expect((await window.frames()).filter(({ type }) => type === 'Retained')).toHaveLength(1);
    await window.page.reload();
    await window.page.getByText('Live over Server-Sent Events').waitFor();
    expect(await window.page.getByLabel('SSE').isChecked()).toBe(true);
    await expectTitles([window], ['Two', 'One']);
  });

  it.each(TRANSPORTS)('shows in the other window, and only there, that a user is typing (%s)', async (transport) => {
    await using demo = await Demo.start(browser());
    await demo.put('one', 'One');
    const here = await demo.open(transport);
    const there = await demo.open(transport);
    await here.compose.getByLabel('Title').pressSequentially('So');
    await there.page.getByText('Somebody is typing…').waitFor();
    expect(await here.page.getByText('Somebody is typing…').count()).toBe(0);
    await here.write('So it is', 'sent');
    await expectTitles([there], ['So it is', 'One']);
    await there.page.getByText('Somebody is typing…').waitFor({ state: 'detached' });
    await here.page.getByRole('button', { name: 'Edit “One”' }).click();
    await here.page.getByRole('form', { name: 'Edit “One”' }).getByLabel('Title').pressSequentially('!');
    await there.message('One').getByText('somebody is editing…').waitFor();
    expect((await demo.ask('GET', 'Message')).records).toHaveLength(2);
  });

  it.each(TRANSPORTS)('shows a message with markup as text (%s)', async (transport) => {
    await using demo = await Demo.start(browser());
    const here = await demo.open(transport);
    const there = await demo.open(transport);
    const attack = '<img src=x onerror="document.title = `broken`">';
    await here.write(attack, `${attack}</p><script>document.title = 'broken'</script>`);
    await expectTitles([here, there], [attack]);
    await there.edit(attack, { content: `"><svg onload="document.title = 'broken'">` });
    for (const { page, complaints } of [here, there]) {
      await page.locator('li.message').getByText('"><svg onload=').waitFor();
      expect(await page.locator('main img, main svg, main script').count()).toBe(0);
      expect(await page.title()).toBe('Messages · Tablecast realtime demo');
      expect(complaints).toEqual([]);
    }
    expect(demo.requests.filter((url) => !url.startsWith(demo.url))).toEqual([]);
  });

  it.each(TRANSPORTS)('says at each field what the server found wrong with it (%s)', async (transport) => {
    await using demo = await Demo.start(browser());
    const { page, compose } = await demo.open(transport);
    await compose.getByRole('button', { name: 'Send' }).click();
    await expect.poll(() => compose.getByText('This field is required.').count(), WAIT).toBe(2);
    const title = compose.getByLabel('Title');
    expect(await title.getAttribute('aria-invalid')).toBe('true');
    await compose.locator('input:focus').waitFor();
    await title.fill('Now with a title');
    await page.keyboard.press('Control+Enter');
    await expect.poll(() => compose.getByText('This field is required.').count(), WAIT).toBe(1);
    expect(await compose.getByLabel('Message').getAttribute('aria-invalid')).toBe('true');
    await compose.getByLabel('Message').fill('and a text');
    await page.keyboard.press('Control+Enter');
    await page.getByRole('heading', { name: 'Now with a title' }).waitFor();
    expect(await compose.getByText('This field is required.').count()).toBe(0);
    expect(await title.inputValue()).toBe('');
  });

  it.each(TRANSPORTS)(
    'does not throw away what is being edited when another window changes or deletes it (%s)',
    async (transport) => {
      await using demo = await Demo.start(browser());
      await demo.put('one', 'One');
      const { page } = await demo.open(transport);
      await page.getByRole('button', { name: 'Edit “One”' }).click();
      const form = page.getByRole('form', { name: 'Edit “One”' });
      await form.getByLabel('Message').fill('my text');
      await demo.put('one', 'Uno', 'theirs');
      await form.getByText('Somebody has changed this to “Uno: theirs”.').waitFor();
      await demo.ask('DELETE', 'Message/one');
      await form.getByText('Somebody has deleted this message.').waitFor();
      expect(await form.getByLabel('Message').inputValue()).toBe('my text');
      await form.getByRole('button', { name: 'Save' }).click();
      await page.locator('li.message').getByText('my text').waitFor();
      expect((await demo.ask('GET', 'Message/one')).record).toMatchObject({ title: 'One', content: 'my text' });
    },
  );

  it('is worked with the keyboard alone, and a deletion can be undone', async () => {
    await using demo = await Demo.start(browser());
    const window = await demo.open('ws');
    const { page } = window;
    await window.compose.getByLabel('Title').focus();
    await page.keyboard.type('By hand');
    await page.keyboard.press('Tab');
    await page.keyboard.type('no mouse');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await expectTitles([window], ['By hand']);
    await page.getByRole('button', { name: 'Edit “By hand”' }).focus();
    await page.keyboard.press('Enter');
    await page.keyboard.type('thrown away');
    await page.keyboard.press('Escape');
    await expectTitles([window], ['By hand']);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByText('Nothing here yet.').waitFor();
    await page.locator('h2:focus').getByText('Board').waitFor();
    await page.getByRole('button', { name: 'Undo' }).press('Enter');
    await expectTitles([window], ['By hand']);
  });

  it('fits on a phone, whatever is written', async () => {
    await using demo = await Demo.start(browser());
    await demo.put('long', 'W'.repeat(200), 'https://example.org/'.repeat(50));
    const { page } = await demo.open('ws');
    await page.setViewportSize({ width: 320, height: 640 });
    await page.locator('li.message').waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(320);
  });
});

inBrowser('the EventSource of the browser', (browser) => {
  it(
    'resumes by itself with its Last-Event-ID after the server was killed',
    async () => {
      await using demo = await Demo.start(browser());
      const { page } = await demo.open('ws');
      await page.evaluate(`
      window.heard = [];
      window.source = new EventSource('Message');
      for (const name of ['update', 'delete', 'retained', 'reset']) {
        source.addEventListener(name, ({ data, lastEventId }) => heard.push([name, JSON.parse(data).id, lastEventId]));
      }
      new Promise((resolve) => source.addEventListener('ready', resolve));
    `);
      await demo.put('one', 'One');
      await expect.poll(() => page.evaluate('heard.length'), WAIT).toBe(1);
      await demo.crashAndChange(async () => {
        await demo.put('two', 'Two');
        await demo.ask('DELETE', 'Message/one');
      });
      await expect.poll(() => page.evaluate('heard.length'), RECONNECT).toBe(3);
      await demo.put('three', 'Three');
      await expect.poll(() => page.evaluate('heard.length'), RECONNECT).toBe(4);
      const seqs = await changesOf(demo);
      expect(await page.evaluate('heard')).toEqual([
        ['update', 'one', String(seqs[0])],
        ['update', 'two', String(seqs[1])],
        ['delete', 'one', String(seqs[2])],
        ['update', 'three', String(seqs[3])],
      ]);
      // It never asked for a position: the address has none.
      expect(await page.evaluate('source.url')).toBe(`${demo.url}Message`);
    },
    WITH_RESTART,
  );
});
