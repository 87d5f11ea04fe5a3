import { describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer } from '../support/app.ts';
import { RawWs } from '../support/raw-ws.ts';

const CONTENT = 'x'.repeat(30_000);

/** On a slow machine the writes below take their time, and must end before a reader that does not read is given up. */
const PATIENT = 'slow_client_timeout: 60s, pong_timeout: 60s';

describe('a reader that stops and goes on', { timeout: 120_000 }, () => {
  // Smaller than what the socket itself holds before it says that it is full, and larger.
  test.each(['1KiB', '16KiB', '64KiB', '256KiB'])('misses nothing with client_buffer: %s', async (size) => {
    const channels = `channels: { client_buffer: ${size}, ${PATIENT} }\n`;
    await using server = await startServer({ config: BASE_CONFIG + channels });
    using reader = await RawWs.open(server.port, '/my-app/Message');
    await reader.json();
    for (const round of [1, 2, 3]) {
      reader.pause();
      const title = `round ${round}`;
      // More than the kernel takes for a reader that does not read.
      const records = Array.from({ length: 25 }, (_, n) => ({ id: `${round}-${n}`, title, content: CONTENT }));
      for (let n = 0; n < 10; n++) {
        const batch = records.map((record) => ({ ...record, id: `${record.id}-${n}` }));
        expect((await server.ask('POST', 'Message', { json: batch })).status).toBe(201);
      }
      reader.resume();
      const last = `${round}-24-9`;
      for (let told = ''; told !== last; ) told = String((await reader.json(30_000)).id);
    }
    const seqs = reader.frames.items
      .filter(({ opcode }) => opcode === 1)
      .map(({ payload }) => (JSON.parse(payload.toString()) as { seq: number }).seq);
    expect(seqs).toHaveLength(1 + 3 * 250);
    expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
    expect(reader.isOpen).toBe(true);
  });

  test('is told all of it when what waits is more than client_buffer but not enough to fill the socket', async () => {
    const channels = `channels: { client_buffer: 4KiB, ${PATIENT} }\ndurability: normal\n`;
    await using server = await startServer({ config: BASE_CONFIG + channels });
    using reader = await RawWs.open(server.port, '/my-app/Message');
    await reader.json();
    reader.pause();
    // One frame per write, until the kernel takes no more and a few wait in the server.
    const count = 900;
    for (let n = 0; n < count; n++)
      await server.put(`Message/m${n}`, { title: String(n), content: CONTENT.slice(0, 9000) });
    reader.resume();
    await reader.frames.atLeast(count / 2, 30_000);
    for (let told = ''; told !== `m${count - 1}`; ) told = String((await reader.json(30_000)).id);
    expect(reader.isOpen).toBe(true);
  });
});
