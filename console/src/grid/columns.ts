import type { Field, Table } from '../state/schema.ts';
import { keepValue, readKept } from '../state/settings.ts';
import type { GridQuery } from './query.ts';
import type { Rec } from './segment.ts';

export interface Column {
  readonly name: string;
  readonly field: Field | undefined;
  readonly width: number;
  readonly isKey: boolean;
}

/** What is kept of a table's columns. */
export interface Layout {
  readonly order?: readonly string[];
  readonly hidden?: readonly string[];
  readonly widths?: Readonly<Record<string, number>>;
}

export const MIN_WIDTH = 64;
export const MAX_WIDTH = 900;

const layoutName = (app: string, table: string) => `columns.${app}/${table}`;

export function readLayout(app: string, table: string): Layout {
  return readKept<Layout>(layoutName(app, table)) ?? {};
}

export function keepLayout(app: string, table: string, layout: Layout): void {
  keepValue(layoutName(app, table), layout);
}

/** Columns of a table: those that the address names, else all but those that were hidden, in the order that was kept. */
export function columnsOf(table: Table, query: GridQuery, layout: Layout): readonly Column[] {
  const { hidden = [], order = [], widths = {} } = layout;
  const fields = table.fields.filter((field) => !field.hidden);
  const known = new Map(fields.map((field) => [field.name, field]));
  const names =
    query.selected === undefined
      ? sortBy(
          fields.map(({ name }) => name),
          order,
        ).filter((name) => !hidden.includes(name))
      : [...new Set([table.key, ...query.selected])];
  return names.map((name) => {
    const field = known.get(name);
    return { name, field, width: widths[name] ?? widthOf(field, name === table.key), isKey: name === table.key };
  });
}

/** Columns of records of which only a sample is known, such as totals. */
export function columnsOfRecords(records: readonly Rec[]): readonly Column[] {
  const names = new Set(records.flatMap((record) => Object.keys(record)));
  return [...names].map((name) => ({ name, field: undefined, width: 180, isKey: false }));
}

function sortBy(names: readonly string[], order: readonly string[]): readonly string[] {
  const place = (name: string) => (order.includes(name) ? order.indexOf(name) : order.length + names.indexOf(name));
  return names.toSorted((a, b) => place(a) - place(b));
}

function widthOf(field: Field | undefined, isKey: boolean): number {
  // On a phone the key leaves room for another column.
  return Math.min(plainWidth(field, isKey), Math.max(120, innerWidth * 0.4));
}

function plainWidth(field: Field | undefined, isKey: boolean): number {
  if (field === undefined) return 200;
  if (isKey) return field.kind === 'text' ? 240 : 110;
  if (field.list || field.kind === 'json' || field.kind === 'object') return 220;
  switch (field.kind) {
    case 'boolean':
      return 96;
    case 'number':
      return 116;
    case 'enum':
      return 130;
    case 'long':
      return 180;
    case 'date':
      return 200;
    default:
      return 220;
  }
}
