import { readFileSync } from 'node:fs';
import { test } from 'vitest';
import { startServer } from '../support/app.ts';
import { OPCODE, RawWs } from '../support/raw-ws.ts';
const rss = (pid: number) => Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
test('x', async () => {
  await using server = await startServer();
  using ws = await RawWs.open(server.port, '/my-app/Message');
  for (let count = 0; count < 20_000 && ws.isOpen; count++) ws.send({ opcode: OPCODE.ping, payload: 'x' });
  await ws.closed;
  console.log('A', ws.frames.items.length, ws.frames.items.filter((f) => f.opcode === 8).map((f) => f.payload.toString()));
  using b = await RawWs.open(server.port, '/my-app/Message');
  b.pause();
  const ping = Buffer.concat([Buffer.from([0x89, 0x80 | 125, 1, 2, 3, 4]), Buffer.alloc(125)]);
  const block = Buffer.concat(new Array<Buffer>(2000).fill(ping));
  let sent = 0;
  for (let i = 0; i < 60; i++) {
    for (let k = 0; k < 40; k++) { if (b.socket.writableLength < 4e6) { b.socket.write(block); sent += block.length; } }
    await new Promise((r) => setTimeout(r, 100));
    if (i % 10 === 0) console.log(i, (sent / 1e6).toFixed(0), 'MB sent', rss(server.pid).toFixed(0), 'MB rss', b.isOpen, await server.openSockets());
  }
}, 60000);
