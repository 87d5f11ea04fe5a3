import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { BASE_CONFIG, makeApp } from '../support/app.ts';
import { until } from '../support/wait.ts';
import { WsClient } from '../support/ws-client.ts';

const CLI = join(import.meta.dirname, '../../dist/cli.js');

test.each([
  ['an exception that is not caught', 'throw new Error("provoked")'],
  ['a rejection that is not handled', 'Promise.reject(new Error("provoked"))'],
])('%s is logged, and the server stops gracefully with exit code 1', async (_what, fault) => {
  const { dir, root } = await makeApp({ config: BASE_CONFIG });
  // Loaded before the program, and asleep until the signal: the fault comes from outside of our code.
  const preload = `data:text/javascript,${encodeURIComponent(`process.on('SIGWINCH', () => { ${fault}; });`)}`;
  const child = spawn(process.execPath, ['--import', preload, CLI, 'start', dir], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  const exit = once(child, 'exit');
  const urlOf = (text: string) => /"url":"http:\/\/([^"]+)"/.exec(text)?.[1];
  await until(
    async () => output,
    (text) => urlOf(text) !== undefined,
    { timeout: 30_000, what: 'the start' },
  );
  using client = await WsClient.subscribe(`ws://${urlOf(output)}/my-app/Message`);
  child.kill('SIGWINCH');
  expect((await client.closed).code).toBe(1001);
  const [code] = await exit;
  expect(code).toBe(1);
  expect(output).toMatch(/"level":60.*"provoked".*"fault: stopping"/);
  await rm(root ?? dir, { recursive: true, force: true });
});
