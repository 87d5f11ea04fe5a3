import { fetchEventSource } from '@microsoft/fetch-event-source';
import { EventSource } from 'eventsource';
import { afterAll, expect, test, vi } from 'vitest';
import { startServer, type TestServer } from '../support/app.ts';
import type { Json } from '../support/frames.ts';
import { Mailbox } from '../support/mailbox.ts';

afterAll(() => void vi.unstubAllGlobals());

const LATE_MS = 30_000;

/** Records before a crash, and right after the server is back, before the client may have come back. */
async function writeOverCrash(server: TestServer, seen: Mailbox<Json>): Promise<void> {
  for (let n = 0; n < 20; n++) await server.put(`Message/m${n}`, { title: 't', content: String(n) });
  for (let n = 0; n < 20; n++) await seen.next(() => true, LATE_MS);
  await server.kill();
  await server.restart();
  for (let n = 20; n < 40; n++) await server.put(`Message/m${n}`, { title: 't', content: String(n) });
}

async function expectAll(seen: Mailbox<Json>): Promise<void> {
  await seen.next(({ content }) => content === '39', LATE_MS);
  expect(seen.items.map(({ content }) => Number(content))).toEqual(Array.from({ length: 40 }, (_, n) => n));
}

test('eventsource misses and repeats nothing over kill -9', async () => {
  await using server = await startServer();
  const seen = new Mailbox<Json>('updates');
  const source = new EventSource(server.url('Message?stream=sse'));
  try {
    source.addEventListener('update', ({ data }) => seen.push(JSON.parse(data)));
    await new Promise((resolve) => source.addEventListener('ready', resolve, { once: true }));
    await writeOverCrash(server, seen);
    await expectAll(seen);
  } finally {
    source.close();
  }
});

test('fetch-event-source misses and repeats nothing over kill -9', async () => {
  // It is made for pages: of the window it wants the timers, of the document whether it is hidden.
  vi.stubGlobal('window', globalThis);
  vi.stubGlobal('document', Object.assign(new EventTarget(), { hidden: false }));
  await using server = await startServer();
  const seen = new Mailbox<Json>('updates');
  const controller = new AbortController();
  const done = new Promise<void>((resolve, reject) => {
    fetchEventSource(server.url('Message?stream=sse'), {
      fetch,
      signal: controller.signal,
      openWhenHidden: true,
      onmessage: ({ event, data }) => {
        if (event === 'update') seen.push(JSON.parse(data));
        if (event === 'ready') resolve();
      },
    }).catch(reject);
  });
  try {
    await done;
    await writeOverCrash(server, seen);
    await expectAll(seen);
  } finally {
    controller.abort();
  }
});
