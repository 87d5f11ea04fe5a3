import { describe, expect, test } from 'vitest';
import { mistakesOf, planOf, readMarks, tableOf } from './mistakes.ts';

describe('@audit', () => {
  test('marks its table alone', () => {
    const { tables } = planOf('type A @table @audit { id: ID! @primaryKey } type B @table { id: ID! @primaryKey }');
    expect(tables.map(({ name, audited }) => [name, audited])).toEqual([
      ['A', true],
      ['B', false],
    ]);
  });

  test.each([
    [
      'type T @table @audit(§reads: true) { id: ID! @primaryKey }',
      'unknown argument "reads" of @audit | @audit takes no arguments',
    ],
    ['type T @table @audit §@audit { id: ID! @primaryKey }', '@audit is given twice'],
    ['type T @table §@audti { id: ID! @primaryKey }', 'unknown directive "@audti" | did you mean "@audit"?'],
    ['type T @table { id: ID! @primaryKey n: Int §@audit }', '@audit belongs on a type, not on a field'],
    [
      'type T @table { id: ID! @primaryKey n: N } type N §@audit { a: Int }',
      '@audit needs @table: type "N" is not a table',
    ],
  ])('%s', (marked, mistake) => {
    const { text, places } = readMarks(marked);
    expect(mistakesOf(text)).toEqual([`${places[0]} ${mistake}`]);
  });

  test('reserves its address, whichever table has @audit', () => {
    const sdl = 'type T @table @export(name: "audit") { id: ID! @primaryKey }';
    expect(tableOf(sdl).exportName).toBe('audit');
    const hint = 'the audit log is there: take another name, @export(name: "…"), or remove every @audit';
    expect(mistakesOf(`${sdl} type Other @table @audit { id: ID! @primaryKey }`)).toEqual([
      `1:6 "audit" is used by the server itself | ${hint}`,
    ]);
  });
});
