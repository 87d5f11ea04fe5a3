import { once } from 'node:events';
import { connect } from 'node:http2';
import { expect, test } from 'vitest';
import { BASE_CONFIG, startServer } from '../support/app.ts';
import { until } from '../support/wait.ts';

const HOOKS = `const tell = (msg) => ({ id, collection, transport }) =>
  console.log(JSON.stringify({ msg, id, collection, transport }));
export const onRealtimeConnect = tell('hook connect');
export const onRealtimeDisconnect = tell('hook disconnect');
export const onRealtimeUnsubscribe = tell('hook unsubscribe');
export const onRealtimeSubscribe = async (event) => {
  tell('hook subscribe')(event);
  await new Promise((done) => setTimeout(done, 100));
  return event.id !== 'forbidden';
};
`;

test('streams over HTTP/2 share a connection, and each has its own hooks', async () => {
  await using server = await startServer({
    config: `${BASE_CONFIG}tls: auto\nhooks: hooks.mjs\n`,
    files: { 'hooks.mjs': HOOKS },
  });
  const session = connect(server.origin, { rejectUnauthorized: false });
  const open = async (id: string) => {
    const stream = session.request({ ':path': `/my-app/Message/${id}`, accept: 'text/event-stream' });
    const [headers] = await once(stream, 'response');
    return { stream, status: headers[':status'] };
  };
  const [a, forbidden, b] = await Promise.all([open('a'), open('forbidden'), open('b')]);
  expect([a.status, forbidden.status, b.status]).toEqual([200, 403, 200]);
  const gone = session.request({ ':path': '/my-app/Message/gone', accept: 'text/event-stream' });
  gone.on('error', () => {});
  const told = () => server.stdout.split('\n').filter((line) => line.includes('"hook '));
  const count = async (what: string) => told().filter((line) => line.includes(what)).length;
  await until(
    () => count('hook subscribe'),
    (subscribed) => subscribed === 4,
  );
  gone.close();
  a.stream.close();
  await until(
    () => count('hook disconnect'),
    (ended) => ended === 3,
  );
  expect(await count('hook unsubscribe')).toBe(2);
  session.destroy();
  await until(
    () => count('hook disconnect'),
    (ended) => ended === 4,
  );
  expect(await count('hook connect')).toBe(4);
  expect(await count('hook unsubscribe')).toBe(3);
});
