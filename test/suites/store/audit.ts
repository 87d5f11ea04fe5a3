import { describe, expect, test } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import type { Actor, AuditEntry, AuditPage, AuditQuery } from '../../../src/store/audit.ts';
import type { Write } from '../../../src/store/rows/write.ts';
import { type EngineUnderTest, StoreHarness } from './harness.ts';

const SDL = `type T @table @audit {
  id: ID! @primaryKey n: Int @unique tags: [String] pin: String @hidden made: Date @createdTime
}`;
const PLAIN = SDL.replace('@audit', '');
const ADA: Actor = { type: 'principal', sub: 'ada', roles: ['editor'], key: 'k1' };
const BEN: Actor = { type: 'principal', sub: 'ben', roles: [] };
const none = undefined;

const changesOf = ({ changes }: AuditEntry): unknown => JSON.parse(changes);

export function auditSuite(subject: EngineUnderTest): void {
  const open = (sdl = SDL, options = {}) => StoreHarness.open(subject, sdl, options);

  async function page({ store }: StoreHarness, query: Partial<AuditQuery> = {}): Promise<AuditPage> {
    return (await store.audit?.page({ limit: 100, ...query })) ?? { entries: [] };
  }

  async function entries(harness: StoreHarness, query: Partial<AuditQuery> = {}): Promise<readonly AuditEntry[]> {
    return (await page(harness, query)).entries;
  }

  /** A write of the first table by somebody. */
  function by(harness: StoreHarness, actor: Actor | undefined, [type, id, ...cells]: readonly unknown[]): Write {
    return harness.of({ type, id, by: actor, ...(type === 'delete' ? {} : { cells: [id, ...cells] }) } as never);
  }

  describe('the audit log', () => {
    test('has who did what to which record, with what was and what is, newest first', async () => {
      const harness = await open();
      const { changes } = await harness.commit(
        [by(harness, ADA, ['create', 'a', 1, '["x"]', 's3cret'])],
        [by(harness, BEN, ['patch', 'a', 2, none, 'other'])],
        [by(harness, none, ['patch', 'a', none, none, 'third'])],
        [by(harness, { type: 'hook' }, ['delete', 'a'])],
      );
      const made = JSON.parse(changes[0]?.data ?? '').made as string;
      const common = { table: 'data/T', id: 'a' };
      const found = await entries(harness);
      expect(found.map(({ changes: _, ...head }) => head)).toEqual([
        { ...common, seq: changes[3]?.seq, op: 'delete', by: { type: 'hook' } },
        { ...common, seq: changes[2]?.seq, op: 'update', by: { type: 'server' } },
        { ...common, seq: changes[1]?.seq, op: 'update', by: BEN },
        { ...common, seq: changes[0]?.seq, op: 'create', by: ADA },
      ]);
      const hidden = { hidden: true };
      const member = (before: unknown, after: unknown) => ({ before, after });
      expect(found.map(changesOf)).toEqual([
        { id: member('a', null), n: member(2, null), tags: member(['x'], null), pin: hidden, made: member(made, null) },
        { pin: hidden },
        { n: member(1, 2), pin: hidden },
        { id: member(null, 'a'), n: member(null, 1), tags: member(null, ['x']), pin: hidden, made: member(null, made) },
      ]);
    });

    test('has one entry for each record of a write by filter, and none for what changes nothing', async () => {
      const harness = await open(SDL.replace('@unique', ''));
      await harness.commit([1, 2, 3].map((n) => by(harness, none, ['create', `r${n}`, n])));
      const { lastSeq } = harness.store;
      const all = { filter: none, limit: 10 };
      await harness.write({ type: 'patch-where', ...all, cells: [none, 2], by: ADA });
      await harness.commit([by(harness, BEN, ['patch', 'r1', 2])]);
      await harness.write({ type: 'publish', id: 'r1', data: '1', by: BEN });
      await harness.write({ type: 'delete-where', ...all, by: BEN });
      expect((await entries(harness, { after: lastSeq })).map(({ op, id, by }) => [op, id, by.sub])).toEqual([
        ['delete', 'r3', 'ben'],
        ['delete', 'r2', 'ben'],
        ['delete', 'r1', 'ben'],
        ['update', 'r3', 'ada'],
        ['update', 'r1', 'ada'],
      ]);
    });

    test('is of the same transaction: a refused group leaves nothing, and its neighbours their own', async () => {
      const harness = await open();
      await harness.create('a', 1);
      const { lastSeq } = harness.store;
      const guard = () => {
        throw new AppError('FORBIDDEN', 'no');
      };
      const { results } = await harness.commit(
        [by(harness, ADA, ['create', 'b', 2])],
        // The second of them has a value that is taken.
        [by(harness, ADA, ['create', 'c', 3]), by(harness, ADA, ['create', 'd', 1])],
        [by(harness, ADA, ['create', 'e', 2])],
        [by(harness, ADA, ['patch', 'missing', 2])],
        [{ ...by(harness, ADA, ['patch', 'a', 7]), guard }],
        [by(harness, BEN, ['create', 'f', 4])],
      );
      const codes = ['ok', 'CONFLICT', 'CONFLICT', 'NOT_FOUND', 'FORBIDDEN', 'ok'];
      expect(results.map((result) => (result instanceof AppError ? result.code : 'ok'))).toEqual(codes);
      expect((await entries(harness, { after: lastSeq })).map(({ id, by }) => [id, by.sub])).toEqual([
        ['f', 'ben'],
        ['b', 'ada'],
      ]);
    });

    test('has nothing of a transaction that failed as a whole', async () => {
      const harness = await open();
      const guard = () => {
        throw new Error('a fault');
      };
      const groups = [[by(harness, none, ['create', 'a', 1])], [{ ...by(harness, none, ['create', 'b', 2]), guard }]];
      await expect(harness.commit(...groups)).rejects.toThrow('a fault');
      expect(await entries(harness)).toEqual([]);
      expect(await harness.records()).toEqual([]);
    });

    test('has one entry for a write that is sent again', async () => {
      const harness = await open();
      const group = { once: { key: 'k', hash: 'h' }, writes: [by(harness, ADA, ['create', 'a', 1])] };
      await harness.commit(group);
      await harness.commit(group);
      expect(await entries(harness)).toHaveLength(1);
    });

    test('says that the server removed a record because its time had passed', async () => {
      const harness = await open('type T @table(expiration: 1) @audit { id: Int! @primaryKey }');
      await harness.create(7);
      await harness.write({ type: 'delete', id: 7, expiredAt: Date.now() + 5000, by: { type: 'expiration' } });
      expect((await entries(harness)).map(({ op, id, by }) => [op, id, by])).toEqual([
        ['delete', '7', { type: 'expiration' }],
        ['create', '7', { type: 'server' }],
      ]);
    });

    test('is there from the first @audit on, and stays when the directive or the table goes', async () => {
      const harness = await open(PLAIN);
      await harness.create('a', 1);
      expect(harness.store.audit).toBeUndefined();
      await harness.open(SDL);
      expect(harness.notices).toEqual([]);
      await harness.patch('a', 2);
      await harness.open(PLAIN);
      await harness.patch('a', 3);
      expect((await entries(harness)).map(({ op }) => op)).toEqual(['update']);
      await harness.open('type Other @table { id: ID! @primaryKey }');
      expect((await entries(harness)).map(({ table }) => table)).toEqual(['data/T']);
      await harness.trimAll(Date.now() + 86_401_000);
      expect(await entries(harness)).toEqual([]);
    });
  });

  describe('trimming the audit log', () => {
    const ids = async (harness: StoreHarness) => (await entries(harness)).map(({ id }) => id).join('');

    test('by count keeps the newest, in batches, also while it grows and when it is opened again', async () => {
      const audit = { retention: 60_000, maxCount: 3 };
      const harness = await open(SDL, { audit });
      for (const id of 'abcde') await harness.create(id);
      expect(await harness.store.trim(Date.now(), 1)).toBe(true);
      expect(await ids(harness)).toBe('edcb');
      await harness.trimAll(Date.now(), 1);
      expect(await ids(harness)).toBe('edc');
      await harness.create('f');
      expect(await harness.store.trim(Date.now(), 10)).toBe(false);
      expect(await ids(harness)).toBe('fed');
      await harness.open(SDL, { audit: { ...audit, maxCount: 2 } });
      await harness.trimAll();
      expect(await ids(harness)).toBe('fe');
    });

    test('by time, in batches', async () => {
      const harness = await open(SDL, { audit: { retention: 60_000, maxCount: 100 } });
      for (const id of 'abc') await harness.create(id);
      expect(await harness.store.trim(Date.now() + 50_000, 2)).toBe(false);
      expect(await ids(harness)).toBe('cba');
      expect(await harness.store.trim(Date.now() + 61_000, 2)).toBe(true);
      expect(await ids(harness)).toBe('c');
      await harness.trimAll(Date.now() + 61_000, 2);
      expect(await ids(harness)).toBe('');
    });
  });

  describe('a page of the audit log', () => {
    async function filled(largestScan = 100_000): Promise<StoreHarness> {
      const harness = await open(SDL.replace('@unique', ''), { largestScan });
      for (let n = 0; n < 10; n++)
        await harness.commit([by(harness, n % 2 === 0 ? ADA : BEN, ['put', `r${n % 3}`, n])]);
      return harness;
    }

    /** Every page from the first to the last. */
    async function walk(harness: StoreHarness, query: Partial<AuditQuery>): Promise<AuditPage[]> {
      const pages = [await page(harness, query)];
      for (let next = pages[0]?.next; next !== undefined; next = pages.at(-1)?.next) {
        pages.push(await page(harness, { ...query, before: next }));
        if (pages.length > 50) throw new Error('The pages do not come to an end.');
      }
      return pages;
    }

    test('has what is asked for', async () => {
      const harness = await filled();
      const count = async (query: Partial<AuditQuery>) => (await entries(harness, query)).length;
      const seqs = async (query: Partial<AuditQuery>) => (await entries(harness, query)).map(({ seq }) => seq);
      const all = await seqs({});
      expect(all).toEqual((await harness.log()).map(({ seq }) => seq).reverse());
      expect([await count({ sub: 'ada' }), await count({ id: 'r0' }), await count({ op: 'create' })]).toEqual([
        5, 4, 3,
      ]);
      expect(await count({ id: 'r0', sub: 'ben', op: 'update' })).toBe(2);
      expect([await count({ op: 'delete' }), await count({ actor: 'server' })]).toEqual([0, 0]);
      expect([await count({ actor: 'principal' }), await count({ table: 'DATA/t' })]).toEqual([10, 10]);
      expect(await count({ table: 'data/U' })).toBe(0);
      const [at3 = 0, at4 = 0, at6 = 0] = [all[3], all[4], all[6]];
      expect(await seqs({ after: at4 })).toEqual(all.slice(0, 4));
      expect(await seqs({ before: at4 })).toEqual(all.slice(5));
      expect(await seqs({ after: at6, before: at3 })).toEqual(all.slice(4, 6));
    });

    test.each([1, 3, 5, 10, 11])('of %i leads to the next one, without gap and repetition', async (limit) => {
      const harness = await filled();
      const pages = await walk(harness, { limit });
      expect(pages.flatMap((it) => it.entries)).toEqual(await entries(harness));
      expect(pages).toHaveLength(Math.ceil(10 / limit));
    });

    test('looks at so many entries only, and says that there may be more', async () => {
      const harness = await filled(3);
      expect(await entries(harness, { op: 'create' })).toEqual([]);
      const pages = await walk(harness, { op: 'create' });
      expect(pages.flatMap((it) => it.entries).map(({ id }) => id)).toEqual(['r2', 'r1', 'r0']);
      expect(pages).toHaveLength(4);
      expect((await walk(harness, {})).flatMap((it) => it.entries)).toHaveLength(10);
      // Of an id or a subject only its own entries are looked at.
      expect(await walk(harness, { id: 'r1', op: 'create' })).toHaveLength(1);
      expect(await walk(harness, { sub: 'ben', op: 'create' })).toHaveLength(2);
      expect((await walk(harness, { id: 'r1', sub: 'ben' })).map((it) => it.entries.length)).toEqual([2]);
    });
  });
}
