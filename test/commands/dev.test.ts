import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { connect } from '../../src/client/index.ts';
import { type AppOptions, makeApp } from '../support/app.ts';
import { ask } from '../support/http.ts';
import { until } from '../support/wait.ts';

const CLI = join(import.meta.dirname, '../../dist/cli.js');
const SCHEMA = 'type Message @table @export { id: ID! @primaryKey title: String! }\n';
const WAIT = { timeout: 20_000 };

interface Dev {
  readonly dir: string;
  readonly url: string;
  /** Resolves when the text was printed that often. */
  printed(text: string, count?: number): Promise<unknown>;
}

async function inDev(
  options: AppOptions,
  run: (dev: Dev) => Promise<void>,
  args: readonly string[] = [],
): Promise<void> {
  const { dir, root } = await makeApp({ schema: SCHEMA, config: 'port: 0\n', ...options });
  const child = spawn(process.execPath, [CLI, 'dev', dir, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  const printed = (text: string, count = 1) =>
    until(
      async () => output,
      (found) => found.split(text).length > count,
      { ...WAIT, what: `${count} × "${text}"` },
    );
  try {
    const [, url = ''] = /serving on (\S+)/.exec(String(await printed('dev: serving on '))) ?? [];
    await run({ dir, url, printed });
  } finally {
    child.kill('SIGTERM');
    const [code] = await once(child, 'exit');
    await rm(root ?? dir, { recursive: true, force: true });
    expect(code, output).toBe(0);
  }
}

test('tablecast dev --port 0 takes a free port, not that of config.yaml, and keeps it over restarts', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  const options = { config: `port: ${port}\n` };
  const look = async ({ dir, url, printed }: Dev) => {
    expect((await ask('GET', `${url}/my-app/Message`)).status).toBe(200);
    await writeFile(join(dir, 'schema.graphql'), SCHEMA.replace('}', 'more: Int }'));
    await printed(`dev: serving on ${url}`, 2);
  };
  await inDev(options, look, ['--port', '0']).finally(() => other.close());
}, 60_000);

const ROUTES = `import { defineRoute } from 'tablecast';
export const routes = { hello: defineRoute({ handler: () => 'hello' }) };\n`;
const BROKEN_FLOW = `port: 0
flows:
  copy:
    from: {connector: table, operation: create, table: Massage}
    to: {connector: table, operation: create, target: Message}
`;

describe('tablecast dev keeps the running server', { timeout: 60_000 }, () => {
  test.each<{ where: string; broken: string; message: string; files?: Record<string, string> }>([
    { where: 'a flow', broken: BROKEN_FLOW, message: 'there is no exported table "Massage"' },
    { where: 'a connector', broken: 'port: 0\nconnectors: {mq: {type: rabitmq}}\n', message: '"rabbitmq"?' },
    { where: 'a key', broken: 'prot: 0\n', message: 'config.yaml:1:1' },
    {
      where: 'a certificate',
      broken: 'port: 0\ntls: {certificate: own.pem, private_key: own.pem}\n',
      message: 'own.pem cannot be used with',
      files: { 'own.pem': 'none\n' },
    },
  ])('after an error in $where, and reports it', async ({ broken, message, files = {} }) => {
    await inDev({ files }, async ({ dir, url, printed }) => {
      await writeFile(join(dir, 'config.yaml'), broken);
      await printed(message);
      await printed('dev: the server keeps running as it was');
      expect((await ask('POST', `${url}/my-app/Message`, { json: { title: 'still' } })).status).toBe(201);
      await writeFile(join(dir, 'config.yaml'), 'port: 0\n');
      await printed('dev: serving on ', 2);
      expect((await ask('GET', `${url}/my-app/Message`)).records).toMatchObject([{ title: 'still' }]);
    });
  });

  test('after an error in routes, and reports it with its line', async () => {
    const options = { files: { 'routes.ts': ROUTES }, config: 'port: 0\nroutes: routes.ts\n' };
    await inDev(options, async ({ dir, url, printed }) => {
      await writeFile(join(dir, 'routes.ts'), 'export const routes = {{;\n');
      await printed('routes.ts:1:24 does not parse');
      await printed('  1 | export const routes = {{;');
      await printed('dev: the server keeps running as it was');
      expect((await ask('GET', `${url}/my-app/api/hello`)).status).toBe(200);
    });
  });

  describe('after an error that code throws later', () => {
    const late = (code: string) => `import { defineRoute } from 'tablecast';
export const routes = { fail: defineRoute({ handler: () => { ${code} return 'ok'; } }) };\n`;

    test.each([
      ['in a timer', "setTimeout(() => { throw new Error('too late'); }, 1);", 'uncaught exception: Error: too late'],
      ['in a promise', "void Promise.reject(new Error('unseen'));", 'uncaught rejection: Error: unseen'],
      ['that is no Error', "void Promise.reject('only text');", 'uncaught rejection: only text'],
      ['by every tick', "setInterval(() => { throw new Error('again'); }, 50);", 'uncaught exception: Error: again'],
    ])('%s, and reports it', async (_, code, message) => {
      const options = { files: { 'routes.ts': late(code) }, config: 'port: 0\nroutes: routes.ts\n' };
      await inDev(options, async ({ url, printed }) => {
        const stream = await fetch(`${url}/my-app/Message`, { headers: { accept: 'text/event-stream' } });
        const reader = (stream.body as ReadableStream<Uint8Array>).getReader();
        const received = async (text: string) => {
          for (let found = ''; !found.includes(text); ) {
            const { value, done } = await reader.read();
            if (done) throw new Error(`the stream has ended before "${text}": ${found}`);
            found += Buffer.from(value).toString();
          }
        };
        await received('ready');
        expect((await ask('GET', `${url}/my-app/api/fail`)).status).toBe(200);
        const output = String(await printed(message));
        await printed('the server keeps running; tablecast start would stop');
        if (message.includes('Error')) expect(output).toMatch(/routes\.ts:2:1 uncaught [\s\S]*\n {2}2 \| export const/);
        // The same server, with the same connection.
        expect((await ask('POST', `${url}/my-app/Message`, { json: { title: 'still' } })).status).toBe(201);
        await received('still');
        await reader.cancel();
        expect(String(await printed('dev: serving on'))).not.toContain('has ended');
      });
    });

    test('that ends the process: another server takes its place, and clients go on', async () => {
      const options = { files: { 'routes.ts': late('process.exit(7);') }, config: 'port: 0\nroutes: routes.ts\n' };
      await inDev(options, async ({ url, printed }) => {
        const client = connect<{ Message: { $record: { id: string; title: string } } }>(`${url}/my-app`);
        const list = client.tables.Message.live();
        await list.ready;
        await ask('GET', `${url}/my-app/api/fail`).catch(() => undefined);
        await printed('the server has ended (exit code 7); it starts again');
        await printed('dev: serving on ', 2);
        expect((await ask('POST', `${url}/my-app/Message`, { json: { title: 'after' } })).status).toBe(201);
        await until(
          async () => list.records,
          (rows) => rows.some(({ title }) => title === 'after'),
          WAIT,
        );
        list.close();
        client.close();
      });
    });
  });

  test('when the new port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    await inDev({}, async ({ dir, url, printed }) => {
      await writeFile(join(dir, 'config.yaml'), `port: ${port}\n`);
      await printed(`port ${port} on 127.0.0.1 is taken`);
      await printed('dev: the server keeps running as it was');
      expect((await ask('GET', `${url}/my-app/Message`)).status).toBe(200);
    }).finally(() => other.close());
  });

  test('when a package manager writes its files', async () => {
    await inDev({ files: { 'package-lock.json': '{}\n', 'node_modules/a/index.js': '' } }, async ({ dir, printed }) => {
      await writeFile(join(dir, 'package-lock.json'), '{"a":1}\n');
      await writeFile(join(dir, 'node_modules/a/index.js'), 'a();\n');
      await writeFile(join(dir, 'schema.graphql'), SCHEMA.replace('}', 'more: Int }'));
      const output = String(await printed('dev: serving on ', 2));
      expect(output.match(/changed: .*/g)).toEqual(['changed: schema.graphql']);
    });
  });
});

describe('tablecast dev serves a folder of static files', { timeout: 60_000 }, () => {
  const page = (url: string, path = '/my-app/') => ask('GET', `${url}${path}`, { headers: { accept: 'text/html' } });

  test('as soon as it is there, and no longer than it is', async () => {
    await inDev({}, async ({ dir, url, printed }) => {
      await mkdir(join(dir, 'web'));
      await writeFile(join(dir, 'web/index.html'), '<p>first');
      await printed('dev: serving on ', 2);
      expect((await page(url)).text).toContain('first');
      await writeFile(join(dir, 'web/index.html'), '<p>second');
      await writeFile(join(dir, 'web/page.js'), 'page();');
      await writeFile(join(dir, 'schema.graphql'), SCHEMA.replace('}', 'more: Int }'));
      expect(String(await printed('dev: serving on ', 3)).match(/changed: .*/g)).toEqual([
        'changed: web',
        'changed: schema.graphql',
      ]);
      expect((await page(url)).text).toContain('second');
      await rm(join(dir, 'web'), { recursive: true });
      await printed('dev: serving on ', 4);
      expect((await page(url)).text).not.toContain('second');
    });
  });

  test('that the configuration names before it is there', async () => {
    await inDev({}, async ({ dir, url, printed }) => {
      await writeFile(join(dir, 'config.yaml'), 'port: 0\nweb: public\n');
      await printed('dev: the server keeps running as it was');
      await mkdir(join(dir, 'pages'));
      await writeFile(join(dir, 'pages/index.html'), '<p>named');
      await rename(join(dir, 'pages'), join(dir, 'public'));
      await printed('dev: serving on ', 2);
      expect((await page(url)).text).toContain('named');
    });
  });
});
