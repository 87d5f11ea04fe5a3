import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { StoreFolder } from '../stores.ts';

const SDL = 'type A @table { id: ID! @primaryKey } type B @table { id: ID! @primaryKey }';

test('a log from before there were transactions keeps its entries, and takes transactions from then on', () => {
  const folder = new StoreFolder();
  const write = () => {
    const { store, plan } = folder.open(SDL);
    return (id: string) =>
      store.commit([plan.tables.map((table) => ({ type: 'create', table, id, cells: [id] }) as const)]).changes;
  };
  const old = write()('old');
  folder.close();
  const db = new Database(folder.file);
  for (const name of ['A', 'B']) db.exec(`ALTER TABLE "data/${name}:log" DROP COLUMN tx`);
  db.close();
  const changes = write()('new');
  const { store, plan } = folder.open(SDL);
  const logged = plan.tables.flatMap((table) => store.readLog(table, 0, 10));
  expect(logged.filter(({ id }) => id === 'old')).toMatchObject(old.map(({ seq }) => ({ seq })));
  expect(logged.filter(({ id }) => id === 'old').every((change) => !('transaction' in change))).toBe(true);
  expect(logged.filter(({ id }) => id === 'new').map(({ seq, transaction }) => [seq, transaction])).toEqual(
    changes.map(({ seq }) => [seq, changes.at(-1)?.seq]),
  );
});
