import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { insert, StoreFolder } from '../stores.ts';

const SDL = 'type T @table { id: ID! @primaryKey kind: String! @indexed }';

/** Returns the number of entries of a closed store in each of the tables of statistics. */
function statistics({ file }: StoreFolder): Record<'sizes' | 'samples', number> {
  const db = new Database(file, { readonly: true });
  const count = (table: string) => db.prepare(`SELECT count(*) FROM ${table}`).pluck().get() as number;
  try {
    return { sizes: count('sqlite_stat1'), samples: count('sqlite_stat4') };
  } finally {
    db.close();
  }
}

test('no start has samples of values, with which lists would be planned at each run; sizes are kept', () => {
  const folder = new StoreFolder();
  insert(folder.open(SDL), ...Array.from({ length: 500 }, (_, n) => [`r${n}`, `kind-${n % 7}`] as const));
  folder.close();
  const db = new Database(folder.file);
  db.exec('ANALYZE');
  db.close();
  const analyzed = statistics(folder);
  expect(analyzed.samples).toBeGreaterThan(0);
  const { store, plan } = folder.open(SDL);
  expect(store.get(plan.tables[0] as (typeof plan.tables)[0], 'r1')).toMatchObject({ id: 'r1' });
  folder.close();
  expect(statistics(folder)).toEqual({ sizes: analyzed.sizes, samples: 0 });
});
