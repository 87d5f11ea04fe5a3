import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { startServer, type TestServer } from '../support/app.ts';
import { type Answer, ask } from '../support/http.ts';
import { collectComplaints } from './browser.ts';

const DEMO = fileURLToPath(new URL('../../apps/realtime-demo', import.meta.url));

export type Transport = 'ws' | 'sse';

/** The demo application in a folder of its own, with the browser windows that look at it. Use it with `await using`. */
export class Demo implements AsyncDisposable {
  readonly server: TestServer;
  /** The position before the first change. */
  readonly beginning: number;
  /** Requests of all windows, by URL. */
  readonly requests: string[] = [];
  readonly #context: BrowserContext;

  static async start(browser: Browser, config = ''): Promise<Demo> {
    const files: Record<string, string> = {};
    for (const name of await readdir(join(DEMO, 'web'))) {
      files[`web/${name}`] = await readFile(join(DEMO, 'web', name), 'utf8');
    }
    const server = await startServer({
      name: 'realtime-demo',
      schema: await readFile(join(DEMO, 'schema.graphql'), 'utf8'),
      config: `${await readFile(join(DEMO, 'config.yaml'), 'utf8')}\nport: 0\nhost: 127.0.0.1\n${config}`,
      files,
    });
    const { headers } = await ask('GET', `${server.origin}/realtime-demo/Message`);
    return new Demo(server, await browser.newContext(), Number(headers.get('x-position')));
  }

  private constructor(server: TestServer, context: BrowserContext, beginning: number) {
    this.server = server;
    this.beginning = beginning;
    this.#context = context;
    context.on('request', (request) => this.requests.push(request.url()));
  }

  get url(): string {
    return `${this.server.origin}/realtime-demo/`;
  }

  ask(method: string, path: string, json?: unknown): Promise<Answer> {
    return ask(method, `${this.url}${path}`, json === undefined ? {} : { json });
  }

  /** Stores a message by REST. */
  async put(id: string, title: string, content = `content of ${title}`): Promise<void> {
    const { status, text } = await this.ask('PUT', `Message/${id}`, { title, content });
    if (status !== 200 && status !== 201) throw new Error(`PUT ${id}: ${status} ${text}`);
  }

  /** Opens a window and waits until its channel is live. */
  async open(transport: Transport): Promise<Window> {
    const window = new Window(await this.#context.newPage());
    await window.page.goto(`${this.url}?transport=${transport}`);
    await window.live();
    return window;
  }

  /**
   * Kills the server, lets `change` happen where no window can see it (on another port), and starts it again where it
   * was: what happened meanwhile can only come from the log.
   */
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

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#context.close();
    await this.server[Symbol.asyncDispose]();
  }
}

/** One window of the demo, used as a person uses it: by what is to be seen. */
export class Window {
  readonly page: Page;
  readonly complaints: string[];

  constructor(page: Page) {
    this.page = page;
    this.complaints = collectComplaints(page);
    page.setDefaultTimeout(10_000);
  }

  live(): Promise<void> {
    return this.page.locator('[role=status][data-state=live]').waitFor();
  }

  /** The titles on the board, newest first. */
  titles(): Promise<string[]> {
    return this.page.getByRole('listitem').getByRole('heading').allTextContents();
  }

  /** The card of a message, found by its title. */
  message(title: string) {
    return this.page
      .locator('li.message')
      .filter({ has: this.page.getByRole('heading', { name: title, exact: true }) });
  }

  get compose() {
    return this.page.getByRole('region', { name: 'Write a message' });
  }

  async write(title: string, content: string): Promise<void> {
    await this.compose.getByLabel('Title').fill(title);
    await this.compose.getByLabel('Message').fill(content);
    await this.compose.getByRole('button', { name: 'Send' }).click();
  }

  async edit(title: string, changed: { title?: string; content?: string }): Promise<void> {
    await this.page.getByRole('button', { name: `Edit “${title}”` }).click();
    const form = this.page.getByRole('form', { name: `Edit “${title}”` });
    if (changed.title !== undefined) await form.getByLabel('Title').fill(changed.title);
    if (changed.content !== undefined) await form.getByLabel('Message').fill(changed.content);
    await form.getByRole('button', { name: 'Save' }).click();
    await form.waitFor({ state: 'detached' });
  }

  async delete(title: string): Promise<void> {
    await this.page.getByRole('button', { name: `Delete “${title}”` }).click();
  }

  /** The frames that came in, oldest first: message_type (or type) and seq. */
  async frames(): Promise<{ type: string; seq: number | undefined }[]> {
    const frames = await this.page.locator('#frames li[data-direction=in]').evaluateAll((items) =>
      items.map((item) => {
        const { type, seq } = (item as unknown as { dataset: Record<string, string> }).dataset;
        return [type ?? '', seq] as const;
      }),
    );
    return frames.reverse().map(([type, seq]) => ({ type, seq: seq === undefined ? undefined : Number(seq) }));
  }

  /** The positions of the changes that came in, in the order in which they came. */
  async seqs(): Promise<number[]> {
    const frames = await this.frames();
    return frames.filter(({ type }) => type === 'Update' || type === 'Delete').map(({ seq }) => seq ?? Number.NaN);
  }
}
