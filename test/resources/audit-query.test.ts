import { describe, expect, test } from 'vitest';
import type { AppError } from '../../src/errors.ts';
import { type AuditScope, parseAuditQuery } from '../../src/resources/audit/query.ts';

const SCOPE: AuditScope = {
  limits: { pageDefault: 100, pageMax: 1000 },
  tables: new Map([
    ['Note', 'data/Note'],
    ['jobs', 'work/Job'],
  ]),
};
const START = Date.parse('2025-01-15T10:30:00Z') * 1000;

describe('the query of the audit log', () => {
  test.each([
    ['', {}],
    ['&&', {}],
    ['table=jobs', { table: 'work/Job' }],
    ['table=old/Gone', { table: 'old/Gone' }],
    ['id=a%2Fb+c', { id: 'a/b c' }],
    ['id=a=b', { id: 'a=b' }],
    ['id=', { id: '' }],
    ['by=ada&by_type=principal&op=delete', { sub: 'ada', actor: 'principal', op: 'delete' }],
    ['limit=1000', { limit: 1000 }],
    ['since=5&until=9', { after: 5, before: 10 }],
    ['until=9&before=7', { before: 7 }],
    ['until=6&before=9', { before: 7 }],
    ['since=2025-01-15T10:30:00Z', { after: START - 1 }],
    ['until=2025-01-15T10:30:00Z', { before: START }],
    ['since=2025-01-15T11:30:00.000+01:00', { after: START - 1 }],
    ['since=2025-01-15T11:30:00%2B01:00', { after: START - 1 }],
    ['since=2025-01-15T09:30:00-01:00', { after: START - 1 }],
    ['since=2025-01-15', { after: Date.parse('2025-01-15') * 1000 - 1 }],
  ])('%s', (rawQuery, expected) => {
    expect(parseAuditQuery(rawQuery, SCOPE)).toEqual({ limit: 100, ...expected });
  });

  test.each([
    ['tabel=Note', 'tabel: is not a parameter of the audit log; did you mean "table"?'],
    [
      'cursor=5',
      'cursor: is not a parameter of the audit log; there are table, id, by, by_type, op, since, until, before, limit',
    ],
    [`${'x'.repeat(100)}=5`, expect.stringMatching(/^x{60}…: is not a parameter/)],
    ['id=1&id=2', 'id: is given twice'],
    // Node decodes an é that was sent unencoded like this.
    ['id=\u00c3\u00a9', 'query: column 4: spaces and characters beyond ASCII are percent-encoded in a query string'],
    ['id=%ff', 'id: is not percent-encoded UTF-8'],
    ['table=note', 'table: there is no table "note"; did you mean "Note"?'],
    ['table=Something', 'table: there is no table "Something"'],
    ['op=publish', 'op: expected create, update, delete; found "publish"'],
    ['by_type=user', 'by_type: expected principal, anonymous, server, hook, expiration, database; found "user"'],
    ['since=yesterday', 'since: expected a seq, or a time such as 2025-01-15T10:30:00Z; found "yesterday"'],
    ['until=2025-02-30', 'until: expected a seq, or a time such as 2025-01-15T10:30:00Z; found "2025-02-30"'],
    ['before=2025-01-15', 'before: expected a seq; found "2025-01-15"'],
    ['before=9999999999999999', 'before: expected a seq; found "9999999999999999"'],
    ['limit=0', 'limit: expected an integer from 1 to 1000; found "0"'],
    ['limit=1001', 'limit: expected an integer from 1 to 1000; found "1001"'],
    ['limit=1e2', 'limit: expected an integer from 1 to 1000; found "1e2"'],
  ])('%s is refused', (rawQuery, message) => {
    const error = errorOf(() => parseAuditQuery(rawQuery, SCOPE));
    expect([error.code, error.message]).toEqual(['INVALID_QUERY', message]);
    expect(error.errors).toHaveLength(1);
  });
});

function errorOf(run: () => unknown): AppError {
  try {
    run();
  } catch (error) {
    return error as AppError;
  }
  throw new Error('nothing was refused');
}
