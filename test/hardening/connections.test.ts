import { describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import { ask } from '../support/http.ts';
import { RawWs } from '../support/raw-ws.ts';
import { SseClient } from '../support/sse-client.ts';
import { until } from '../support/wait.ts';
import { WsClient } from '../support/ws-client.ts';

const PATH = '/my-app/Message';
/** Clients of a proxy on this machine: their addresses are what the proxy says. */
const BEHIND_PROXY = `${BASE_CONFIG}trust_proxy: true\nmetrics: true\n`;

const from = (address: string): Record<string, string> => ({ 'x-forwarded-for': address });

function socket(server: TestServer, address: string): Promise<RawWs> {
  return RawWs.open(server.port, PATH, { moreHeaders: [`X-Forwarded-For: ${address}`] });
}

/** Opens them all at once, and gives those that were let in and the statuses of the others. */
async function open(server: TestServer, address: string, count: number) {
  const all = await Promise.all(Array.from({ length: count }, () => socket(server, address)));
  const opened = all.filter(({ answer }) => answer.status === 101);
  const refused = all.filter(({ answer }) => answer.status !== 101);
  return { opened, refused };
}

function closeAll(sockets: readonly RawWs[]): void {
  for (const ws of sockets) ws[Symbol.dispose]();
}

describe('many connections from one address', () => {
  test('the 201st is a 429 before the upgrade; others connect, and it does when one has gone', async () => {
    const config = `${BEHIND_PROXY}limits: { new_connections_burst: 1000 }\n`;
    await using server = await startServer({ config });
    const { opened, refused } = await open(server, '192.0.2.7', 210);
    expect([opened.length, refused.length]).toEqual([200, 10]);
    for (const { answer } of refused) {
      expect([answer.status, answer.headers.get('retry-after'), answer.headers.get('connection')]).toEqual([
        429,
        '5',
        'close',
      ]);
      expect(JSON.parse(answer.body)).toMatchObject({ code: 'TOO_MANY_CONNECTIONS' });
    }
    // Both kinds of streams count together, and other addresses by themselves.
    const events = await ask('GET', server.url('Message?stream=sse'), { headers: from('192.0.2.7') });
    expect([events.status, events.record.code]).toEqual([429, 'TOO_MANY_CONNECTIONS']);
    const other = await open(server, '192.0.2.8', 5);
    expect(other.opened).toHaveLength(5);
    expect((await ask('GET', server.url('Message'), { headers: from('192.0.2.7') })).status).toBe(200);
    closeAll([...opened.slice(0, 100), ...refused]);
    await until(
      () => server.openSockets(),
      (count) => count === 105,
      { what: 'the closed ones to be gone' },
    );
    const again = await open(server, '192.0.2.7', 110);
    expect(again.opened).toHaveLength(100);
    closeAll([...opened, ...other.opened, ...again.opened, ...again.refused]);
    await until(
      () => server.openSockets(),
      (count) => count === 0,
      { what: 'all to be gone' },
    );
  });

  test('more than 100 new ones in one go wait, regardless of other clients', async () => {
    const config = `${BEHIND_PROXY}limits: { new_connections_per_second: 1 }\n`;
    await using server = await startServer({ config });
    const { opened, refused } = await open(server, '192.0.2.7', 130);
    // While they come, a second may pass.
    expect(opened.length).toBeGreaterThanOrEqual(100);
    expect(opened.length).toBeLessThan(115);
    for (const { answer } of refused) {
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '1']);
      expect(JSON.parse(answer.body)).toMatchObject({ code: 'RATE_LIMITED' });
    }
    const events = await ask('GET', server.url('Message?stream=sse'), { headers: from('192.0.2.7') });
    expect([200, 429]).toContain(events.status);
    expect((await open(server, '192.0.2.8', 20)).opened).toHaveLength(20);
    closeAll([...opened, ...refused]);
  });

  test('hundreds that come and go, refused ones among them, leave their address all its places', async () => {
    const config = `${BEHIND_PROXY}limits: { connections_per_address: 20, new_connections_burst: 100000 }\n`;
    await using server = await startServer({ config });
    for (let round = 0; round < 10; round++) {
      const { opened, refused } = await open(server, '192.0.2.7', 30);
      expect([opened.length, refused.length]).toEqual([20, 10]);
      closeAll([...opened, ...refused]);
      await until(
        () => server.openSockets(),
        (count) => count === 0,
        { what: 'the round to be gone' },
      );
      const streams = await Promise.all(
        Array.from({ length: 20 }, () => SseClient.open(server.url('Message'), { headers: from('192.0.2.7') })),
      );
      expect((await open(server, '192.0.2.7', 1)).refused).toHaveLength(1);
      for (const stream of streams) stream[Symbol.dispose]();
      await until(
        () => server.metric(/^tablecast_connections\{[^}]*"sse"/),
        (count) => count === 0,
        { what: 'the streams to be gone' },
      );
    }
  });

  test('a server on loopback does not limit the clients of its machine, unless it is told to', async () => {
    await using free = await startServer();
    const sockets = await Promise.all(Array.from({ length: 250 }, () => WsClient.open(free.wsUrl('Message'))));
    for (const ws of sockets) ws[Symbol.dispose]();
    const answers = await Promise.all(Array.from({ length: 300 }, () => free.ask('GET', 'Message')));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    const limits = 'limits: { rate_loopback: true, anonymous_requests_per_second: 1, anonymous_requests_burst: 3 }\n';
    await using strict = await startServer({ config: `${BASE_CONFIG}${limits}` });
    const statuses: number[] = [];
    for (let turn = 0; turn < 20; turn++) statuses.push((await strict.ask('GET', 'Message')).status);
    expect(statuses.slice(0, 3)).toEqual([200, 200, 200]);
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(5);
    const refused = await strict.ask('GET', 'Message');
    expect([refused.record.code, refused.headers.get('retry-after')]).toEqual(['RATE_LIMITED', '1']);
    expect((await ask('GET', `${strict.origin}/health/live`)).status).toBe(200);
  });
});
