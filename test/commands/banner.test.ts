import { describe, expect, test } from 'vitest';
import type { RunningApp } from '../../src/boot/lifecycle/running-server.ts';
import { describeQrCode } from '../../src/commands/qr-code.ts';
import { type BannerServer, phoneUrlOf, summarize } from '../../src/commands/summary.ts';
import { readQrCode } from '../support/qr-code.ts';

const LOCAL = 'http://127.0.0.1:9996';

function app(appId: string, changes: Partial<RunningApp> = {}): RunningApp {
  const tables = Array.from({ length: 9 }, (_, number) => `Table${number}`);
  return { appId, tables, hasPage: true, hasApiPage: true, isOpen: true, ...changes };
}

function server(changes: Partial<BannerServer> = {}): BannerServer {
  return { url: LOCAL, networkUrls: [], consoleUrl: `${LOCAL}/_console/`, apps: [app('shop')], ...changes };
}

const NETWORKS = ['http://192.168.1.5:9996', 'http://10.0.0.7:9996', 'http://172.17.0.1:9996'];
/** The lines between the title and the hint. */
const rowsOf = (banner: string) => banner.trim().split('\n').slice(2, -2);

describe('the banner', () => {
  test.each([
    ['of one application', server()],
    ['with addresses of networks', server({ networkUrls: NETWORKS, consoleUrl: undefined })],
    ['with all of that', server({ networkUrls: NETWORKS })],
    ['of many applications', server({ apps: 'abcdefghijkl'.split('').map((id) => app(id)), networkUrls: NETWORKS })],
  ])('%s has at most twelve lines', (_, running) => {
    expect(summarize(running).trim().split('\n').length).toBeLessThanOrEqual(12);
  });

  test('names the page in each network, and how to see the tables that have no line', () => {
    expect(rowsOf(summarize(server({ networkUrls: NETWORKS })))).toEqual([
      '  Console   http://127.0.0.1:9996/_console/',
      '  Page      http://127.0.0.1:9996/shop/',
      '  API page  http://127.0.0.1:9996/shop/_/docs',
      '  Tables    http://127.0.0.1:9996/shop/Table0',
      '            http://127.0.0.1:9996/shop/Table1',
      '            and 7 more: tablecast check lists them',
      '  Network   http://192.168.1.5:9996/shop/',
      '            http://10.0.0.7:9996/shop/',
    ]);
  });

  test('has one line for each of several applications', () => {
    expect(rowsOf(summarize(server({ apps: [app('a'), app('b', { hasPage: false })] })))).toEqual([
      '  Console  http://127.0.0.1:9996/_console/',
      '  a        http://127.0.0.1:9996/a/',
      '  b        http://127.0.0.1:9996/b/_/docs',
    ]);
  });

  test('counts the applications that have no line', () => {
    const apps = 'abcdefghij'.split('').map((id) => app(id));
    expect(rowsOf(summarize(server({ apps }))).at(-1)).toBe('           and 4 more: tablecast check lists them');
  });

  test('does not repeat the address of a server that listens on one of a network', () => {
    const [url = ''] = NETWORKS;
    expect(summarize(server({ url, networkUrls: [url] }))).not.toContain('Network');
  });
});

describe('the URL for a phone', () => {
  const networkUrls = NETWORKS;

  test('is what can be opened there', () => {
    const bare = { hasPage: false, hasApiPage: false };
    expect(phoneUrlOf(server({ networkUrls }))).toBe('http://192.168.1.5:9996/shop/');
    expect(phoneUrlOf(server({ networkUrls, apps: [app('shop', { hasPage: false })] }))).toBe(
      'http://192.168.1.5:9996/shop/_/docs',
    );
    expect(phoneUrlOf(server({ networkUrls, apps: [app('shop', bare)] }))).toBe('http://192.168.1.5:9996/shop/Table0');
    const closed = { ...bare, isOpen: false };
    expect(phoneUrlOf(server({ networkUrls, apps: [app('a', closed)] }))).toBe('http://192.168.1.5:9996/_console/');
    expect(phoneUrlOf(server({ networkUrls, apps: [app('a', closed), app('b')] }))).toBe('http://192.168.1.5:9996/b/');
    expect(phoneUrlOf(server({ networkUrls, consoleUrl: undefined, apps: [app('a', closed)] }))).toBeUndefined();
    expect(phoneUrlOf(server())).toBeUndefined();
  });

  test('is read from the QR code, also without colors', () => {
    const url = `https://192.168.100.100:65535/${'long-name-'.repeat(6)}/`;
    const lines = describeQrCode(url, {}, { NO_COLOR: '1' }).split('\n');
    expect(lines).toContain(`  ${url}`);
    expect(readQrCode(lines.filter((line) => /[█▀▄]/.test(line)).map((line) => line.slice(2)))).toBe(url);
  });

  test('is no QR code where the terminal is too narrow for it', () => {
    expect(describeQrCode(LOCAL, { columns: 20 }, {})).toBe('');
    expect(describeQrCode(LOCAL, { columns: 80 }, {})).not.toBe('');
  });
});
