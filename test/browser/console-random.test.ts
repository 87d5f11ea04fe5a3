import { expect, it } from 'vitest';
import { inBrowser } from './browser.ts';
import { ConsoleApp, columnTexts, isLive } from './console-app.ts';

const WRITES = 240;
const LONG_TEST = 240_000;

/** Numbers that are the same in every run (mulberry32). */
function makeRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

inBrowser('the grid of the console under random writes', (browser) => {
  it.each([1, 2])(
    'settles at what GET answers, whatever is written while it is scrolled, and over a killed server (seed %i)',
    async (seed) => {
      await using app = await ConsoleApp.start(browser());
      const random = makeRandom(seed);
      const make = (index: number) => ({
        id: `p${index}`,
        title: `Title ${random(500)}`,
        kind: ['TOOL', 'TOY', 'FOOD'][random(3)],
        price: random(5) === 0 ? null : random(100),
        stock: random(50),
      });
      await app.store(
        'Product',
        Array.from({ length: 700 }, (_, index) => make(index)),
      );
      const write = async () => {
        const id = `p${random(900)}`;
        const dice = random(10);
        if (dice === 0) await app.ask('DELETE', `Product/${id}`);
        else if (dice < 4) await app.ask('PUT', `Product/${id}`, { ...make(0), id });
        else await app.ask('PATCH', `Product/${id}`, { price: random(100), kind: ['TOOL', 'TOY'][random(2)] });
      };
      for (const search of ['sort=-price,title', 'kind==TOOL&sort=price', 'stock=gt=10', 'sort=title&limit=12']) {
        const page = await app.openTable(`shop/Product?${search}`);
        await page.evaluate('window.untouched = true');
        for (let turn = 0; turn < WRITES / 4; turn++) {
          await write();
          if (turn % 10 === 0) await page.mouse.move(700, 400).then(() => page.mouse.wheel(0, random(3_000) - 1_000));
        }
        if (search.startsWith('kind')) {
          await app.crashAndChange(async () => {
            for (let turn = 0; turn < 20; turn++) await write();
          });
          await isLive(page);
        }
        const { records } = await app.ask('GET', `Product?${search}${search.includes('limit') ? '' : '&limit=1000'}`);
        await page.evaluate(`document.querySelector('.grid').scrollTop = ${random(2) * 2_000}`);
        await expect
          .poll(
            async () => {
              const first = Number(
                await page.evaluate(
                  `Math.min(...[...document.querySelectorAll('.grid-body .row:not([hidden])')].map((row) => +row.dataset.index))`,
                ),
              );
              const shown = await columnTexts(page, 'id');
              const expected = records.slice(first, first + shown.length).map(({ id }) => id);
              return shown.length > 5 && JSON.stringify(shown) === JSON.stringify(expected);
            },
            { timeout: 30_000, message: search },
          )
          .toBe(true);
        expect(await page.evaluate('window.untouched')).toBe(true);
        await page.close();
      }
    },
    LONG_TEST,
  );
});
