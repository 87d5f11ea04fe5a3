import { afterAll, beforeAll, expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import { REALTIME } from '../support/gateway-client.ts';
import { ask } from '../support/http.ts';
import { SseClient, type SseEvent } from '../support/sse-client.ts';

const SCHEMA =
  'type T @table @export(public: [read, create, update, subscribe, publish]) { id: ID! @primaryKey  s: String }';
const CONFIG = `${BASE_CONFIG}routes: routes.js
connectors:
  live: {type: sse}
flows:
  live_changes:
    from: {connector: table, operation: change, table: T}
    transform: {s: input.record.s}
    to: {connector: live, operation: broadcast}
`;
const ROUTES = `import { defineRoute } from 'tablecast';
export const routes = {
  feed: defineRoute({ kind: 'sse', handler: async function* ({ tables }) { yield* tables.T.subscribe('retained=true'); } }),
};`;

/** Unicode's line ends, which are none of SSE, in a text with other characters beyond ASCII. */
const TEXT = 'a\u2028b\u2029c\u0085dé😀\r\ne\u2027\u202a';
const LINE_ENDS = /[\u0085\u2028\u2029]/;

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ schema: SCHEMA, config: CONFIG, files: { 'routes.js': ROUTES } });
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

function textIn(event: SseEvent): unknown {
  const found = /"s":("(?:[^"\\]|\\.)*")/.exec(event.data)?.[1];
  return found === undefined ? undefined : JSON.parse(found);
}

test('U+2028, U+2029 and U+0085 are escaped in every kind of stream', async () => {
  const streams = {
    table: server.url('T?stream=sse'),
    record: server.url('T/a?stream=sse'),
    gateway: `${server.origin}${REALTIME}/subscribe?collection=T`,
    several: `${server.origin}${REALTIME}/subscribe?collection=T&collection=T`,
    route: server.url('api/feed'),
    rooms: server.url('events'),
  };
  const opened = await Promise.all(
    Object.entries(streams).map(async ([kind, url]) => [kind, await SseClient.open(url)] as const),
  );
  for (const [kind, { status }] of opened) expect([kind, status]).toEqual([kind, 200]);
  await server.put('T/a', { s: TEXT });
  expect((await server.ask('POST', 'T/a?publish=true', { json: { s: TEXT } })).status).toBe(202);
  for (const [kind, client] of opened) {
    const event = await client.events.next((found) => textIn(found) === TEXT);
    expect([kind, LINE_ENDS.test(event.data)]).toEqual([kind, false]);
    expect(event.data).toContain('\\u2028b\\u2029c\\u0085d');
    expect(client.events.items.some(({ data }) => LINE_ENDS.test(data))).toBe(false);
    client[Symbol.dispose]();
  }
  const raw = await ask('GET', server.url('T/a'));
  expect(raw.record.s).toBe(TEXT);
});
