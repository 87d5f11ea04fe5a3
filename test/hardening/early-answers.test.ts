import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import { PLAIN_UPLOADERS, TLS_UPLOADERS, type Upload, type Uploader } from '../support/uploads.ts';

/** Whether an answer is lost is a race, which a client does not lose each time. */
const TIMES = 3;
/** More than all buffers between client and server together. */
const SIZE = 24 * 1024 * 1024;

const SCHEMA = `
type Open @table @export(public: [read, create, update, delete]) { id: ID! @primaryKey s: String }
type Locked @table @export(public: []) { id: ID! @primaryKey }
`;
const AUTH = 'auth:\n  jwt:\n    secret: "0123456789012345678901234567890123456789"\n';
const ROUTES = 'export const routes = { "bytes": { method: "POST", handler: () => ({}) } };\n';
const JSON_TYPE = { 'content-type': 'application/json' };

type Case = readonly [what: string, upload: Partial<Upload> & { path: string }, status: number, code: string];

const CASES: readonly Case[] = [
  ['413 of a table', { path: 'Open/a' }, 413, 'BODY_TOO_LARGE'],
  ['413 of a body whose length is not said', { path: 'Open/a', isChunked: true }, 413, 'BODY_TOO_LARGE'],
  ['413 of a route', { path: 'api/bytes', method: 'POST' }, 413, 'BODY_TOO_LARGE'],
  ['401', { path: 'Open/a', headers: { ...JSON_TYPE, authorization: 'Bearer none' } }, 401, 'UNAUTHORIZED'],
  ['415', { path: 'Open/a', headers: { 'content-type': 'image/png' } }, 415, 'UNSUPPORTED_MEDIA_TYPE'],
  ['421', { path: 'Open/a', headers: { ...JSON_TYPE, host: 'other.example' } }, 421, 'MISDIRECTED'],
  ['404', { path: 'nothing', isChunked: true }, 404, 'NOT_FOUND'],
];

/** fetch sets Host by itself, and over HTTP/2 there is none. */
function canSend(client: string, [, { headers }]: Case): boolean {
  return headers?.host === undefined || !/fetch|HTTP\/2/.test(client);
}

let dir: string;
let file: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'tablecast-uploads-'));
  file = join(dir, 'body');
  writeFileSync(file, Buffer.alloc(SIZE, ' '));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

async function start(more = ''): Promise<TestServer> {
  const config = `${BASE_CONFIG}${AUTH}routes: [routes.ts]\n${more}`;
  return startServer({ schema: SCHEMA, config, files: { 'routes.ts': ROUTES } });
}

describe.each([
  ['HTTP', '\n', PLAIN_UPLOADERS],
  ['TLS', 'tls: auto\n', TLS_UPLOADERS],
] as const)(
  'an answer that comes before the end of an upload, over %s',
  { timeout: 120_000 },
  (_name, tls, uploaders) => {
    let server: TestServer;
    beforeAll(async () => {
      server = await start(tls);
    });
    afterAll(() => server[Symbol.asyncDispose]());

    describe.each(uploaders as readonly (readonly [string, Uploader])[])('reaches %s', (client, upload) => {
      test.each(CASES.filter((one) => canSend(client, one)))('%s', async (_what, { path, ...given }, status, code) => {
        for (let i = 0; i < TIMES; i++) {
          const url = server.url(path);
          const answer = await upload({ method: 'PUT', headers: JSON_TYPE, isChunked: false, ...given, url, file });
          expect(answer).toEqual({ status, code });
        }
      });
    });
  },
);

describe('429 before the end of an upload', { timeout: 120_000 }, () => {
  const limits = [
    'limits:',
    '  rate_loopback: true',
    '  anonymous_requests_per_second: 1',
    '  anonymous_requests_burst: 1',
    '',
  ].join('\n');
  let server: TestServer;
  beforeAll(async () => {
    server = await start(limits);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test.each(PLAIN_UPLOADERS as readonly (readonly [string, Uploader])[])('reaches %s', async (_client, upload) => {
    const url = server.url('Open/a');
    const send = () => upload({ method: 'PUT', headers: JSON_TYPE, isChunked: false, url, file });
    // On a slow machine a second passes between two requests, and the next is allowed: it is too large instead.
    for (let i = 0; i < 200; i++) {
      if ((await fetch(server.url('Open'))).status !== 429) continue;
      const answer = await send();
      if (answer.status === 413) continue;
      expect(answer).toEqual({ status: 429, code: 'RATE_LIMITED' });
      return;
    }
    expect.unreachable('no request was beyond the limit');
  });
});
