import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { startServer, type TestServer } from '../support/app.ts';
import { collectComplaints, inBrowser } from './browser.ts';

const APPS = fileURLToPath(new URL('../../apps/', import.meta.url));
const WAIT = { timeout: 30_000 };
/** All that a page may complain about while its server is away. */
const CONNECTION_LOST = /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|WebSocket|ERR_EMPTY_RESPONSE|409 \(Conflict\)/;

/** `apps/websocket-client` as its README starts it, on a free port. */
class ClientSite implements AsyncDisposable {
  readonly origin: string;
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess, origin: string) {
    this.#process = process;
    this.origin = origin;
  }

  static async start(): Promise<ClientSite> {
    const env = { ...process.env, PORT: '0' };
    const child = spawn(process.execPath, [`${APPS}websocket-client/serve.mjs`], { env });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const [origin] = /http:\/\/localhost:\d+/.exec(line.toString()) ?? [];
    if (origin === undefined) throw new Error(`The page is nowhere: ${line.toString()}`);
    return new ClientSite(child, origin);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill();
    await once(this.#process, 'exit');
  }
}

/** `apps/websocket-backend` in a folder of its own, for a page of another origin. */
async function startBackend(page: string): Promise<TestServer> {
  const read = (name: string) => readFile(`${APPS}websocket-backend/${name}`, 'utf8');
  const config = (await read('config.yaml')).replace('http://localhost:8080', page).replace(/^port: \d+$/m, 'port: 0');
  return startServer({ name: 'chat', schema: await read('schema.graphql'), config: `${config}\nhost: 127.0.0.1\n` });
}

interface Person {
  readonly page: Page;
  readonly complaints: string[];
  texts(): Promise<string[]>;
  say(text: string): Promise<void>;
}

inBrowser('S2.12 the chat of two applications', (browser) => {
  const enter = async (site: ClientSite, backend: TestServer, name: string): Promise<Person> => {
    const page = await (await browser().newContext()).newPage();
    const complaints = collectComplaints(page);
    await page.goto(`${site.origin}/?backend=${backend.origin}/chat`);
    await page.getByLabel('Your name').fill(name);
    await page.getByRole('button', { name: 'Enter' }).click();
    await page.getByRole('heading', { name: 'lobby' }).waitFor();
    await page.locator('[role=status][data-state=live]').waitFor();
    return {
      page,
      complaints,
      texts: async () => {
        const items = await page.getByRole('list', { name: 'Messages' }).getByRole('listitem').allInnerTexts();
        return items.map((text) => text.split('\n').at(-1) as string);
      },
      say: async (text) => {
        await page.getByLabel('Message', { exact: true }).fill(text);
        await page.getByRole('button', { name: 'Send' }).click();
      },
    };
  };

  it('has rooms, presence, typing, history, and comes back when the server was killed', {
    timeout: 90_000,
  }, async () => {
    await using site = await ClientSite.start();
    await using backend = await startBackend(site.origin);
    const ann = await enter(site, backend, 'ann');
    const bob = await enter(site, backend, 'bob');
    const here = (person: Person) => person.page.getByText(/^Here: /).textContent();
    await expect.poll(() => here(ann), WAIT).toBe('Here: ann, bob');
    await expect.poll(() => here(bob), WAIT).toBe('Here: ann, bob');

    await ann.page.getByLabel('Message', { exact: true }).pressSequentially('Hel');
    await bob.page.getByText('ann is typing…').waitFor();
    await ann.say('Hello <b>bob</b>');
    await expect.poll(bob.texts, WAIT).toEqual(['Hello <b>bob</b>']);
    await bob.say('Hello ann');
    await expect.poll(ann.texts, WAIT).toEqual(['Hello <b>bob</b>', 'Hello ann']);

    await bob.page.getByLabel('New room').fill('games');
    await bob.page.getByRole('button', { name: 'Open' }).click();
    await bob.page.getByRole('heading', { name: 'games' }).waitFor();
    await ann.page.getByRole('button', { name: 'games' }).waitFor();
    await expect.poll(() => here(bob), WAIT).toBe('Here: ann, bob');
    await bob.say('Chess?');
    await ann.page.getByRole('button', { name: 'games 1' }).click();
    await expect.poll(ann.texts, WAIT).toEqual(['Chess?']);

    await backend.kill();
    await ann.page.locator('[role=status]:not([data-state=live])').waitFor();
    await ann.say('Are you there?');
    await backend.restart();
    await expect.poll(ann.texts, WAIT).toEqual(['Chess?', 'Are you there?']);
    await expect.poll(bob.texts, WAIT).toEqual(['Chess?', 'Are you there?']);
    await expect.poll(() => here(ann), WAIT).toBe('Here: ann, bob');

    const late = await enter(site, backend, 'late');
    await expect.poll(late.texts, WAIT).toEqual(['Hello <b>bob</b>', 'Hello ann']);
    await late.page.context().close();
    await expect.poll(() => here(bob), WAIT).toBe('Here: ann, bob');
    for (const { complaints } of [ann, bob, late]) {
      expect(complaints.filter((text) => !CONNECTION_LOST.test(text))).toEqual([]);
    }
    await ann.page.context().close();
    await bob.page.context().close();
  });
});
