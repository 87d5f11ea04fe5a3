import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import { makeApp, runToExit } from '../support/app.ts';
import { readQrCode } from '../support/qr-code.ts';
import { until } from '../support/wait.ts';

const CLI = join(import.meta.dirname, '../../dist/cli.js');
const SCHEMA = 'type Message @table @export { id: ID! @primaryKey title: String! }\n';

/** Runs a command at a terminal of its own (script of util-linux) until `ready`; gives what it has printed. */
async function atTerminal(
  args: readonly string[],
  ready: string,
  look: (output: string) => Promise<void>,
  config = 'port: 0\n',
): Promise<void> {
  const files = { 'web/index.html': '<!doctype html><title>Page</title>\n' };
  const { dir, root } = await makeApp({ schema: SCHEMA, config, files });
  const [command = '', ...options] = args;
  const words = [process.execPath, CLI, command, dir, ...options].map((word) => `'${word}'`);
  const { NO_COLOR, FORCE_COLOR, ...outer } = process.env;
  const env = { ...outer, NODE_ENV: 'test', TERM: 'xterm' };
  // With `exec` the program itself has the terminal and receives the signal.
  const child = spawn('script', ['-qec', `exec ${words.join(' ')}`, '/dev/null'], { stdio: 'pipe', env });
  let output = '';
  child.stdout.on('data', (chunk) => (output += String(chunk)));
  try {
    await until(
      async () => output,
      (text) => text.includes(ready),
      { timeout: 20_000, what: `"${ready}"` },
    );
    await look(output);
  } finally {
    // Ctrl-C, as the terminal sends it.
    child.stdin.write('\u0003');
    const [code] = await once(child, 'exit');
    await rm(root ?? dir, { recursive: true, force: true });
    expect(code, output).toBe(0);
  }
}

describe('at a terminal', { timeout: 60_000 }, () => {
  test.each([
    ['start', 'Ctrl-C stops it.'],
    ['dev', 'Edit and save a file: the server restarts. Ctrl-C stops it.'],
  ])('%s prints a banner whose addresses answer, and a log for a person', async (command, last) => {
    await atTerminal([command], 'Ctrl-C stops it.', async (colored) => {
      const output = stripVTControlCharacters(colored);
      const banner = output.slice(output.indexOf('Tablecast '));
      expect(banner.split('\n').length).toBeLessThanOrEqual(12);
      expect(banner).toContain(last);
      const urls = [...banner.matchAll(/^ {2}(\S.*?) {2,}(http\S+)/gm)].map(([, label, url]) => [label, url]);
      expect(urls.map(([label]) => label)).toEqual(['Console', 'Page', 'API page', 'Tables']);
      for (const [, url = ''] of urls) expect([url, (await fetch(url)).status]).toEqual([url, 200]);
      expect(output).toMatch(/^\d\d:\d\d:\d\d INFO {2}listening url=/m);
      expect(colored).toContain('\u001b[33mWARN ');
      expect(output).not.toContain('{"level"');
    });
  });

  test.each(['start', 'dev'])('%s --host shows the page as a QR code, and its URL below', async (command) => {
    const look = async (colored: string) => {
      // White on black, so that the colors of the terminal do not turn it around.
      const drawn = colored.split('\u001b[97;40m').slice(1);
      const qr = drawn.map((line) => line.slice(0, line.indexOf('\u001b[39;49m')));
      expect(qr.length).toBeGreaterThan(10);
      const url = readQrCode(qr);
      expect(url).toMatch(/^http:\/\/127\.1:\d+\/my-app\/$/);
      const output = stripVTControlCharacters(colored).replaceAll('\r', '');
      expect(output).toContain(`\n  ${url}\n`);
      expect(output).toMatch(new RegExp(`Page +${url}`));
      expect((await fetch(url)).status).toBe(200);
    };
    // An address of loopback in a form that is not recognized as one: tests open no port to other machines.
    const args = [command, '--host', '127.1'];
    await atTerminal(args, '/my-app/\r\n\r\n', look, 'port: 0\nauth: none\n');
  });

  test('--host is refused where the API would be open to other machines', async () => {
    const { dir, root } = await makeApp({ schema: SCHEMA, config: 'port: 0\n' });
    const { code, stderr } = await runToExit(['start', dir, '--host']);
    await rm(root ?? dir, { recursive: true, force: true });
    expect([code, stderr]).toEqual([1, expect.stringContaining('0.0.0.0 can be reached from other machines')]);
  });

  test('a folder after --host is no address', async () => {
    const { dir, root } = await makeApp({ schema: SCHEMA, config: 'port: 0\nauth: none\n' });
    const { code, stderr } = await runToExit(['start', dir, '--host', 'no-such-name.invalid']);
    await rm(root ?? dir, { recursive: true, force: true });
    expect([code, stderr]).toEqual([1, expect.stringContaining('no-such-name.invalid is no address of this machine')]);
  });

  test('--json writes the log as elsewhere, without a banner', async () => {
    await atTerminal(['start', '--json'], '"msg":"listening"', async (output) => {
      expect(output).not.toContain('Ctrl-C');
      expect(output).not.toContain('\u001b[');
      for (const line of output.trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('level');
    });
  });
});
