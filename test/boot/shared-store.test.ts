import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { SERVER } from '../../src/auth/identity.ts';
import { composeApplication } from '../../src/boot/application.ts';
import { loadProject } from '../../src/boot/project.ts';
import { type Bus, MemoryBus } from '../../src/events/bus.ts';
import { makeHandle } from '../../src/resources/table/make-handle.ts';
import type { TableResource } from '../../src/resources/table/resource.ts';
import { loadEngine } from '../../src/store/index.ts';
import { StorageHealth } from '../../src/store/storage-health.ts';

const SCHEMA = 'type Message @table @export { id: ID! @primaryKey, title: String! }';

/** Bus whose notifications carry no changes and are sometimes lost, as on a network. */
class LossyBus implements Bus {
  readonly #bus = new MemoryBus();
  #rung = 0;

  ring(bell: Parameters<Bus['ring']>[0]): void {
    if (this.#rung++ % 3 !== 2) setImmediate(() => this.#bus.ring({ after: bell.after, head: bell.head }));
  }

  listen(listener: Parameters<Bus['listen']>[0]): () => void {
    return this.#bus.listen(listener);
  }
}

/** Opens two applications, each with its feed, hub and write queue, on one store. */
async function openTwo(bus: Bus) {
  const dir = mkdtempSync(join(tmpdir(), 'tablecast-shared-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  writeFileSync(join(dir, 'schema.graphql'), SCHEMA);
  writeFileSync(join(dir, 'config.yaml'), 'app_id: my-app\n');
  const { server, apps } = loadProject(dir, {});
  const [{ config: app, plan }] = apps as [(typeof apps)[0]];
  mkdirSync(app.dataDir, { recursive: true });
  const { dataDir, durability, events, idempotency, audit } = app;
  const options = { dir: dataDir, durability, events, idempotency, audit, allowDestructive: false };
  const store = await (await loadEngine()).openRecords(plan, {
    ...options,
    largestScan: 1000,
    largestCascade: 10_000,
    recordCache: 65_536,
  });
  const storage = new StorageHealth({ dir: dataDir });
  const faults: unknown[] = [];
  const compose = () => {
    const onError = (error: unknown) => void faults.push(error);
    return composeApplication({ app, server, plan, allowDestructive: false, onError }, { store, storage, bus });
  };
  const [one, other] = [compose(), compose()];
  onTestFinished(async () => {
    await other.feed.close();
    await one.close();
    expect(faults).toEqual([]);
  });
  return [one, other].map(({ resources, feed }) => ({ table: resources.get('Message') as TableResource, feed }));
}

test.each([
  ['in one process', () => new MemoryBus()],
  ['whose bells are lost now and then', () => new LossyBus()],
])('two applications on one store deliver each other the changes, in one order, over a bus %s', async (_name, make) => {
  const bus = make();
  const apps = await openTwo(bus);
  const seen = apps.map(({ table }) => {
    const stream = makeHandle(table, SERVER).subscribe();
    const ids: unknown[] = [];
    void (async () => {
      for await (const frame of stream) if ('id' in frame) ids.push(frame.id);
    })();
    onTestFinished(async () => void (await stream.return()));
    return ids;
  });
  for (let i = 0; i < 40; i++) {
    await Promise.all(apps.map(({ table }, n) => table.put(SERVER, `${i}-${n}`, { title: 'x' })));
  }
  // The last bell may be lost too; the next one brings everything.
  for (let i = 0; i < 3; i++) bus.ring({ after: 0, head: Number.MAX_SAFE_INTEGER });
  for (let i = 0; i < 500 && seen.some((ids) => ids.length < 80); i++)
    await new Promise((done) => setTimeout(done, 10));
  expect(seen[0]).toHaveLength(80);
  expect(new Set(seen[0]).size).toBe(80);
  expect(seen[1]).toEqual(seen[0]);
});
