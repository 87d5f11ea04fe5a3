import { connect as connectTls } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer } from '../support/app.ts';
import { cpuTimeOfProcess } from '../support/cpu-time.ts';
import { rawHttp } from '../support/http.ts';
import { OPCODE, RawWs } from '../support/raw-ws.ts';
import { until } from '../support/wait.ts';
import { refusedUpgrade, WsClient } from '../support/ws-client.ts';
import { descriptors, expectAlive, PATH, RECORD } from './ws-helpers.ts';

describe('what is not RFC 6455', { timeout: 120_000 }, () => {
  type Sends = (ws: RawWs) => void;
  const cases: readonly [what: string, code: number, sends: Sends][] = [
    ['an unmasked frame', 1002, (ws) => ws.send({ payload: '{}', mask: false })],
    ['a reserved bit', 1002, (ws) => ws.send({ payload: '{}', rsv: 4 })],
    ['the second reserved bit', 1002, (ws) => ws.send({ payload: '{}', rsv: 2 })],
    ['a reserved data opcode', 1002, (ws) => ws.send({ opcode: 0x3 })],
    ['a reserved control opcode', 1002, (ws) => ws.send({ opcode: 0xb })],
    ['a continuation of nothing', 1002, (ws) => ws.send({ opcode: OPCODE.continuation, payload: 'x' })],
    [
      'a text frame inside a fragmented message',
      1002,
      (ws) => {
        ws.send({ payload: '{', fin: false });
        ws.send({ payload: '}' });
      },
    ],
    ['a fragmented ping', 1002, (ws) => ws.send({ opcode: OPCODE.ping, fin: false })],
    ['a ping of 126 bytes', 1002, (ws) => ws.send({ opcode: OPCODE.ping, payload: Buffer.alloc(126) })],
    ['a close frame of one byte', 1002, (ws) => ws.send({ opcode: OPCODE.close, payload: Buffer.from([3]) })],
    ['close code 1005', 1002, (ws) => ws.send({ opcode: OPCODE.close, payload: Buffer.from([3, 237]) })],
    ['close code 0', 1002, (ws) => ws.send({ opcode: OPCODE.close, payload: Buffer.from([0, 0]) })],
    ['close code 2999', 1002, (ws) => ws.send({ opcode: OPCODE.close, payload: Buffer.from([0x0b, 0xb7]) })],
    ['a string that is not UTF-8', 1007, (ws) => ws.send({ payload: Buffer.from([0x22, 0xc3, 0x28, 0x22]) })],
    ['a surrogate in UTF-8', 1007, (ws) => ws.send({ payload: Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]) })],
    [
      'a close reason that is not UTF-8',
      1007,
      (ws) => ws.send({ opcode: OPCODE.close, payload: Buffer.from([3, 232, 0xff]) }),
    ],
  ];

  test('is closed with the right code, each by itself, and no other client is affected', async () => {
    await using server = await startServer();
    for (const [what, code, sends] of cases) {
      using ws = await RawWs.open(server.port, PATH);
      sends(ws);
      const found = await ws.closeCode().catch((error: unknown) => String(error));
      expect(found, what).toBe(code);
      await ws.closed;
    }
    await expectAlive(server);
    await until(
      () => server.openSockets(),
      (open) => open === 0,
    );
    expect((await server.ask('GET', 'Message')).records).toHaveLength(1);
  });

  test('what follows a close frame is not carried out', async () => {
    await using server = await startServer();
    using ws = await RawWs.open(server.port, PATH);
    ws.send({ opcode: OPCODE.close, payload: Buffer.from([3, 232]) });
    ws.send({ payload: JSON.stringify({ id: 'late', ...RECORD }) });
    await ws.closed;
    expect((await server.ask('GET', 'Message/late')).status).toBe(404);
  });

  test('garbage instead of frames ends the connection', async () => {
    await using server = await startServer();
    for (const bytes of ['GET / HTTP/1.1\r\n\r\n', '\r\n\r\n\r\n\r\n', '\u0000'.repeat(5000)]) {
      using ws = await RawWs.open(server.port, PATH);
      ws.socket.write(bytes);
      await ws.closed;
    }
    await expectAlive(server);
  });
});

describe('what is too big', { timeout: 120_000 }, () => {
  test('a message beyond the limit closes with 1009, by its header alone', async () => {
    await using server = await startServer();
    for (const length of [512 * 1024 + 1, 2 ** 31, 2 ** 53 - 1]) {
      using ws = await RawWs.open(server.port, PATH);
      ws.send({ payload: '{"', length });
      expect(await ws.closeCode(), String(length)).toBe(1009);
    }
    using largest = await RawWs.open(server.port, `${PATH}?echo=false`);
    const content = 'x'.repeat(512 * 1024 - 60);
    largest.send({ payload: JSON.stringify({ id: 'large', title: '', content }) });
    await until(
      () => server.ask('GET', 'Message/large'),
      ({ status }) => status === 200,
    );
    await expectAlive(server);
  });

  test('fragments that are too big together close with 1009', async () => {
    await using server = await startServer();
    using ws = await RawWs.open(server.port, PATH);
    ws.send({ payload: `"${'x'.repeat(300_000)}`, fin: false });
    ws.send({ opcode: OPCODE.continuation, payload: 'x'.repeat(300_000) });
    expect(await ws.closeCode()).toBe(1009);
  });

  test.each([
    ['one byte', 'x'],
    ['nothing', ''],
  ])('endless fragments of %s are cut off', async (_what, payload) => {
    await using server = await startServer();
    using ws = await RawWs.open(server.port, PATH);
    ws.send({ payload: '"', fin: false });
    for (let count = 0; count < 1100; count++) ws.send({ opcode: OPCODE.continuation, payload, fin: false });
    expect([1008, 1009]).toContain(await ws.closeCode());
    await expectAlive(server);
  });

  test('a whole message in a thousand fragments, with pings between, is taken', async () => {
    await using server = await startServer();
    using ws = await RawWs.open(server.port, PATH);
    const text = JSON.stringify({
      message_type: 'Update',
      id: 'f',
      data: { ...RECORD, title: 'é'.repeat(300) },
      ref: 1,
    });
    const bytes = [...Buffer.from(text)];
    bytes.forEach((byte, index) => {
      const opcode = index === 0 ? OPCODE.text : OPCODE.continuation;
      ws.send({ opcode, payload: Buffer.from([byte]), fin: index === bytes.length - 1 });
      if (index % 100 === 0) ws.send({ opcode: OPCODE.ping, payload: 'p' });
    });
    await until(
      () => server.ask('GET', 'Message/f'),
      ({ status }) => status === 200,
    );
    expect(ws.of(OPCODE.pong).length).toBeGreaterThan(5);
  });
});

test('compression is not negotiated', async () => {
  await using server = await startServer();
  using ws = await RawWs.open(server.port, PATH, {
    moreHeaders: ['Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits'],
  });
  expect(ws.answer.status).toBe(101);
  expect(ws.answer.headers.get('sec-websocket-extensions')).toBeUndefined();
});

describe('bad handshakes', { timeout: 120_000 }, () => {
  const KEY = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==';
  const UP = ['Host: 127.0.0.1', 'Connection: Upgrade', 'Upgrade: websocket'];
  const VERSION = 'Sec-WebSocket-Version: 13';

  test('are refused quickly, before any 101', async () => {
    await using server = await startServer();
    const cases: readonly [what: string, headers: readonly string[], statuses: readonly number[]][] = [
      ['no version', [...UP, KEY], [400, 426]],
      ['an old version', [...UP, KEY, 'Sec-WebSocket-Version: 8'], [426]],
      ['a version with a tail', [...UP, KEY, 'Sec-WebSocket-Version: 13, 8'], [400, 426]],
      ['no key', [...UP, VERSION], [400]],
      ['a short key', [...UP, VERSION, 'Sec-WebSocket-Key: abc'], [400]],
      ['a key of other bytes', [...UP, VERSION, 'Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!=='], [400]],
      ['a field of 64 KiB', [...UP, VERSION, KEY, `X: ${'y'.repeat(65_536)}`], [400, 431]],
      ['a body', [...UP, VERSION, KEY, 'Content-Length: 5'], [400, 101]],
    ];
    for (const [what, headers, statuses] of cases) {
      const before = cpuTimeOfProcess(server.pid);
      using ws = await RawWs.open(server.port, PATH, { headers });
      expect(cpuTimeOfProcess(server.pid) - before, what).toBeLessThan(1000);
      expect(statuses, what).toContain(ws.answer.status);
      if (ws.answer.status !== 101) await ws.closed;
    }
    await expectAlive(server);
  });

  test('2,000 header fields are refused quickly, and none is dropped in silence', async () => {
    await using server = await startServer();
    const many = Array.from({ length: 2000 }, (_, n) => `a${n}: b`);
    const before = cpuTimeOfProcess(server.pid);
    using ws = await RawWs.open(server.port, PATH, { headers: [...UP, VERSION, KEY, ...many] });
    expect(cpuTimeOfProcess(server.pid) - before).toBeLessThan(1000);
    expect(ws.answer.status).toBe(431);
    await ws.closed;
    await expectAlive(server);
  });

  test('odd extensions and protocols cost no time and no process', async () => {
    await using server = await startServer();
    const cases: readonly [what: string, header: string][] = [
      ['prototype names as extensions', 'Sec-WebSocket-Extensions: constructor; __proto__=1, toString'],
      ['a long list of extensions', `Sec-WebSocket-Extensions: ${'a;'.repeat(4000)}b`],
      ['a run of spaces', `Sec-WebSocket-Protocol: a${' '.repeat(8000)}b`],
      ['many protocols', `Sec-WebSocket-Protocol: ${Array.from({ length: 1000 }, (_, n) => `p${n}`).join(',')}`],
      ['a broken extension', 'Sec-WebSocket-Extensions: ,;=,"'],
    ];
    for (const [what, header] of cases) {
      const before = cpuTimeOfProcess(server.pid);
      using ws = await RawWs.open(server.port, PATH, { moreHeaders: [header] });
      expect(cpuTimeOfProcess(server.pid) - before, what).toBeLessThan(500);
      expect([101, 400], what).toContain(ws.answer.status);
      expect(ws.answer.headers.get('sec-websocket-protocol') ?? '', what).not.toContain(',');
    }
    await expectAlive(server);
  });

  test('a POST, and an upgrade to something else, are no WebSocket', async () => {
    await using server = await startServer();
    using post = await RawWs.open(server.port, PATH, { method: 'POST' });
    expect(post.answer.status).toBe(405);
    await expectAlive(server);
  });

  const H2C = 'Host: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n';

  test('an upgrade to something else is not taken: the request is answered, and the connection goes on', async () => {
    await using server = await startServer();
    const long = JSON.stringify({ id: 'long', title: 'x'.repeat(200_000), content: '' });
    const json = `${H2C}Content-Type: application/json\r\n`;
    const small = '{"id":"chunked","title":"x","content":"y"}';
    const chunked = `${small.length.toString(16)}\r\n${small}\r\n0\r\n\r\n`;
    const last = `GET ${PATH}/long?select=id HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;
    const answer = await rawHttp(
      server.port,
      [
        `POST ${PATH} HTTP/1.1\r\n${json}Content-Length: ${long.length}\r\n\r\n${long}`,
        `POST ${PATH} HTTP/1.1\r\n${json}Transfer-Encoding: chunked\r\n\r\n${chunked}`,
        `DELETE ${PATH}/none HTTP/1.1\r\n${H2C}\r\n`,
        last,
      ].join(''),
    );
    const statuses = [...answer.all.matchAll(/HTTP\/1\.1 (\d+)/g)].map((found) => Number(found[1]));
    expect(statuses).toEqual([201, 201, 404, 200]);
    expect(answer.all).toMatch(/\{"id":"long"\}$/);
    expect((await server.ask('GET', 'Message/chunked')).record).toMatchObject({ title: 'x', content: 'y' });
  });

  test('one with too many header fields is refused, since Node leaves some out', async () => {
    await using server = await startServer();
    const filler = Array.from({ length: 120 }, (_, n) => `x${n}: y\r\n`).join('');
    const body = '{"title":"x","content":"y"}';
    const head = `PUT ${PATH}/m HTTP/1.1\r\n${H2C}${filler}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n`;
    expect((await rawHttp(server.port, `${head}If-Match: "1"\r\n\r\n${body}`)).status).toBe(431);
    expect((await server.ask('GET', 'Message/m')).status).toBe(404);
  });

  test('over TLS the same', async () => {
    await using server = await startServer({ config: `${BASE_CONFIG}tls: auto\n` });
    const socket = connectTls({
      port: server.port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      ALPNProtocols: ['http/1.1'],
    });
    const body = '{"id":"tls","title":"x","content":"y"}';
    const json = `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n`;
    socket.write(`POST ${PATH} HTTP/1.1\r\n${H2C}${json}\r\n${body}`);
    socket.write(`GET ${PATH}/none HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    let all = '';
    for await (const chunk of socket) all += String(chunk);
    expect([...all.matchAll(/HTTP\/1\.1 (\d+)/g)].map((found) => Number(found[1]))).toEqual([201, 404]);
  });

  test('over TLS an upgrade is answered where no upgrade is accepted', async () => {
    await using server = await startServer({
      config: `${BASE_CONFIG.replace('ws: true', 'ws: false')}tls: auto\nrealtime: { enabled: false }\n`,
    });
    for (const [protocol, status] of [
      ['websocket', 404],
      ['h2c', 200],
    ]) {
      const socket = connectTls({ port: server.port, host: '127.0.0.1', rejectUnauthorized: false });
      socket.write(`GET ${PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`);
      let all = '';
      for await (const chunk of socket) all += String(chunk);
      expect(all).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    }
  });

  test('an upgrade behind a request that is not answered yet has its turn after it', async () => {
    await using server = await startServer();
    const body = '{"id":"first","title":"x","content":"y"}';
    const first = `POST ${PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const other = await rawHttp(server.port, `${first}GET ${PATH}/first HTTP/1.1\r\n${H2C}\r\n`);
    expect(other.all.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 201', 'HTTP/1.1 200']);
    const handshake =
      'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==';
    const again = first.replace('first', 'again');
    const opened = await rawHttp(
      server.port,
      `${again}GET ${PATH} HTTP/1.1\r\nHost: localhost\r\n${handshake}\r\n\r\n`,
    );
    expect(opened.all.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 201', 'HTTP/1.1 101']);
    expect(opened.all).toContain('"type":"ready"');
    await expectAlive(server);
  });
});

describe('refused upgrades', { timeout: 120_000 }, () => {
  test('400 of them leave no descriptor behind, whether the client closes or not', async () => {
    const config = `${BASE_CONFIG}limits: { connections: 3 }\n`;
    await using server = await startServer({ config });
    await expectAlive(server);
    const before = descriptors(server.pid);
    const handshake = (path: string, version = '13') =>
      [
        `GET ${path} HTTP/1.1`,
        'Host: 127.0.0.1',
        'Connection: Upgrade',
        'Upgrade: websocket',
        `Sec-WebSocket-Version: ${version}`,
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
        '\r\n',
      ].join('\r\n');
    const refusals = [
      ['/my-app/Nothing', '13', 404],
      [PATH, '12', 426],
      [`${PATH}?colour=red`, '13', 400],
      [`${PATH}/%zz`, '13', 400],
      [`${PATH}?since=x`, '13', 400],
    ] as const;
    const sockets: RawWs[] = [];
    for (let count = 0; count < 400; count++) {
      const [path, version, status] = refusals[count % refusals.length] ?? refusals[0];
      const headers = handshake(path, version).split('\r\n').slice(1, -2);
      const ws = await RawWs.open(server.port, path, { headers });
      expect(ws.answer.status).toBe(status);
      sockets.push(ws);
    }
    // The clients keep their side open: it is the server that must let go.
    await until(
      () => Promise.resolve(descriptors(server.pid) - before),
      (left) => left < 5,
      { timeout: 30_000, what: 'descriptors back' },
    );
    for (const ws of sockets) ws[Symbol.dispose]();
    await expectAlive(server);
  });

  test('at the limit of connections an upgrade and a stream are a 503, and a place that is freed is given again', async () => {
    await using server = await startServer({ config: `${BASE_CONFIG}limits: { connections: 2 }\n` });
    using first = await WsClient.open(server.wsUrl('Message'));
    using second = await WsClient.open(server.wsUrl('Message/x'));
    expect((await refusedUpgrade(server.wsUrl('Message'))).status).toBe(503);
    const stream = await server.ask('GET', 'Message?stream=sse');
    expect([stream.status, stream.record.code]).toEqual([503, 'OVERLOADED']);
    expect(stream.headers.get('retry-after')).toMatch(/^\d+$/);
    expect((await server.ask('GET', 'Message')).status).toBe(200);
    first.terminate();
    await until(
      () => server.openSockets(),
      (open) => open === 1,
    );
    using third = await WsClient.subscribe(server.wsUrl('Message'));
    expect([second.isOpen, third.isOpen]).toEqual([true, true]);
  });
});
