import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createHttpServer } from '../../src/server/http-server.ts';
import { registerNotFound } from '../../src/server/not-found.ts';
import { createLog } from '../../src/server/operations/log.ts';
import { type ConsoleRoutes, registerConsole } from '../../src/server/web/console-routes.ts';
import { SERVER_CONFIG } from '../connectors/context.ts';

const PAGE = '<!doctype html><script type="module" src="./main-Ab3dE_9x.js"></script><link href="./main-Zz3dE_9x.css">';
const FILES = {
  'index.html': PAGE,
  'main-Ab3dE_9x.js': `export const text = "${'a'.repeat(3000)}";`,
  'main-Ab3dE_9x.js.map': '{}',
  'icons.svg': '<svg xmlns="http://www.w3.org/2000/svg"/>',
  'chunks/editor-Q1w2E3r4.js': 'export {};',
  '.secret.json': '{}',
};
const APP = {
  auth: 'none',
  signup: false,
  adminRole: undefined,
  page: true,
  docs: true,
  isListed: true,
  hasAlias: true,
} as const;
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

function makeFolder(files: Readonly<Record<string, string>>): string {
  const dir = mkdtempSync(join(tmpdir(), 'tablecast-console-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  }
  return dir;
}

async function start(options: Partial<ConsoleRoutes> = {}, files = FILES, trustProxy = false): Promise<string> {
  const config = { ...SERVER_CONFIG, trustProxy, compression: { enabled: true, threshold: 1024 } };
  const lifecycle = { ready: true, stopping: false };
  const app = await createHttpServer(config, { dataDir: tmpdir(), lifecycle, log: createLog(config) });
  onTestFinished(() => app.close());
  registerConsole(app, {
    apps: [
      { ...APP, appId: 'my-app' },
      { ...APP, appId: 'silent', isListed: false, hasAlias: false, auth: 'users' },
    ],
    refusal: undefined,
    folder: makeFolder(files),
    config: { enabled: true, allow: undefined, idleLock: 1_800_000 },
    compression: config.compression,
    ...options,
  });
  registerNotFound(app, []);
  return app.listen({ host: '127.0.0.1', port: 0 });
}

async function get(url: string, headers: Readonly<Record<string, string>> = {}, method = 'GET') {
  const answer = await fetch(url, { headers, method, redirect: 'manual' });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

describe('the console', () => {
  test('sends its page with the strict policy, and files whose names change for ever', async () => {
    const url = await start();
    const page = await get(`${url}/_console/`);
    expect([page.status, page.text, page.headers.get('cache-control')]).toEqual([200, PAGE, 'no-cache']);
    expect(page.headers.get('content-security-policy')).toBe(POLICY);
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(page.headers.get('x-content-type-options')).toBe('nosniff');
    expect(page.headers.get('referrer-policy')).toBe('no-referrer');
    const script = await get(`${url}/_console/main-Ab3dE_9x.js`, { 'accept-encoding': 'gzip' });
    expect(script.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect([script.headers.get('content-encoding'), script.text]).toEqual(['gzip', FILES['main-Ab3dE_9x.js']]);
    expect(script.headers.get('content-security-policy')).toBe(POLICY);
    const icons = await get(`${url}/_console/icons.svg`);
    expect([icons.headers.get('cache-control'), icons.headers.get('content-type')]).toEqual([
      'no-cache',
      'image/svg+xml',
    ]);
    const again = await get(`${url}/_console/`, { 'if-none-match': page.headers.get('etag') ?? '' });
    expect([again.status, again.text]).toEqual([304, '']);
    const head = await get(`${url}/_console/`, {}, 'HEAD');
    expect([head.status, head.text, head.headers.get('content-security-policy')]).toEqual([200, '', POLICY]);
  });

  test('sends its page at every address of an application, which names its files from there', async () => {
    const url = await start();
    for (const [path, up] of [
      ['my-app', './'],
      ['my-app/', '../'],
      ['my-app/Message', '../'],
      ['my-app/Message/a%2Fb?title==x', '../../'],
      ['silent/changes', '../'],
    ] as const) {
      const { status, text } = await get(`${url}/_console/${path}`);
      expect([path, status, text]).toEqual([path, 200, PAGE.replaceAll('"./', `"${up}`)]);
      const [, src = ''] = /src="([^"]+)"/.exec(text) ?? [];
      expect((await get(new URL(src, `${url}/_console/${path}`).href)).status).toBe(200);
    }
  });

  test.each([
    'no-app/Message',
    'main-Ab3dE_9x.js.map',
    '.secret.json',
    '..%2F..%2Fpackage.json',
    'chunks',
    'chunks/none-Q1w2E3r4.js',
  ])('has nothing at %s', async (path) => {
    const { status, text, headers } = await get(`${await start()}/_console/${path}`);
    expect([status, headers.get('cache-control')]).toEqual([404, 'no-store']);
    expect(JSON.parse(text)).toMatchObject({ code: 'NOT_FOUND', detail: 'The console has nothing at this address.' });
  });

  test('leads to itself by relative addresses, also behind a prefix', async () => {
    const url = await start();
    const root = await get(`${url}/_console`);
    expect([root.status, root.headers.get('location')]).toEqual([308, '_console/']);
    const alias = await get(`${url}/my-app/console`);
    expect([alias.status, alias.headers.get('location')]).toEqual([308, '../_console/my-app/']);
    expect((await get(`${url}/silent/console`)).status).toBe(404);
  });

  test('lists the applications that may be listed, and nothing of their schemas', async () => {
    const list = await get(`${await start()}/_console/apps.json`);
    expect(list.headers.get('cache-control')).toBe('no-cache');
    expect(JSON.parse(list.text)).toEqual({
      apps: [{ app_id: 'my-app', auth: 'none', signup: false, page: true, docs: true }],
      idle_lock: 1800,
    });
  });

  test('says what is missing where it was not built', async () => {
    const url = await start({}, { 'other.txt': '' } as unknown as typeof FILES);
    for (const path of ['', 'my-app/', 'main.js']) {
      const { status, text } = await get(`${url}/_console/${path}`);
      expect([status, JSON.parse(text).detail]).toEqual([404, 'The console has not been built.']);
    }
    const none = await start({ folder: undefined });
    expect((await get(`${none}/_console/`)).status).toBe(404);
  });

  test('says why it is not served', async () => {
    const { status, text } = await get(`${await start({ refusal: 'Not here.' })}/_console/`);
    expect([status, JSON.parse(text)]).toEqual([
      404,
      expect.objectContaining({ code: 'NOT_FOUND', detail: 'Not here.' }),
    ]);
  });

  test('looks at the address of the client before anything else', async () => {
    const allow = ['10.0.0.0/8', '2001:db8::/32', '192.0.2.7'];
    const url = await start({ config: { enabled: true, allow, idleLock: 0 } }, FILES, true);
    for (const [ip, status] of [
      ['10.200.3.4', 200],
      ['192.0.2.7', 200],
      ['2001:db8:5::1', 200],
      ['::ffff:10.0.0.1', 200],
      ['192.0.2.8', 403],
      ['2001:db9::1', 403],
      ['not an address', 403],
    ] as const) {
      const page = await get(`${url}/_console/`, { 'x-forwarded-for': ip });
      expect([ip, page.status]).toEqual([ip, status]);
      expect((await get(`${url}/_console/apps.json`, { 'x-forwarded-for': ip })).status).toBe(status);
      if (status === 403) expect(JSON.parse(page.text).code).toBe('FORBIDDEN');
    }
    const nowhere = await start({ config: { enabled: true, allow: [], idleLock: 0 } });
    expect((await get(`${nowhere}/_console/`)).status).toBe(403);
  });
});
