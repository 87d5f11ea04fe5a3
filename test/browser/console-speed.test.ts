import type { CDPSession, Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { inBrowser } from './browser.ts';
import { ConsoleApp, cell, columnTexts, isLive } from './console-app.ts';

/** Figures are reported and not asserted: the machine may be busy. What can be counted is asserted. */
const LONG_TEST = 600_000;
const ROWS = Number(process.env.CONSOLE_ROWS ?? 5_000);
const COLUMNS = 40;
const CHANGES_MS = Number(process.env.CONSOLE_CHANGES_MS ?? 5_000);
const CHANGES_PER_SECOND = 1_000;

const NUMBERS = Array.from({ length: COLUMNS - 1 }, (_, index) => `f${index}`);
const SCHEMA = `type Item @table @export { id: ID! @primaryKey ${NUMBERS.map((name) => `${name}: Int`).join(' ')} }`;
const CONFIG = 'port: 0\nhost: 127.0.0.1\nlimits:\n  scan: 10000000\n  requests_per_second: 5000\n';

const item = (index: number) => ({
  id: `k${String(index).padStart(7, '0')}`,
  ...Object.fromEntries(NUMBERS.map((name, at) => [name, index + at])),
});

function report(name: string, figures: Readonly<Record<string, number>>): void {
  const parts = Object.entries(figures).map(([figure, value]) => `${figure} ${Math.round(value * 10) / 10}`);
  process.stdout.write(`${name}: ${parts.join(', ')}\n`);
}

/** Seconds of main thread, frames and heap since the page was opened. */
async function metrics(session: CDPSession): Promise<Readonly<Record<string, number>>> {
  const { metrics: found } = await session.send('Performance.getMetrics');
  return Object.fromEntries(found.map(({ name, value }) => [name, value]));
}

const countFrames = `new Promise((done) => {
  window.frames_ = 0;
  const next = () => { window.frames_++; requestAnimationFrame(next); };
  requestAnimationFrame(next);
  done();
})`;
const framesOf = (page: Page) => page.evaluate('window.frames_') as Promise<number>;
const nodesOf = (page: Page) => page.evaluate('document.querySelectorAll("*").length') as Promise<number>;

inBrowser('the speed of the console', (browser) => {
  it(
    'is reported for a large table: opening it, scrolling it, and writes to what is in sight',
    async () => {
      await using app = await ConsoleApp.start(browser(), { schema: SCHEMA, config: CONFIG });
      await app.store(
        'Item',
        Array.from({ length: ROWS }, (_, index) => item(index)),
      );
      const opened = async () => {
        const began = performance.now();
        const page = await app.open('shop/Item');
        await cell(page, 0, 'id').waitFor();
        const took = performance.now() - began;
        await isLive(page);
        return { page, took };
      };
      const cold = await opened();
      await cold.page.close();
      const { page, took } = await opened();
      report(`opening ${ROWS} × ${COLUMNS}`, { 'cold ms': cold.took, 'warm ms': took });
      const session = await page.context().newCDPSession(page);
      await session.send('Performance.enable');
      await page.evaluate(countFrames);
      await measureScroll(page, session);
      await measureWrites(app, page, session);
    },
    LONG_TEST,
  );
});

async function measureScroll(page: Page, session: CDPSession): Promise<void> {
  await page.mouse.move(700, 400);
  await page.mouse.wheel(0, 2_000);
  const pool = await page.locator('.grid-body .row').count();
  const [before, framesBefore] = [await metrics(session), await framesOf(page)];
  for (let step = 0; step < 120; step++) await page.mouse.wheel(0, 96);
  const [after, framesAfter] = [await metrics(session), await framesOf(page)];
  const frames = Math.max(1, framesAfter - framesBefore);
  report('scrolling', {
    nodes: await nodesOf(page),
    'main thread ms a frame': (((after.TaskDuration ?? 0) - (before.TaskDuration ?? 0)) * 1000) / frames,
    'heap growth MB': ((after.JSHeapUsedSize ?? 0) - (before.JSHeapUsedSize ?? 0)) / 1e6,
  });
  expect(await nodesOf(page)).toBeLessThanOrEqual(1_500);
  expect(await page.locator('.grid-body .row').count()).toBeLessThanOrEqual(pool + 8);
  // Dragged to its ends, the bar leads to the last row and the first.
  await page.evaluate("document.querySelector('.grid').scrollTop = 1e9");
  await page
    .locator('.grid-body .cell')
    .getByText(item(ROWS - 1).id, { exact: true })
    .waitFor();
  await page.evaluate("document.querySelector('.grid').scrollTop = 0");
  await page.locator('.grid-body .cell').getByText(item(0).id, { exact: true }).waitFor();
}

async function measureWrites(app: ConsoleApp, page: Page, session: CDPSession): Promise<void> {
  const [before, framesBefore] = [await metrics(session), await framesOf(page)];
  const began = performance.now();
  let written = 0;
  const clicks: number[] = [];
  const write = async () => {
    while (performance.now() - began < CHANGES_MS) {
      const batch = Array.from({ length: 20 }, () => {
        const index = written++ % 20;
        return { op: 'patch', table: 'Item', id: item(index).id, data: { f0: written, f1: written } };
      });
      const { status } = await app.ask('POST', '_/transaction', { steps: batch });
      if (status !== 200) throw new Error(`transaction: ${status}`);
      const due = began + (written * 1000) / CHANGES_PER_SECOND;
      await new Promise((resolve) => setTimeout(resolve, due - performance.now()));
    }
  };
  const click = async () => {
    for (let turn = 0; performance.now() - began < CHANGES_MS; turn++) {
      const at = performance.now();
      await cell(page, turn % 10, 'f2').click();
      clicks.push(performance.now() - at);
    }
  };
  await Promise.all([write(), click()]);
  const seconds = (performance.now() - began) / 1000;
  const [after, framesAfter] = [await metrics(session), await framesOf(page)];
  const frames = Math.max(1, framesAfter - framesBefore);
  report('writes to rows in sight', {
    'changes a second': written / seconds,
    'frames a second': frames / seconds,
    'main thread ms a frame': (((after.TaskDuration ?? 0) - (before.TaskDuration ?? 0)) * 1000) / frames,
    'click ms, 95th percentile': clicks.toSorted((a, b) => a - b)[Math.floor(clicks.length * 0.95)] ?? 0,
  });
  const { records } = await app.ask('GET', 'Item?limit=10');
  await expect
    .poll(async () => (await columnTexts(page, 'f0')).slice(0, 10))
    .toEqual(records.map(({ f0 }) => String(f0)));
}
