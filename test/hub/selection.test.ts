import { describe, expect, test } from 'vitest';
import { ChangeView } from '../../src/hub/change-view.ts';
import { makeFrame, makeRetained, timestampOf } from '../../src/hub/encode.ts';
import { EVERYTHING, type Selection, selectChange, selectRecord } from '../../src/hub/selection.ts';
import type { Change } from '../../src/store/store.ts';
import { tableOf } from '../schema/mistakes.ts';

const table = tableOf('type T @table { key: ID! @primaryKey n: Int text: String }');
const big: Selection = { key: 'big', matches: ({ n }) => Number(n) > 10 };
const chosen: Selection = { key: 'chosen', fields: ['key', 'n'] };
const both: Selection = { ...big, ...chosen, key: 'both' };

function change(op: Change['op'], data: unknown, before: unknown = null): Change {
  const text = (value: unknown) => (value === null ? null : JSON.stringify(value));
  return { seq: 5_000_000, table, op, id: 'a', data: JSON.stringify(data), before: text(before) };
}

function select(selection: Selection, change: Change) {
  return selectChange(selection, new ChangeView(change));
}

/** Type, data and reason of the frame, if there is one. */
function frameOf(selection: Selection, change: Change): unknown {
  const frame = select(selection, change);
  return frame && [frame.type, JSON.parse(frame.data), ...(frame.reason === undefined ? [] : [frame.reason])];
}

const record = { key: 'a', n: 20, text: 'x' };
const small = { key: 'a', n: 1, text: 'x' };

describe('without a selection', () => {
  test.each([
    ['create', 'Update'],
    ['update', 'Update'],
    ['delete', 'Delete'],
    ['publish', 'Publish'],
  ] as const)('a %s is sent as %s with its data unchanged', (op, type) => {
    const committed = change(op, record);
    expect(select(EVERYTHING, committed)).toEqual({ type, op, id: 'a', data: committed.data, seq: committed.seq });
    expect(makeFrame(committed)).toEqual(select(EVERYTHING, committed));
  });

  test('a stored record is sent as Retained', () => {
    const stored = { id: 'a', seq: 7, json: '{"key":"a"}' };
    const frame = { type: 'Retained', op: 'retained', id: 'a', data: stored.json, seq: 7 };
    expect(selectRecord(EVERYTHING, stored)).toEqual(frame);
    expect(makeRetained(stored)).toEqual(frame);
  });
});

describe('with a filter', () => {
  test.each([
    ['a new record in it', change('create', record), ['Update', record]],
    ['a new record outside', change('create', small), undefined],
    ['a record that stays in it', change('update', record, { n: 30 }), ['Update', record]],
    ['a record that comes in', change('update', record, { n: 1 }), ['Update', record]],
    ['a record that leaves', change('update', small, { n: 20 }), ['Delete', { key: 'a' }, 'filter']],
    ['a record outside that changes', change('update', small, { text: 'y' }), undefined],
    ['a removed record that was in it', change('delete', { key: 'a' }, record), ['Delete', { key: 'a' }]],
    ['a removed record that was outside', change('delete', { key: 'a' }, small), undefined],
    ['a message that fits', change('publish', { n: 11 }), ['Publish', { n: 11 }]],
    ['a message that does not fit', change('publish', { n: 9 }), undefined],
    ['a message that is not an object', change('publish', 'text'), undefined],
  ])('%s', (_what, committed, expected) => {
    expect(frameOf(big, committed)).toEqual(expected);
  });

  test('a stored record is sent when it matches', () => {
    expect(selectRecord(big, { id: 'a', seq: 1, json: JSON.stringify(record) })?.type).toBe('Retained');
    expect(selectRecord(big, { id: 'a', seq: 1, json: JSON.stringify(small) })).toBeUndefined();
  });
});

describe('with chosen fields', () => {
  test('a record has only these, in their order, with null for an absent one', () => {
    expect(frameOf(chosen, change('create', record))).toEqual(['Update', { key: 'a', n: 20 }]);
    expect(select(chosen, change('update', { text: 'x', key: 'a' }, {}))?.data).toBe('{"key":"a","n":null}');
    expect(selectRecord(chosen, { id: 'a', seq: 1, json: JSON.stringify(record) })?.data).toBe('{"key":"a","n":20}');
  });

  test('a delete and a message are sent unchanged', () => {
    expect(frameOf(chosen, change('delete', { key: 'a' }, record))).toEqual(['Delete', { key: 'a' }]);
    expect(frameOf(chosen, change('publish', { text: 'x', more: [1] }))).toEqual(['Publish', { text: 'x', more: [1] }]);
  });

  test('the filter can read fields that are not selected', () => {
    expect(frameOf(both, change('update', record, { n: 1 }))).toEqual(['Update', { key: 'a', n: 20 }]);
    const byText: Selection = { key: 't', fields: ['key'], matches: ({ text }) => text === 'x' };
    expect(frameOf(byText, change('create', record))).toEqual(['Update', { key: 'a' }]);
    expect(frameOf(byText, change('publish', { text: 'x', n: 1 }))).toEqual(['Publish', { text: 'x', n: 1 }]);
  });
});

test('the time of a change follows from its seq', () => {
  expect(timestampOf(1_736_937_000_000_999)).toBe('2025-01-15T10:30:00.000Z');
  expect(timestampOf(0)).toBe('1970-01-01T00:00:00.000Z');
});
