import { expect, test } from 'vitest';
import { BASE_CONFIG, startServer } from '../support/app.ts';
import { type Answer, ask } from '../support/http.ts';
import { until } from '../support/wait.ts';
import { refusedUpgrade, WsClient } from '../support/ws-client.ts';

const WAITERS = 40;

test('a server that is behind refuses more with 503, tells that it is alive, and recovers', async () => {
  // Answers from memory would be no work for it.
  const config = `${BASE_CONFIG}limits: { event_loop_delay: 5ms, page_default: 1000, list_cache: 0 }\n`;
  await using server = await startServer({ config });
  const records = Array.from({ length: 1000 }, (_, id) => ({ id: `m-${id}`, title: 'x', content: 'y'.repeat(500) }));
  // On a busy machine it is behind from time to time by itself.
  await until(
    () => server.ask('POST', 'Message', { json: records }),
    ({ status }) => status === 201,
  );
  const opened = await until(
    () => WsClient.subscribe(server.wsUrl('Message')).catch(() => undefined),
    (client) => client !== undefined,
  );
  using before = opened as WsClient;

  const end = performance.now() + 15_000;
  const refused: Answer[] = [];
  const others = new Set<number>();
  let upgrade: number | undefined;
  const work = async () => {
    while (refused.length < 20 && performance.now() < end) {
      const answer = await server.ask('GET', 'Message?content=ct=yyy&sort=-title');
      if (answer.status === 503) refused.push(answer);
      else others.add(answer.status);
    }
  };
  const watch = async () => {
    while (refused.length < 20 && performance.now() < end) {
      expect((await ask('GET', `${server.origin}/health/live`)).status).toBe(200);
      upgrade ??= await refusedUpgrade(server.wsUrl('Message')).then(
        ({ status }) => status,
        () => undefined,
      );
    }
  };
  await Promise.all([watch(), ...Array.from({ length: WAITERS }, work)]);

  expect(refused.length).toBeGreaterThan(0);
  for (const { record, headers } of refused) {
    expect([record.code, headers.get('retry-after')]).toEqual(['OVERLOADED', '2']);
  }
  expect([...others].filter((status) => status !== 200)).toEqual([]);
  expect([undefined, 503]).toContain(upgrade);
  // It comes back by itself, and those who were there have missed nothing.
  await until(
    () => server.ask('PUT', 'Message/after', { json: { title: 'a', content: 'b' } }),
    ({ status }) => status === 201,
  );
  expect((await before.next()).id).toBe('after');
}, 40_000);
