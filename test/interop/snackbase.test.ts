import { SnackBaseClient } from '@snackbase/sdk';
import { EventSource } from 'eventsource';
import { afterEach, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { startServer } from '../support/app.ts';
import type { Json } from '../support/frames.ts';
import { POSTS_SCHEMA } from '../support/gateway-client.ts';
import { Mailbox } from '../support/mailbox.ts';
import { SECRET, tokenOf } from '../support/tokens.ts';

afterEach(() => vi.unstubAllGlobals());

const CONFIG = `port: 0
host: 127.0.0.1
auth: { query_token: true, jwt: { secret: ${SECRET} } }
`;
const SCHEMA = POSTS_SCHEMA.replaceAll(')', ', public: [read, create, update, delete, subscribe])').replace(
  /"draft", public: [^)]*\)/,
  '"draft")',
);

function open(origin: string) {
  const client = new SnackBaseClient({ baseUrl: origin, getAccessToken: () => tokenOf('ann') });
  const events = new Mailbox<Json>('events');
  client.realtime.on('message', (message: unknown) => events.push(message as Json));
  return { realtime: client.realtime, events };
}

test('@snackbase/sdk connects, subscribes, hears of changes and unsubscribes', async () => {
  vi.stubGlobal('WebSocket', WebSocket);
  await using server = await startServer({ schema: SCHEMA, config: CONFIG });
  const { realtime, events } = open(server.origin);
  await realtime.connect();
  // It gives up after 5 s without the confirmation that it understands.
  await realtime.subscribe('posts', ['create', 'update']);
  await server.put('posts/a', { title: 'one' });
  expect(await events.next()).toMatchObject({ type: 'posts.create', data: { id: 'a', title: 'one' } });
  await realtime.unsubscribe('posts');
  await server.put('posts/b', { title: 'two' });
  await realtime.subscribe('comments');
  await server.put('comments/c', { text: 'three' });
  expect(await events.next()).toMatchObject({ type: 'comments.create' });
  // What is refused is an event of its own.
  const refused = new Promise((resolve) => realtime.on('error', resolve));
  realtime.subscribe('nothing').catch(() => {});
  await refused;
  realtime.disconnect();
});

test('@snackbase/sdk subscribes after a crash of the server again', async () => {
  vi.stubGlobal('WebSocket', WebSocket);
  await using server = await startServer({ schema: SCHEMA, config: CONFIG });
  const { realtime, events } = open(server.origin);
  await realtime.connect();
  await realtime.subscribe('posts');
  await server.kill();
  const back = new Promise((resolve) => realtime.on('connected', resolve));
  await server.restart();
  await back;
  // Its subscriptions are sent as soon as it is connected, and are in effect a moment later.
  for (let n = 0; events.items.length === 0; n++) {
    await server.put(`posts/p${n}`, { title: 'again' });
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(events.items[0]).toMatchObject({ type: 'posts.create' });
  realtime.disconnect();
});

test('@snackbase/sdk falls back to Server-Sent Events', async () => {
  vi.stubGlobal('WebSocket', undefined);
  vi.stubGlobal('EventSource', EventSource);
  await using server = await startServer({ schema: SCHEMA, config: CONFIG });
  const { realtime, events } = open(server.origin);
  await realtime.subscribe('posts', ['create', 'update']);
  await realtime.subscribe('comments', ['delete']);
  await realtime.connect();
  await server.put('comments/c', { text: 'one' });
  await server.put('posts/a', { title: 'one' });
  expect(await events.next()).toMatchObject({ type: 'posts.create', data: { title: 'one' } });
  await server.ask('DELETE', 'comments/c');
  expect(await events.next()).toMatchObject({ type: 'comments.delete', data: { id: 'c' } });
  realtime.disconnect();
});
