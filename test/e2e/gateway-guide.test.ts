import { describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer } from '../support/app.ts';
import { POSTS_SCHEMA, REALTIME } from '../support/gateway-client.ts';
import { GuideClient } from '../support/guide-clients.ts';
import { SseClient } from '../support/sse-client.ts';
import { until } from '../support/wait.ts';

// They mostly wait.
describe.concurrent("the clients of the protocol's guide", { timeout: 120_000 }, () => {
  test('one that comes back with a growing delay and subscribes on open sees every later event', async () => {
    await using server = await startServer({ schema: POSTS_SCHEMA });
    const client = new GuideClient(`${server.origin.replace('http', 'ws')}${REALTIME}/ws?token=your_jwt_token`);
    const told: string[] = [];
    client.subscribe('posts', ['create', 'update'], ({ id, title }) => told.push(`${id} ${title}`));
    client.subscribe('comments', ['delete'], ({ id }) => told.push(`${id} gone`));
    client.connect();
    try {
      const written: string[] = [];
      for (const [round, end] of ['stop', 'kill', 'stop'].entries()) {
        await until(
          async () => client.opens,
          (opens) => opens === round + 1,
          { timeout: 40_000, what: 'a reconnect' },
        );
        // Subscribed when the socket is counted with both of its subscriptions.
        await until(
          () => server.metric(/^tablecast_subscriptions/),
          (count) => count === 2,
          { timeout: 30_000 },
        );
        for (let n = 0; n < 20; n++) {
          await server.put('posts/p', { title: `${round}-${n}` });
          written.push(`p ${round}-${n}`);
        }
        await server.put('comments/c', { text: 'not asked for' });
        await server.ask('DELETE', 'comments/c');
        await until(
          async () => told.length,
          (count) => count === 21 * (round + 1),
          { what: 'every event' },
        );
        if (round === 2) break;
        if (end === 'kill') await server.kill();
        await server.restart();
      }
      expect(told.filter((line) => line.startsWith('p '))).toEqual(written);
      expect(told.filter((line) => line === 'c gone')).toHaveLength(3);
      expect(client.delays.every((delay) => delay >= 1000 && delay <= 30_000)).toBe(true);
    } finally {
      client.disconnect();
    }
  });

  test('one that gives up after two intervals without a heartbeat never does on a healthy link', async () => {
    const config = `${BASE_CONFIG}channels:\n  heartbeat_interval: 1s\n`;
    await using server = await startServer({ schema: POSTS_SCHEMA, config });
    const url = `${server.origin.replace('http', 'ws')}${REALTIME}/ws`;
    const clients = Array.from({ length: 5 }, () => new GuideClient(url, 2000));
    let told = 0;
    for (const client of clients) {
      client.connect();
      client.subscribe('posts', ['create'], () => told++);
    }
    try {
      await until(
        () => server.metric(/^tablecast_subscriptions/),
        (count) => count === 5,
      );
      // Seven looks of each client at its heartbeats, one of which comes with traffic.
      const end = Date.now() + 14_500;
      for (let n = 0; Date.now() < end; n++) {
        await server.put(`posts/p${n}`, { title: 'x' });
        if (n % 50 === 49) await new Promise((resolve) => setTimeout(resolve, 1500));
      }
      await server.put('posts/last', { title: 'x' });
      expect(clients.map(({ stale, opens }) => [stale, opens])).toEqual(new Array(5).fill([0, 1]));
      expect(told).toBeGreaterThan(5);
    } finally {
      for (const client of clients) client.disconnect();
    }
  });

  test('the event source of the guide has its handlers called, over a restart too', async () => {
    await using server = await startServer({ schema: POSTS_SCHEMA });
    const url = `${server.origin}${REALTIME}/subscribe?collection=posts&collection=comments&token=your_jwt_token`;
    using source = await SseClient.open(url, { reconnect: 1000 });
    const seen = (type: string) => source.all('message').filter((message) => message.type === type).length;
    await server.put('posts/a', { title: 'one' });
    await until(
      async () => seen('posts.create'),
      (count) => count === 1,
    );
    await server.restart();
    // Before it has come back: it resumes.
    await server.put('comments/b', { text: 'two' });
    await server.put('posts/a', { title: 'two' });
    await until(
      async () => seen('comments.create') + seen('posts.update'),
      (count) => count === 2,
      { timeout: 30_000 },
    );
    expect([seen('posts.create'), source.connections]).toEqual([1, 2]);
  });
});
