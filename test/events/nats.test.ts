import { randomBytes } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { generate } from 'selfsigned';
import { describe, expect, onTestFinished, test } from 'vitest';
import { NatsConnection } from '../../src/events/nats/connection.ts';
import { NATS_PORT, natsUnreachable } from '../support/nats.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { until } from '../support/wait.ts';

const subject = () => `tablecast-test.${randomBytes(6).toString('hex')}`;

async function open(topic: string, url = `nats://127.0.0.1:${NATS_PORT}`) {
  const received: string[] = [];
  const states: string[] = [];
  const connection = new NatsConnection({
    url,
    subject: topic,
    onMessage: (text) => received.push(text),
    onState: (isConnected, reason) => states.push(isConnected ? 'connected' : `away: ${reason}`),
  });
  onTestFinished(() => connection.close());
  return { connection, received, states };
}

async function openReady(...args: Parameters<typeof open>) {
  const opened = await open(...args);
  await until(
    async () => opened.connection.isConnected,
    (is) => is,
  );
  return opened;
}

const listOf = (texts: readonly string[], count: number) =>
  until(
    async () => texts,
    ({ length }) => length >= count,
  );

describe.skipIf(natsUnreachable !== undefined)('a connection to NATS', () => {
  test('carries texts of all sizes and characters to the others, in their order, and not back', async () => {
    const topic = subject();
    const [one, other] = [await openReady(topic), await openReady(topic)];
    const apart = await openReady(subject());
    const texts = ['', 'a', 'line\r\nMSG x 1 3\r\nabc', '€😀\u0000', 'x'.repeat(200_000), '€'.repeat(80_000)];
    const all = Array.from({ length: 30 }, (_, i) => `${i} ${texts[i % texts.length]}`);
    for (const text of all) expect(one.connection.publish(text)).toBe(true);
    expect(await listOf(other.received, all.length)).toEqual(all);
    expect([one.received, apart.received]).toEqual([[], []]);
  });

  test('is made again after it was lost, and says so', async () => {
    await using proxy = await TcpProxy.open(NATS_PORT);
    const topic = subject();
    const one = await openReady(topic, `nats://127.0.0.1:${proxy.port}`);
    const other = await openReady(topic);
    await proxy.goAway();
    await until(
      async () => one.connection.isConnected,
      (is) => !is,
    );
    expect(one.connection.publish('lost')).toBe(false);
    await proxy.comeBack();
    await until(
      async () => one.connection.isConnected,
      (is) => is,
    );
    expect(one.states.filter((state) => state === 'connected')).toHaveLength(2);
    one.connection.publish('back');
    expect(await listOf(other.received, 1)).toEqual(['back']);
    other.connection.publish('too');
    expect(await listOf(one.received, 1)).toEqual(['too']);
  });

  test('finds the server that answers among several', async () => {
    const topic = subject();
    const one = await openReady(topic, `nats://127.0.0.1:1,nats://127.0.0.1:${NATS_PORT}`);
    expect(one.states.at(-1)).toBe('connected');
  });
});

/** A server that speaks the protocol as a test says. */
async function serve(answer: (line: string, socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    socket.write('INFO {"server_id":"x","max_payload":1048576}\r\n');
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      for (const line of String(bytes).split('\r\n')) if (line !== '') answer(line, socket);
    });
  });
  return listen(server);
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return `127.0.0.1:${(server.address() as { port: number }).port}`;
}

describe('a connection to a server like NATS', () => {
  test('sends the credentials of the URL, and reads messages that come byte by byte', async () => {
    const lines: string[] = [];
    const address = await serve((line, socket) => {
      lines.push(line);
      if (line === 'PING') socket.write('PONG\r\n');
      if (!line.startsWith('SUB')) return;
      const bytes = Buffer.from('PING\r\nMSG s 1 6\r\n€\r\n!\r\nMSG s 1 0\r\n\r\n');
      let at = 0;
      const timer = setInterval(() => {
        if (at === bytes.length) clearInterval(timer);
        else socket.write(bytes.subarray(at, ++at));
      }, 1);
    });
    const one = await open('s', `nats://ada:p%40ss@${address}`);
    expect(await listOf(one.received, 2)).toEqual(['€\r\n!', '']);
    const connect = JSON.parse(lines[0]?.slice('CONNECT '.length) ?? '') as object;
    expect(connect).toMatchObject({ user: 'ada', pass: 'p@ss', echo: false });
    expect(lines).toContain('PONG');
  });

  test('is encrypted where the URL or the server says so, and refuses a certificate that is not trusted', async () => {
    const { private: key, cert } = await generate([{ name: 'commonName', value: 'localhost' }]);
    const server = (required: boolean) =>
      createServer((socket) => {
        socket.on('error', () => {});
        socket.write(`INFO ${JSON.stringify({ tls_required: required })}\r\n`, () => {
          // A client that sends its credentials as they are does not get past this.
          new TLSSocket(socket, { isServer: true, key, cert }).on('error', () => {});
        });
      });
    for (const [scheme, required] of [
      ['tls', false],
      ['nats', true],
    ] as const) {
      const one = await open('s', `${scheme}://secret@${await listen(server(required))}`);
      expect((await listOf(one.states, 1))[0]).toMatch(/^away: self[- ]signed certificate/);
    }
  });

  test('is away with the reason of the server when it is refused', async () => {
    const address = await serve((line, socket) => {
      if (line.startsWith('CONNECT')) socket.end("-ERR 'Authorization Violation'\r\n");
    });
    const one = await open('s', `nats://secret@${address}`);
    expect((await listOf(one.states, 1))[0]).toBe('away: Authorization Violation');
  });
});
