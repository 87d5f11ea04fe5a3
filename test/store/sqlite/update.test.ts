import fc from 'fast-check';
import { expect, test } from 'vitest';
import { recordsName } from '../../../src/store/sqlite/sql/table-names.ts';
import type { Cell } from '../../../src/store/store.ts';
import { insert, onlyTable, StoreFolder } from '../stores.ts';

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
const SCHEMA = `type T @table { id: ID! @primaryKey ${NAMES.map((name) => `${name}: Int @indexed`).join(' ')} }`;

// More ways to change a record than statements are kept.
const changes = fc.array(fc.array(fc.option(fc.nat(3)), { minLength: NAMES.length, maxLength: NAMES.length }), {
  minLength: 60,
  maxLength: 120,
});

test('whichever fields change, the record and its indexes have what was written last', () => {
  fc.assert(
    fc.property(changes, (patches) => {
      const folder = new StoreFolder();
      const open = folder.open(SCHEMA);
      const table = onlyTable(open);
      const expected: (number | null)[] = NAMES.map(() => 0);
      insert(open, ['x', ...expected]);
      for (const patch of patches) {
        const cells: (Cell | undefined)[] = [undefined, ...patch.map((value) => value ?? undefined)];
        patch.forEach((value, place) => {
          if (value !== null) expected[place] = value;
        });
        const [result] = open.store.commit([[{ type: 'patch', table, id: 'x', cells }]]).results;
        expect(result).not.toBeInstanceOf(Error);
      }
      const record = Object.fromEntries(NAMES.map((name, place) => [name, expected[place]]));
      expect(JSON.parse(open.store.get(table, 'x')?.json ?? '')).toEqual({ id: 'x', ...record });
      folder.close();
      for (const [place, name] of NAMES.entries()) {
        const found = folder.query(`SELECT id FROM ${recordsName(table)} WHERE ${name} = ${expected[place]}`);
        expect(found).toEqual([{ id: 'x' }]);
      }
      expect(folder.query('PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
    }),
    { numRuns: 20 },
  );
});
