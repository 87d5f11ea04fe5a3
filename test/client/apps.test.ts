import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const APPS = new URL('../../apps/', import.meta.url).pathname;

/** Scripts of the pages of all example applications. */
const scripts = readdirSync(APPS, { recursive: true, encoding: 'utf8' })
  .filter((path) => /\/web\/.*\.js$/.test(path))
  .map((path) => ({ path, text: readFileSync(join(APPS, path), 'utf8') }));

test('pages of the example applications reach the server by the client alone', () => {
  const used = scripts
    .filter(({ text }) => /(?:from '|import\().*\/client\.js/.test(text))
    .map(({ path }) => path.split('/')[0]);
  expect([...new Set(used)].sort()).toEqual(['kanban', 'realtime-demo', 'websocket-client']);
  const own = /\b(?:WebSocket|EventSource|XMLHttpRequest|sendBeacon|fetch)\s*\(/;
  expect(scripts.filter(({ text }) => own.test(text)).map(({ path }) => path)).toEqual([]);
});
