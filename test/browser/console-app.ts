import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
import { type AppOptions, startServer, type TestServer } from '../support/app.ts';
import { type Answer, ask } from '../support/http.ts';
import { collectComplaints } from './browser.ts';

export const SHOP_SCHEMA = `
"What the shop sells."
type Product @table @export @audit {
  id: ID! @primaryKey
  "Shown in lists."
  title: String! @indexed
  kind: Kind
  price: Float @indexed
  stock: Int
  serial: Long
  made: Date
  done: Boolean
  tags: [String]
  extra: JSON
}
enum Kind { TOOL TOY FOOD }
type Empty @table @export { id: ID! @primaryKey name: String }
`;

/** A server with a console, and the windows that look at it. Use it with `await using`. */
export class ConsoleApp implements AsyncDisposable {
  readonly server: TestServer;
  readonly context: BrowserContext;
  /** Requests of all windows, as `GET http://…`. */
  readonly requests: string[] = [];

  static async start(
    browser: Browser,
    options: AppOptions & { dark?: boolean; bypassPolicy?: boolean; port?: number } = {},
  ): Promise<ConsoleApp> {
    const server = await startServer({
      name: 'shop',
      schema: SHOP_SCHEMA,
      config: `port: ${options.port ?? 0}\nhost: 127.0.0.1\n`,
      ...options,
    });
    const context = await browser.newContext({
      colorScheme: options.dark ? 'dark' : 'light',
      // A test that brings a script of its own cannot do so under the policy.
      bypassCSP: options.bypassPolicy === true,
    });
    return new ConsoleApp(server, context);
  }

  private constructor(server: TestServer, context: BrowserContext) {
    this.server = server;
    this.context = context;
    context.on('request', (request) => this.requests.push(`${request.method()} ${request.url()}`));
  }

  ask(method: string, path: string, json?: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return ask(method, `${this.server.origin}/shop/${path}`, { headers, ...(json === undefined ? {} : { json }) });
  }

  /** Stores records by REST. */
  async store(table: string, records: readonly object[]): Promise<void> {
    for (let at = 0; at < records.length; at += 500) {
      const { status, text } = await this.ask('POST', table, records.slice(at, at + 500));
      if (status !== 201) throw new Error(`POST ${table}: ${status} ${text}`);
    }
  }

  /** Kills the server, lets `change` happen on another port where no window sees it, and starts it again where it was. */
  async crashAndChange(change: () => Promise<void>): Promise<void> {
    const { server } = this;
    const { port } = server;
    await server.kill();
    await server.start();
    await change();
    const path = join(server.dir, 'config.yaml');
    const config = await readFile(path, 'utf8');
    await server.stop();
    await writeFile(path, config.replace(/^port: 0$/m, `port: ${port}`));
    await server.start();
  }

  /** Opens a window at a path below `/_console/`. */
  async open(path: string): Promise<Page> {
    const page = await this.context.newPage();
    page.setDefaultTimeout(20_000);
    const own = collectComplaints(page);
    this.#own.push(own);
    await page.goto(`${this.server.origin}/_console/${path}`);
    return page;
  }

  readonly #own: string[][] = [];

  /** What all windows had to complain about. */
  get said(): readonly string[] {
    return this.#own.flat();
  }

  /** Opens a table, and waits until its grid is live. */
  async openTable(path: string): Promise<Page> {
    const page = await this.open(path);
    await isLive(page);
    return page;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.context.close();
    await this.server[Symbol.asyncDispose]();
  }
}

export async function isLive(page: Page): Promise<void> {
  await page.locator('.live-state.live').waitFor({ timeout: 60_000 });
}

/** Cell of the grid, by the index of its row and the name of its column. */
export function cell(page: Page, row: number, column: string): Locator {
  return page.locator(`.grid-body .row[data-index="${row}"] .cell[data-name="${column}"]`);
}

/** Texts of a column of the rows in sight, in their order. */
export async function columnTexts(page: Page, column: string): Promise<readonly string[]> {
  return page.evaluate(`[...document.querySelectorAll('.grid-body .row:not([hidden]):not(.missing)')]
    .sort((a, b) => a.dataset.index - b.dataset.index)
    .map((row) => row.querySelector('.cell[data-name="${column}"]:not([hidden])')?.textContent)`);
}
