import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadEngine } from '../../../src/store/index.ts';
import { planOf } from '../../schema/mistakes.ts';
import { StoreFolder } from '../stores.ts';

test('the store is opened by its name, and lets go of its directory when it is closed', async () => {
  const folder = new StoreFolder();
  const options = {
    dir: join(folder.dir, 'new'),
    durability: 'full',
    events: { retention: 1, maxCount: 1, replayPage: 1 },
    largestScan: 100_000,
    largestCascade: 10_000,
    // Small, so that rows are let go.
    recordCache: 65_536,
    idempotency: { retention: 1, maxCount: 1, maxSize: 1 },
    audit: { retention: 1, maxCount: 1 },
    allowDestructive: false,
  } as const;
  for (let time = 0; time < 2; time++) {
    const store = await (await loadEngine()).openRecords(planOf('type T @table { id: ID! @primaryKey }'), options);
    expect(existsSync(join(options.dir, 'data.db'))).toBe(true);
    await store.close();
  }
});
