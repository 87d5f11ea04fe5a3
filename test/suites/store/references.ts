import { describe, expect, test } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import type { Write } from '../../../src/store/rows/write.ts';
import type { Change, CommitResult } from '../../../src/store/store.ts';
import { codeOf, type EngineUnderTest, type HarnessWrite, pass, StoreHarness, stopClock } from './harness.ts';

const SDL = `
type Card @table {
  id: ID! @primaryKey boardId: ID! title: String memberId: ID
  board: Board @relationship(from: "boardId", onDelete: CASCADE)
  member: Member @relationship(from: "memberId", onDelete: SET_NULL)
}
type Board @table(expiration: 60) { id: ID! @primaryKey ownerId: ID owner: Member @relationship(from: "ownerId", onDelete: RESTRICT) }
type Line @table @audit { id: ID! @primaryKey cardId: ID card: Card @relationship(from: "cardId", onDelete: CASCADE) }
type Member @table { id: ID! @primaryKey bossId: ID boss: Member @relationship(from: "bossId", onDelete: CASCADE) }
type Kept @table @check(rule: "boardId != null || isFree == true", message: "needs a board") {
  id: Int! @primaryKey boardId: ID isFree: Boolean board: Board @relationship(from: "boardId", onDelete: SET_NULL) }`;

type Cells = NonNullable<Extract<HarnessWrite, { type: 'create' }>['cells']>;

class Boards {
  readonly harness: StoreHarness;

  constructor(harness: StoreHarness) {
    this.harness = harness;
  }

  create(name: string, ...cells: Cells): Write {
    return this.of({ type: 'create', table: this.harness.tableNamed(name), id: cells[0] as string, cells });
  }

  patch(name: string, ...cells: Cells): Write {
    return this.of({ type: 'patch', table: this.harness.tableNamed(name), id: cells[0] as string, cells });
  }

  delete(name: string, id: string): Write {
    return this.of({ type: 'delete', table: this.harness.tableNamed(name), id });
  }

  of(write: HarnessWrite): Write {
    return this.harness.of(write);
  }

  /** Commits the writes as one group; throws the reason of a refusal. */
  async commit(...writes: readonly Write[]): Promise<CommitResult> {
    const result = await this.harness.commit(writes);
    const [first] = result.results;
    if (first instanceof AppError) throw first;
    return result;
  }

  /** Fills every table: two boards with two cards each, which have lines and members. */
  async fill(): Promise<void> {
    const { create } = this;
    const make = create.bind(this);
    await this.commit(
      ...['ann', 'bob'].map((id) => make('Member', id, null)),
      ...['b1', 'b2'].map((id) => make('Board', id, 'ann')),
      ...['c1', 'c2'].map((id) => make('Card', id, 'b1', 'one', 'bob')),
      ...['c3', 'c4'].map((id) => make('Card', id, 'b2', 'two', null)),
      ...['l1', 'l2'].map((id) => make('Line', id, 'c1')),
      make('Line', 'l3', 'c3'),
    );
  }

  async ids(name: string): Promise<string> {
    const records = (await this.harness.records(this.harness.tableNamed(name))) as { id: string }[];
    return records.map(({ id }) => id).join(' ');
  }
}

function shown(changes: readonly Change[]): string {
  return changes.map(({ table, op, id }) => `${op} ${table.name} ${id}`).join(', ');
}

export function referencesSuite(subject: EngineUnderTest): void {
  const open = async (limit = 10_000) =>
    new Boards(await StoreHarness.open(subject, SDL, { ...subject.options, largestCascade: limit }));

  describe('a key whose record is not there', () => {
    const errors = [
      {
        field: 'boardId',
        message: 'there is no record of Board with the key "b9": create it first, or in the same transaction',
      },
    ];

    test('is refused in each kind of write, and nothing is changed', async () => {
      const boards = await open();
      await boards.fill();
      const { harness } = boards;
      const before = await harness.records();
      const { lastSeq } = harness.store;
      const refused = {
        code: 'VALIDATION_ERROR',
        message: expect.stringMatching(/^boardId: there is no record/),
        errors,
      };
      await expect(harness.create('c9', 'b9')).rejects.toMatchObject(refused);
      await expect(harness.put('c9', 'b9')).rejects.toMatchObject(refused);
      await expect(harness.put('c1', 'b9')).rejects.toMatchObject(refused);
      await expect(harness.patch('c1', 'b9')).rejects.toMatchObject(refused);
      const many = { type: 'patch-where', filter: undefined, limit: 9, cells: [undefined, 'b9'] } as const;
      await expect(harness.write(many)).rejects.toMatchObject(refused);
      await expect(
        boards.commit(boards.create('Card', 'c8', 'b1'), boards.create('Card', 'c9', 'b9')),
      ).rejects.toMatchObject(refused);
      expect(await harness.records()).toEqual(before);
      expect(harness.store.lastSeq).toBe(lastSeq);
    });

    test('is named with its place in a group, and with null as a way out where that is allowed', async () => {
      const boards = await open();
      await boards.fill();
      const wrong = { ...boards.create('Card', 'c9', 'b1', null, 'x'), place: 'steps[1].' };
      await expect(boards.commit(boards.create('Card', 'c8', 'b1'), wrong)).rejects.toMatchObject({
        step: 1,
        errors: [
          {
            field: 'steps[1].memberId',
            message:
              'there is no record of Member with the key "x": create it first, or in the same transaction, or send null',
          },
        ],
      });
      const named = {
        type: 'patch-where',
        filter: undefined,
        limit: 9,
        cells: [undefined, 'b9'],
        named: true,
      } as const;
      await expect(boards.harness.write(named)).rejects.toMatchObject({
        errors: [{ field: 'record "c1", field boardId' }],
      });
    });

    test('may be that of a record which the same group creates, before or after, or the record itself', async () => {
      const boards = await open();
      await boards.commit(
        boards.create('Card', 'c1', 'b1', null, 'eve'),
        boards.create('Board', 'b1', 'eve'),
        boards.create('Member', 'eve', 'eve'),
      );
      await boards.commit(boards.create('Member', 'ann', 'bob'), boards.create('Member', 'bob', 'ann'));
      await boards.commit(boards.create('Member', 'cid', 'cid'));
      expect(await boards.ids('Member')).toBe('ann bob cid eve');
    });

    test('is found in the other groups of the same commit as far as they are before it', async () => {
      const boards = await open();
      const { results } = await boards.harness.commit(
        [boards.create('Card', 'c0', 'b1')],
        [boards.create('Board', 'b1', null)],
        [boards.create('Card', 'c1', 'b1')],
        [boards.delete('Board', 'b1')],
        [boards.create('Card', 'c2', 'b1')],
      );
      expect(results.map((result) => result instanceof AppError)).toEqual([true, false, false, false, true]);
      expect(await boards.ids('Card')).toBe('');
    });

    test('stays as it is where a write does not change it', async () => {
      const boards = await open();
      await boards.fill();
      await boards.commit(boards.patch('Card', 'c1', undefined, 'renamed'));
      await boards.commit(boards.patch('Card', 'c1', 'b2', undefined, null));
      expect((await boards.harness.records())[0]).toEqual({
        id: 'c1',
        boardId: 'b2',
        title: 'renamed',
        memberId: null,
      });
    });
  });

  describe('the deletion of a record', () => {
    test('deletes what refers to it, one level after the other, as one transaction of the log', async () => {
      const boards = await open();
      await boards.fill();
      const { changes, results } = await boards.commit(boards.delete('Board', 'b1'));
      expect(shown(changes)).toBe('delete Board b1, delete Card c1, delete Card c2, delete Line l1, delete Line l2');
      const mark = changes.at(-1)?.seq;
      expect(new Set(changes.map(({ transaction }) => transaction))).toEqual(new Set([mark]));
      expect(results[0]).toMatchObject([{ id: 'b1', changed: true, transaction: mark }]);
      expect(changes[1]).toMatchObject({ data: '{"id":"c1"}', before: expect.stringContaining('"title":"one"') });
      expect(await boards.harness.log(changes[0]?.seq)).toEqual(changes.slice(1, 3));
      expect([await boards.ids('Card'), await boards.ids('Line')]).toEqual(['c3 c4', 'l3']);
    });

    test('sets keys to null, as an update with its former value', async () => {
      const boards = await open();
      await boards.fill();
      const { changes } = await boards.commit(boards.delete('Member', 'bob'));
      expect(shown(changes)).toBe('delete Member bob, update Card c1, update Card c2');
      expect(changes[1]).toMatchObject({
        before: '{"memberId":"bob"}',
        data: expect.stringContaining('"memberId":null'),
      });
    });

    test('is refused while a record with RESTRICT refers to it', async () => {
      const boards = await open();
      await boards.fill();
      const message =
        'The record cannot be deleted: 2 records of Board refer to it by ownerId. Delete them first, or change ownerId there.';
      await expect(boards.commit(boards.delete('Member', 'ann'))).rejects.toMatchObject({ code: 'CONFLICT', message });
      await boards.commit(boards.delete('Board', 'b1'));
      await expect(boards.commit(boards.delete('Member', 'ann'))).rejects.toThrow(
        '1 record of Board refers to it by ownerId. Delete it first',
      );
      // A member further down.
      await boards.commit(boards.create('Member', 'top', null), boards.patch('Member', 'ann', 'top'));
      await expect(boards.commit(boards.delete('Member', 'top'))).rejects.toThrow(
        'A record of Member that would be deleted with it cannot be: 1 record of Board refers to it by ownerId.',
      );
      expect(await boards.ids('Member')).toBe('ann bob top');
      await boards.commit(boards.delete('Member', 'ann'), boards.patch('Board', 'b2', null));
      expect(await boards.ids('Member')).toBe('bob top');
    });

    test('is refused where the record that would lose its key breaks a rule', async () => {
      const boards = await open();
      await boards.fill();
      await boards.commit(boards.create('Kept', 1, 'b1', 1), boards.create('Kept', 2, 'b1', 0));
      await expect(boards.commit(boards.delete('Board', 'b1'))).rejects.toMatchObject({
        code: 'CONFLICT',
        message: 'A record of Kept must not have null as boardId: boardId, isFree: needs a board',
      });
      expect(await boards.ids('Line')).toBe('l1 l2 l3');
      await boards.commit(boards.delete('Kept', 2 as never));
      await boards.commit(boards.delete('Board', 'b1'));
      expect(await boards.harness.records(boards.harness.tableNamed('Kept'))).toEqual([
        { id: 1, boardId: null, isFree: true },
      ]);
    });

    test('ends in cycles and at records that refer to themselves', async () => {
      const boards = await open();
      await boards.commit(
        ...['a', 'b', 'c'].map((id, index) => boards.create('Member', id, ['b', 'c', 'a'][index])),
        boards.create('Member', 'self', 'self'),
      );
      const { changes } = await boards.commit(boards.delete('Member', 'a'));
      expect(shown(changes)).toBe('delete Member a, delete Member c, delete Member b');
      await boards.commit(boards.delete('Member', 'self'));
      expect(await boards.ids('Member')).toBe('');
    });

    test('reaches records that the same group has written', async () => {
      const boards = await open();
      await boards.fill();
      const { changes } = await boards.commit(
        boards.create('Card', 'c5', 'b1'),
        boards.patch('Card', 'c3', 'b1'),
        boards.patch('Card', 'c1', 'b2'),
        boards.delete('Board', 'b1'),
        boards.create('Board', 'b1', 'ann'),
        boards.create('Card', 'c6', 'b1'),
      );
      expect(shown(changes.slice(3))).toBe(
        'delete Board b1, delete Card c2, delete Card c3, delete Card c5, delete Line l3, create Board b1, create Card c6',
      );
      expect(await boards.ids('Card')).toBe('c1 c4 c6');
    });

    test('by a filter deletes once what refers to several of the records', async () => {
      const boards = await open();
      await boards.fill();
      await boards.commit(boards.create('Member', 'cat', 'bob'), boards.create('Member', 'dan', 'cat'));
      const table = boards.harness.tableNamed('Board');
      const all = { type: 'delete-where', table, filter: undefined, limit: 9 } as const;
      const { results, changes } = await boards.commit(boards.of(all));
      expect(results[0]).toMatchObject([{ json: '{"matched":2,"changed":2}' }]);
      expect(changes).toHaveLength(9);
      expect(await boards.ids('Card')).toBe('');
      await boards.commit(boards.of({ ...all, table: boards.harness.tableNamed('Member') }));
      expect(await boards.ids('Member')).toBe('');
    });

    test('of an expired record is one like any other', async () => {
      stopClock();
      const boards = await open();
      await boards.fill();
      pass(61_000);
      const table = boards.harness.tableNamed('Board');
      expect(await boards.harness.store.expired(table, Date.now(), 9)).toEqual(['b1', 'b2']);
      const by = { type: 'expiration' } as const;
      const { changes } = await boards.commit(
        boards.of({ type: 'delete', table, id: 'b1', expiredAt: Date.now(), by }),
      );
      expect(changes).toHaveLength(5);
      const page = await boards.harness.store.audit?.page({ limit: 9, filter: undefined, after: undefined } as never);
      expect(JSON.stringify(page)).toContain('expiration');
    });

    test('that is sent again with its key deletes nothing more', async () => {
      const boards = await open();
      await boards.fill();
      const once = { key: 'k', hash: 'h' };
      const group = { once, writes: [boards.delete('Board', 'b1')] };
      const [first] = (await boards.harness.commit(group)).results;
      await boards.commit(boards.create('Board', 'b1', null), boards.create('Card', 'c1', 'b1'));
      const { results, changes } = await boards.harness.commit(group);
      expect(changes).toEqual([]);
      expect(results[0]).toEqual((first as object[]).map((outcome) => ({ ...outcome, replayed: true })));
      expect(await boards.ids('Card')).toBe('c1 c3 c4');
    });

    test('that would reach more records than it may changes nothing, and its neighbours are not affected', async () => {
      const boards = await open(3);
      await boards.fill();
      const { results, changes } = await boards.harness.commit(
        [boards.create('Member', 'eve', null)],
        [boards.delete('Board', 'b1')],
        [boards.delete('Board', 'b2')],
      );
      expect(results[1]).toMatchObject({
        code: 'CONFLICT',
        message:
          'More than 3 other records would be deleted or changed with it (limits.cascade): delete some of them first.',
      });
      expect(shown(changes)).toBe('create Member eve, delete Board b2, delete Card c3, delete Card c4, delete Line l3');
      expect([await boards.ids('Board'), await boards.ids('Line')]).toEqual(['b1', 'l1 l2']);
    });

    test('follows a long chain to its end', async () => {
      const boards = await open();
      const ids = Array.from({ length: 300 }, (_, index) => `m${String(index).padStart(3, '0')}`);
      await boards.commit(...ids.map((id, index) => boards.create('Member', id, ids[index - 1] ?? null)));
      const { changes } = await boards.commit(boards.delete('Member', 'm000'));
      expect(changes.map(({ id }) => id)).toEqual(ids);
    });
  });

  test('a caller learns nothing of keys before its rights are judged', async () => {
    const boards = await open();
    const guard = () => {
      throw new AppError('FORBIDDEN', 'no');
    };
    expect(await codeOf(boards.commit({ ...boards.create('Card', 'c1', 'b9'), guard } as Write))).toBe('FORBIDDEN');
  });

  test('keys that are numbers are those of records', async () => {
    const harness = await StoreHarness.open(
      subject,
      `type P @table { id: Long! @primaryKey }
      type C @table { id: Int! @primaryKey p: Long to: P @relationship(from: "p", onDelete: CASCADE) }`,
    );
    const table = harness.tableNamed('C');
    for (const id of [5, Number.MAX_SAFE_INTEGER]) {
      await harness.create(id);
      await harness.write({ type: 'create', table, id, cells: [id, BigInt(id)] });
    }
    const beyond = harness.write({ type: 'create', table, id: 3, cells: [3, 2n ** 60n] });
    await expect(beyond).rejects.toThrow('there is no record of P with the key 1152921504606846976');
    await harness.delete(5);
    expect(await harness.records(table)).toEqual([{ id: Number.MAX_SAFE_INTEGER, p: Number.MAX_SAFE_INTEGER }]);
  });
}
