import { describe, expect, test } from 'vitest';
import { AppError } from '../../src/errors.ts';
import type { Actor, AuditEntry, AuditPage, AuditQuery } from '../../src/store/audit.ts';
import type { Cells, IdempotentGroup, RecordKey, Write, WriteGroup } from '../../src/store/store.ts';
import { type OpenStore, onlyTable, StoreFolder } from './stores.ts';

const SDL = `type T @table @audit {
  id: ID! @primaryKey
  n: Int @unique
  tags: [String]
  pin: String @hidden
  made: Date @createdTime
}`;
const PLAIN = SDL.replace('@audit', '');
const ADA: Actor = { type: 'principal', sub: 'ada', roles: ['editor'], key: 'k1' };
const BEN: Actor = { type: 'principal', sub: 'ben', roles: [] };

const none = undefined;
type Cut = readonly (Cells[number] | undefined)[];

/** A write of the only table; what is not given is not sent. */
function write(open: OpenStore, type: 'create' | 'put' | 'patch' | 'delete', id: RecordKey, cells: Cut = []): Write {
  const whole = open.plan.tables[0]?.fields.map((_, place) => (place === 0 ? id : cells[place - 1]));
  return { type, table: onlyTable(open), id, cells: whole } as unknown as Write;
}

function by(actor: Actor, one: Write): Write {
  return { ...one, by: actor };
}

function commit(open: OpenStore, ...groups: readonly (WriteGroup | IdempotentGroup)[]) {
  return open.store.commit(groups);
}

function page(open: OpenStore, query: Partial<AuditQuery> = {}): AuditPage {
  return open.store.audit?.page({ limit: 100, ...query }) as AuditPage;
}

function entries(open: OpenStore, query: Partial<AuditQuery> = {}): readonly AuditEntry[] {
  return page(open, query).entries;
}

const changesOf = ({ changes }: AuditEntry): unknown => JSON.parse(changes);

describe('the audit log of the store', () => {
  test('has who did what to which record, with what was and what is, newest first', () => {
    const open = new StoreFolder().open(SDL);
    const { changes } = commit(
      open,
      [by(ADA, write(open, 'create', 'a', [1, '["x"]', 's3cret']))],
      [by(BEN, write(open, 'patch', 'a', [2, none, 'other']))],
      [write(open, 'patch', 'a', [none, none, 'third'])],
      [by({ type: 'hook' }, write(open, 'delete', 'a', []))],
    );
    const made = JSON.parse(changes[0]?.data ?? '').made as string;
    const common = { table: 'data/T', id: 'a' };
    const found = entries(open);
    expect(found.map(({ changes: _, ...head }) => head)).toEqual([
      { ...common, seq: changes[3]?.seq, op: 'delete', by: { type: 'hook' } },
      { ...common, seq: changes[2]?.seq, op: 'update', by: { type: 'server' } },
      { ...common, seq: changes[1]?.seq, op: 'update', by: BEN },
      { ...common, seq: changes[0]?.seq, op: 'create', by: ADA },
    ]);
    const hidden = { hidden: true };
    expect(found.map(changesOf)).toEqual([
      {
        id: { before: 'a', after: null },
        n: { before: 2, after: null },
        tags: { before: ['x'], after: null },
        pin: hidden,
        made: { before: made, after: null },
      },
      { pin: hidden },
      { n: { before: 1, after: 2 }, pin: hidden },
      {
        id: { before: null, after: 'a' },
        n: { before: null, after: 1 },
        tags: { before: null, after: ['x'] },
        pin: hidden,
        made: { before: null, after: made },
      },
    ]);
  });

  test('keeps nothing of hidden values in the file', () => {
    const folder = new StoreFolder();
    const open = folder.open(SDL);
    commit(open, [write(open, 'create', 'a', [1, none, 's3cret'])], [write(open, 'delete', 'a')]);
    expect(JSON.stringify(folder.query('SELECT * FROM tablecast_audit'))).not.toContain('s3cret');
  });

  test('has one entry for each record of a write by filter, and none for what changes nothing or is published', () => {
    const open = new StoreFolder().open(SDL.replace('@unique', ''));
    const table = onlyTable(open);
    commit(open, [write(open, 'create', 'a', [1]), write(open, 'create', 'b', [2]), write(open, 'create', 'c', [3])]);
    const head = open.store.lastSeq;
    const cells = [none, 2, none, none, none];
    commit(open, [{ type: 'patch-where', table, filter: undefined, limit: 10, cells, by: ADA }]);
    commit(open, [by(BEN, write(open, 'patch', 'a', [2]))], [{ type: 'publish', table, id: 'a', data: '1', by: BEN }]);
    commit(open, [{ type: 'delete-where', table, filter: undefined, limit: 10, by: BEN }]);
    const found = entries(open, { after: head }).map(({ op, id, by }) => [op, id, by.sub]);
    expect(found).toEqual([
      ['delete', 'c', 'ben'],
      ['delete', 'b', 'ben'],
      ['delete', 'a', 'ben'],
      ['update', 'c', 'ada'],
      ['update', 'a', 'ada'],
    ]);
  });

  test('is of the same transaction: a refused group leaves nothing, and its neighbours their own', () => {
    const open = new StoreFolder().open(SDL);
    commit(open, [write(open, 'create', 'a', [1])]);
    const head = open.store.lastSeq;
    const { results } = commit(
      open,
      [by(ADA, write(open, 'create', 'b', [2]))],
      // The second of them has a value that is taken.
      [by(ADA, write(open, 'create', 'c', [3])), by(ADA, write(open, 'create', 'd', [1]))],
      [by(ADA, write(open, 'create', 'e', [2]))],
      [by(ADA, write(open, 'patch', 'missing', [2]))],
      [{ ...by(ADA, write(open, 'patch', 'a', [7])), guard: () => refuse() } as Write],
      [by(BEN, write(open, 'create', 'f', [4]))],
    );
    expect(results.map((result) => (result instanceof AppError ? result.code : 'ok'))).toEqual([
      'ok',
      'CONFLICT',
      'CONFLICT',
      'NOT_FOUND',
      'FORBIDDEN',
      'ok',
    ]);
    expect(entries(open, { after: head }).map(({ id, by }) => [id, by.sub])).toEqual([
      ['f', 'ben'],
      ['b', 'ada'],
    ]);
  });

  test('has nothing of a transaction that failed as a whole', () => {
    const open = new StoreFolder().open(SDL);
    const broken = () => {
      throw new Error('a fault');
    };
    const groups: WriteGroup[] = [
      [write(open, 'create', 'a', [1])],
      [{ ...write(open, 'create', 'b', [2]), guard: broken } as Write],
    ];
    expect(() => commit(open, ...groups)).toThrow('a fault');
    expect(entries(open)).toEqual([]);
  });

  test('has one entry for a write that is sent again', () => {
    const open = new StoreFolder().open(SDL);
    const group: IdempotentGroup = {
      once: { key: 'k', hash: 'h' },
      writes: [by(ADA, write(open, 'create', 'a', [1]))],
    };
    commit(open, group);
    commit(open, group);
    expect(entries(open)).toHaveLength(1);
  });

  test('tells apart what the server removed because its time had passed', () => {
    const open = new StoreFolder().open('type T @table(expiration: 1) @audit { id: Int! @primaryKey }');
    const table = onlyTable(open);
    commit(open, [{ type: 'create', table, id: 7, cells: [7] }]);
    const expiredAt = Date.now() + 5000;
    commit(open, [{ type: 'delete', table, id: 7, expiredAt, by: { type: 'expiration' } }]);
    expect(entries(open).map(({ op, id, by }) => [op, id, by])).toEqual([
      ['delete', '7', { type: 'expiration' }],
      ['create', '7', { type: 'server' }],
    ]);
  });
});

describe('the audit log is there', () => {
  test('from the first @audit on, with no entry of tables without it', () => {
    const folder = new StoreFolder();
    const before = folder.open(PLAIN);
    commit(before, [write(before, 'create', 'a', [1])]);
    expect(before.store.audit).toBeUndefined();
    expect(folder.query("SELECT name FROM sqlite_master WHERE name LIKE 'tablecast_audit%'")).toEqual([]);
    const after = folder.open(SDL);
    expect(after.notices).toEqual([]);
    commit(after, [write(after, 'patch', 'a', [2])]);
    expect(entries(after).map(({ op }) => op)).toEqual(['update']);
  });

  test('with its entries when @audit or the table has gone, until their time has passed', () => {
    const folder = new StoreFolder();
    const first = folder.open(SDL);
    commit(first, [by(ADA, write(first, 'create', 'a', [1]))]);
    const second = folder.open(PLAIN);
    commit(second, [by(ADA, write(second, 'patch', 'a', [2]))]);
    expect(entries(second).map(({ op }) => op)).toEqual(['create']);
    const third = folder.open('type Other @table { id: ID! @primaryKey }');
    expect(entries(third).map(({ table }) => table)).toEqual(['data/T']);
    expect(third.store.trim(Date.now() + 86_401_000, 500)).toBe(false);
    expect(entries(third)).toEqual([]);
  });
});

describe('the audit log is trimmed', () => {
  const ids = (open: OpenStore) => entries(open).map(({ id }) => id);

  test('by number, in batches, also after a restart and while it grows', () => {
    const folder = new StoreFolder();
    const audit = { retention: 60_000, maxCount: 3 };
    const open = folder.open(SDL, { audit });
    const add = (to: OpenStore, ...names: string[]) =>
      commit(to, ...names.map((id) => [write(to, 'create', id, [none])]));
    add(open, 'a', 'b', 'c', 'd', 'e');
    expect(open.store.trim(Date.now(), 1)).toBe(true);
    expect(ids(open)).toEqual(['e', 'd', 'c', 'b']);
    while (open.store.trim(Date.now(), 1));
    expect(ids(open)).toEqual(['e', 'd', 'c']);
    add(open, 'f');
    expect(open.store.trim(Date.now(), 10)).toBe(false);
    expect(ids(open)).toEqual(['f', 'e', 'd']);
    const later = folder.open(SDL, { audit: { ...audit, maxCount: 2 } });
    while (later.store.trim(Date.now(), 10));
    expect(ids(later)).toEqual(['f', 'e']);
  });

  test('by age, in batches', () => {
    const open = new StoreFolder().open(SDL, { audit: { retention: 60_000, maxCount: 100 } });
    commit(open, ...['a', 'b', 'c'].map((id) => [write(open, 'create', id, [none])]));
    expect(open.store.trim(Date.now() + 59_000, 2)).toBe(false);
    expect(ids(open)).toHaveLength(3);
    expect(open.store.trim(Date.now() + 61_000, 2)).toBe(true);
    expect(ids(open)).toEqual(['c']);
    expect(open.store.trim(Date.now() + 61_000, 2)).toBe(false);
    expect(ids(open)).toEqual([]);
    expect(open.store.trim(Date.now() + 61_000, 2)).toBe(false);
  });
});

describe('a page of the audit log', () => {
  function filled(largestScan = 100_000): OpenStore {
    const open = new StoreFolder().open(SDL.replace('@unique', ''), { largestScan });
    for (let n = 0; n < 10; n++) {
      commit(open, [by(n % 2 === 0 ? ADA : BEN, write(open, 'put', `r${n % 3}`, [n]))]);
    }
    return open;
  }

  const seqs = (open: OpenStore, query: Partial<AuditQuery>) => entries(open, query).map(({ seq }) => seq);

  test('has what is asked for', () => {
    const open = filled();
    const all = seqs(open, {});
    expect(all).toHaveLength(10);
    expect(all).toEqual(all.toSorted((a, b) => b - a));
    expect(entries(open, { sub: 'ada' })).toHaveLength(5);
    expect(entries(open, { id: 'r0' })).toHaveLength(4);
    expect(entries(open, { id: 'r0', sub: 'ben', op: 'update' })).toHaveLength(2);
    expect(entries(open, { op: 'create' })).toHaveLength(3);
    expect(entries(open, { op: 'delete' })).toEqual([]);
    expect(entries(open, { actor: 'principal' })).toHaveLength(10);
    expect(entries(open, { actor: 'server' })).toEqual([]);
    expect(entries(open, { table: 'DATA/t' })).toHaveLength(10);
    expect(entries(open, { table: 'data/U' })).toEqual([]);
    expect(seqs(open, { after: all[4] as number })).toEqual(all.slice(0, 4));
    expect(seqs(open, { before: all[4] as number })).toEqual(all.slice(5));
    expect(seqs(open, { after: all[6] as number, before: all[3] as number })).toEqual(all.slice(4, 6));
  });

  /** Every page from the first to the last. */
  function walk(open: OpenStore, query: Partial<AuditQuery>): AuditPage[] {
    const pages = [page(open, query)];
    for (let { next } = pages[0] as AuditPage; next !== undefined; next = pages.at(-1)?.next) {
      pages.push(page(open, { ...query, before: next }));
      if (pages.length > 50) throw new Error('it does not come to an end');
    }
    return pages;
  }

  test.each([1, 3, 5, 10, 11])('of %i leads to the next one, without gap and repetition', (limit) => {
    const open = filled();
    const pages = walk(open, { limit });
    expect(pages.flatMap((it) => it.entries)).toEqual(entries(open));
    expect(pages).toHaveLength(Math.ceil(10 / limit));
  });

  test('looks at so many entries only, and says that there may be more', () => {
    const open = filled(3);
    const first = page(open, { op: 'create' });
    expect(first.entries).toEqual([]);
    const pages = walk(open, { op: 'create' });
    expect(pages.flatMap((it) => it.entries).map(({ id }) => id)).toEqual(['r2', 'r1', 'r0']);
    expect(pages).toHaveLength(4);
    expect(walk(open, {}).flatMap((it) => it.entries)).toHaveLength(10);
    // By an index only what it finds is looked at.
    expect(walk(open, { id: 'r1', op: 'create' })).toHaveLength(1);
    expect(walk(open, { sub: 'ben', op: 'create' })).toHaveLength(2);
    expect(walk(open, { id: 'r1', sub: 'ben' }).map((it) => it.entries.length)).toEqual([2]);
    const oldest = entries(filled(), {}).at(-1)?.seq as number;
    expect(walk(open, { after: oldest, limit: 2 }).flatMap((it) => it.entries).length).toBeLessThanOrEqual(10);
  });

  test('has no more megabytes than it must', () => {
    const open = new StoreFolder().open('type T @table @audit { id: ID! @primaryKey s: String }');
    const table = onlyTable(open);
    const text = 'x'.repeat(1_500_000);
    for (const id of ['a', 'b', 'c', 'd']) commit(open, [{ type: 'create', table, id, cells: [id, text] }]);
    const pages = walk(open, {});
    expect(pages.map((it) => it.entries.map(({ id }) => id).join(''))).toEqual(['dcb', 'a']);
  });
});

function refuse(): never {
  throw new AppError('FORBIDDEN', 'no');
}
