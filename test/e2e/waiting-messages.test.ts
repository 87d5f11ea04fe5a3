import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { BASE_CONFIG, startServer } from '../support/app.ts';
import { until } from '../support/wait.ts';

const SCHEMA = 'type Note @table @export { id: ID! @primaryKey s: String }';
/** Every message waits until there is a file. */
const HOOKS = `
import { existsSync } from 'node:fs';
export async function onRealtimeMessage() {
  while (!existsSync(new URL('./go', import.meta.url))) await new Promise((resolve) => setTimeout(resolve, 20));
}`;
const ROUTES = `
import { existsSync } from 'node:fs';
export const routes = { live: { kind: 'ws', handler: { async onMessage() {
  while (!existsSync(new URL('./go', import.meta.url))) await new Promise((resolve) => setTimeout(resolve, 20));
} } } };`;
const MESSAGES = 80;
const LENGTH = 400_000;

test.each([
  ['a table', 'Note', '"id":"a"'],
  ['the multiplexed protocol', 'api/v1/realtime/ws', '"action":"ping"'],
  ['a route', 'api/live', '"id":"a"'],
])(
  'beyond limits.waiting_messages and limits.message in bytes, nothing more is read from a socket of %s',
  async (_what, path, members) => {
    const config = `${BASE_CONFIG}hooks: hooks.mjs\nhook_timeout: 60s\nroutes: routes.mjs\n`;
    await using server = await startServer({
      schema: SCHEMA,
      config,
      files: { 'hooks.mjs': HOOKS, 'routes.mjs': ROUTES },
    });
    const socket = new WebSocket(server.wsUrl(path));
    await new Promise((resolve) => socket.once('open', resolve));
    const message = `{${members}${' '.repeat(LENGTH)}}`;
    for (let i = 0; i < MESSAGES; i++) socket.send(message);
    // What the server does not read waits here, beyond what the kernel takes. A server that read on would take all of it.
    await until(
      async () => {
        const before = socket.bufferedAmount;
        await pause(1000);
        return before - socket.bufferedAmount;
      },
      (taken) => taken === 0,
      { what: 'a socket that takes no more', timeout: 20_000 },
    );
    expect(socket.bufferedAmount).toBeGreaterThan((MESSAGES * LENGTH) / 3);
    await writeFile(join(server.dir, 'go'), '');
    await until(
      async () => socket.bufferedAmount,
      (now) => now === 0,
      { what: 'a socket that is read again' },
    );
    socket.terminate();
  },
  60_000,
);
