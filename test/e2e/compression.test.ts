import { request } from 'node:http';
import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';

const CODINGS = [
  ['br', brotliDecompressSync],
  ['gzip', gunzipSync],
  ['deflate', inflateSync],
] as const;
const TEXT = 'words that come again and again, '.repeat(100);

interface PlainAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/** A request that decodes nothing by itself, as `fetch` would. */
function get(url: string, headers: Record<string, string> = {}, method = 'GET'): Promise<PlainAnswer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
      );
    });
    sent.on('error', reject);
    sent.end();
  });
}

let server: TestServer;
beforeAll(async () => {
  server = await startServer({
    config: BASE_CONFIG,
    files: { 'web/page.html': `<p>${TEXT}</p>`, 'web/small.txt': 'x', 'web/image.png': TEXT },
  });
  await server.put('Message/long', { title: 'long', content: TEXT });
  await server.put('Message/short', { title: 'short', content: 'x' });
});
afterAll(() => server[Symbol.asyncDispose]());

describe.each(CODINGS)('in %s', (coding, decode) => {
  const encoded = { 'accept-encoding': coding };

  test('a record is the same, smaller, with a tag of its own', async () => {
    const url = server.url('Message/long');
    const [plain, small] = [await get(url), await get(url, encoded)];
    expect(small.headers).toMatchObject({
      'content-encoding': coding,
      'content-type': plain.headers['content-type'],
      vary: 'Accept, Accept-Encoding',
    });
    expect(plain.headers['content-encoding']).toBeUndefined();
    expect(plain.headers.vary).toBe('Accept, Accept-Encoding');
    expect(decode(small.body).equals(plain.body)).toBe(true);
    expect(small.body.length).toBeLessThan(plain.body.length / 4);
    expect(small.headers.etag).toBe(String(plain.headers.etag).replace(/"$/, `-${coding}"`));
    const head = await get(url, encoded, 'HEAD');
    expect([head.headers['content-length'], head.headers.etag, head.body.length]).toEqual([
      String(small.body.length),
      small.headers.etag,
      0,
    ]);
  });

  test('its tag is 304 to one who would get it so again, and holds in If-Match', async () => {
    const url = server.url('Message/long');
    const etag = String((await get(url, encoded)).headers.etag);
    const again = await get(url, { ...encoded, 'if-none-match': etag });
    expect([again.status, again.headers.etag, again.body.length]).toEqual([304, etag, 0]);
    expect((await get(url, { 'if-none-match': etag })).status).toBe(200);
    const put = (tag: string) =>
      server.ask('PATCH', 'Message/long', { json: { title: coding }, headers: { 'if-match': tag } });
    expect((await put(etag.replace(/\d/, '9'))).status).toBe(412);
    expect((await put(etag)).status).toBe(200);
    expect((await put(etag)).status).toBe(412);
  });

  test('a list, in every content type, and a write are smaller', async () => {
    for (const accept of ['application/json', 'text/csv', 'application/cbor']) {
      const [plain, small] = [
        await get(server.url('Message'), { accept }),
        await get(server.url('Message'), { accept, ...encoded }),
      ];
      expect([small.headers['content-encoding'], small.headers.etag]).toEqual([coding, plain.headers.etag]);
      expect(decode(small.body).equals(plain.body)).toBe(true);
    }
    const put = await fetch(server.url('Message/written'), {
      method: 'PUT',
      headers: { 'content-type': 'application/json', ...encoded },
      body: JSON.stringify({ title: 'x', content: TEXT }),
    });
    expect([put.headers.get('content-encoding'), put.headers.get('etag')]).toEqual([
      coding,
      expect.stringMatching(new RegExp(`^"\\d+-${coding}"$`)),
    ]);
    expect(await put.json()).toMatchObject({ content: TEXT });
  });

  test('a static file and the documents are smaller, what is small or compressed already is not', async () => {
    for (const path of ['page.html', 'openapi.json', 'docs']) {
      const [plain, small] = [await get(server.url(path)), await get(server.url(path), encoded)];
      expect([path, small.headers['content-encoding'], small.headers.vary]).toEqual([path, coding, 'Accept-Encoding']);
      expect(decode(small.body).equals(plain.body)).toBe(true);
      expect([plain.headers['content-encoding'], plain.headers.vary]).toEqual([undefined, 'Accept-Encoding']);
      const etag = String(small.headers.etag);
      expect((await get(server.url(path), { ...encoded, 'if-none-match': etag })).status).toBe(304);
      const head = await get(server.url(path), encoded, 'HEAD');
      expect([head.status, head.headers['content-encoding'], head.body.length]).toEqual([200, coding, 0]);
      expect(head.headers['content-length'] ?? String(small.body.length)).toBe(String(small.body.length));
    }
    for (const path of ['small.txt', 'image.png', 'Message/short']) {
      expect((await get(server.url(path), encoded)).headers['content-encoding']).toBeUndefined();
    }
    const part = await get(server.url('page.html'), { ...encoded, range: 'bytes=0-9' });
    expect([part.status, part.body.length, part.headers['content-encoding']]).toEqual([206, 10, undefined]);
  });

  test('a stream is as it was', async () => {
    const controller = new AbortController();
    const response = await fetch(server.url('Message?stream=sse'), { headers: encoded, signal: controller.signal });
    expect([response.headers.get('content-encoding'), response.headers.get('content-type')]).toEqual([
      null,
      'text/event-stream; charset=utf-8',
    ]);
    const reader = response.body?.getReader();
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toContain('event: message');
    controller.abort();
  });
});

test('large answers come whole while others are made', async () => {
  await using large = await startServer();
  const content = Array.from({ length: 40_000 }, (_, index) => `word${index % 977}`).join(' ');
  for (const id of ['a', 'b', 'c']) await large.put(`Message/${id}`, { title: id, content });
  const plain = await get(large.url('Message'));
  const answers = await Promise.all(
    CODINGS.flatMap(([coding, decode]) =>
      Array.from({ length: 5 }, async () => {
        const { body } = await get(large.url('Message'), { 'accept-encoding': coding });
        return decode(body).equals(plain.body);
      }),
    ),
  );
  expect(answers).toEqual(Array.from({ length: 15 }, () => true));
});

test('compression can be switched off, and its threshold set', async () => {
  await using off = await startServer({
    config: `${BASE_CONFIG}compression:\n  enabled: false\n`,
    files: { 'web/page.html': TEXT },
  });
  await off.put('Message/long', { title: 'long', content: TEXT });
  for (const path of ['Message/long', 'Message', 'page.html', 'openapi.json']) {
    expect((await get(off.url(path), { 'accept-encoding': 'gzip' })).headers['content-encoding']).toBeUndefined();
  }
  await using high = await startServer({ config: `${BASE_CONFIG}compression:\n  threshold: 2KiB\n` });
  await high.put('Message/a', { title: 'a', content: 'x'.repeat(1500) });
  await high.put('Message/b', { title: 'b', content: 'x'.repeat(2500) });
  const coded = async (id: string) =>
    (await get(high.url(`Message/${id}`), { 'accept-encoding': 'gzip' })).headers['content-encoding'];
  expect([await coded('a'), await coded('b')]).toEqual([undefined, 'gzip']);
});
