import type { FieldPlan, FieldType, JsonValue, Plan, TablePlan } from '../plan.ts';
import {
  keyOf,
  type StoredColumn,
  type StoredMember,
  type StoredSchema,
  type StoredTable,
  type StoredType,
} from './stored.ts';

/** Name in the plan, with the names that it had before. */
interface Renamed {
  readonly name: string;
  readonly renamedFrom?: readonly string[];
}

/** Stored names by the names in the plan. */
interface NameMatches<W extends Renamed, S> {
  readonly found: ReadonlyMap<W, S>;
  /** Found under an earlier name. */
  readonly renamed: ReadonlySet<W>;
  /** Stored under an earlier name while the present name is stored, too. */
  readonly conflicts: ReadonlyMap<W, S>;
}

/** Stored table of a table in the plan, under its own name or an earlier one. */
export interface TableMatch {
  /** As it is stored. */
  readonly stored: StoredTable;
  /** The same with the names of the plan, for comparing. */
  readonly now: StoredTable;
  readonly isRenamed: boolean;
  /** Stored columns of the fields; a new field has none. */
  readonly columns: NameMatches<FieldPlan, StoredColumn>;
}

export interface SchemaMatches {
  readonly tables: ReadonlyMap<TablePlan, TableMatch>;
  /** Tables of earlier names that are stored beside the table of the present name. */
  readonly conflicts: ReadonlyMap<TablePlan, StoredTable>;
  /** Stored tables that no table of the plan has. */
  readonly left: readonly StoredTable[];
}

/** Pure: finds the stored table and columns of each table and field, following `@renamedFrom`. */
export function matchSchema(stored: StoredSchema | undefined, plan: Plan): SchemaMatches {
  const tables = stored?.tables ?? [];
  const { found, renamed, conflicts } = matchNames(plan.tables, tables, {
    own: (table, old) => keyOf(table) === keyOf(old),
    earlier: (name, old, table) => old.name === name || keyOf({ database: table.database, table: name }) === keyOf(old),
  });
  const matched = new Set(found.values());
  return {
    tables: new Map([...found].map(([table, old]) => [table, matchTable(old, table, renamed.has(table))])),
    conflicts,
    left: tables.filter((table) => !matched.has(table)),
  };
}

function matchTable(stored: StoredTable, table: TablePlan, isRenamed: boolean): TableMatch {
  const columns = matchNames(table.fields, stored.columns, {
    // Names of columns are compared case-insensitively, as in SQLite.
    own: (field, column) => field.name.toLowerCase() === column.name.toLowerCase(),
    earlier: (name, column) => name.toLowerCase() === column.name.toLowerCase(),
  });
  return { stored, now: nowOf(stored, columns), isRenamed, columns };
}

interface NameComparison<W, S> {
  own(wanted: W, stored: S): boolean;
  earlier(name: string, stored: S, wanted: W): boolean;
}

function matchNames<W extends Renamed, S>(
  wanted: readonly W[],
  stored: readonly S[],
  { own, earlier }: NameComparison<W, S>,
): NameMatches<W, S> {
  const found = new Map<W, S>();
  const renamed = new Set<W>();
  const conflicts = new Map<W, S>();
  const free = new Set(stored);
  const take = (one: W, old: S | undefined): boolean => {
    if (old === undefined) return false;
    free.delete(old);
    found.set(one, old);
    return true;
  };
  for (const one of wanted)
    take(
      one,
      [...free].find((old) => own(one, old)),
    );
  for (const one of wanted) {
    for (const name of one.renamedFrom ?? []) {
      const old = [...free].find((candidate) => earlier(name, candidate, one));
      if (old === undefined) continue;
      if (found.has(one)) conflicts.set(one, old);
      else if (take(one, old)) renamed.add(one);
    }
  }
  return { found, renamed, conflicts };
}

/** Returns the stored table with the names of the plan in place of earlier ones. */
function nowOf(stored: StoredTable, { found, renamed }: TableMatch['columns']): StoredTable {
  const fields = new Map([...found].map(([field, column]) => [column, field]));
  const names = new Map([...renamed].map((field) => [found.get(field)?.name, field.name]));
  const nameOf = (name: string) => names.get(name) ?? name;
  return {
    ...stored,
    primaryKey: nameOf(stored.primaryKey),
    expiresAt: stored.expiresAt === null ? null : nameOf(stored.expiresAt),
    columns: stored.columns.map((column) => {
      const field = fields.get(column);
      if (field === undefined) return column;
      return { ...column, name: nameOf(column.name), type: renameType(column.type, field.type) };
    }),
    ...(stored.compositeIndexes === undefined
      ? {}
      : {
          compositeIndexes: stored.compositeIndexes.map((index) => ({ ...index, fields: index.fields.map(nameOf) })),
        }),
  };
}

/** Returns the stored type with the present names of its members and enum values; the same object where all are present. */
export function renameType(from: StoredType, to: FieldType): StoredType {
  if (from.kind === 'list' || to.kind === 'list') {
    const of = renameType(from.kind === 'list' ? from.of : from, to.kind === 'list' ? to.of : to);
    if (from.kind !== 'list') return of;
    return of === from.of ? from : { ...from, of };
  }
  if (from.kind === 'enum' && to.kind === 'enum') {
    const names = enumNames(from, to);
    return names.size === 0 ? from : { ...from, values: from.values.map((value) => names.get(value) ?? value) };
  }
  if (from.kind !== 'object' || to.kind !== 'object') return from;
  const members = matchMembers(from, to);
  const fields = from.fields.map((member): StoredMember => {
    const field = members.get(member);
    if (field === undefined) return member;
    const type = renameType(member.type, field.type);
    return type === member.type && field.name === member.name ? member : { ...member, name: field.name, type };
  });
  return fields.every((member, index) => member === from.fields[index]) ? from : { ...from, fields };
}

/** Returns a value of the stored type with the present names of its members and enum values. */
export function renameValue(value: JsonValue, from: StoredType, to: FieldType): JsonValue {
  if (value === null) return null;
  if (from.kind === 'list' || to.kind === 'list') {
    const of = to.kind === 'list' ? to.of : to;
    if (from.kind !== 'list') return renameValue(value, from, of);
    return Array.isArray(value) ? value.map((item: JsonValue) => renameValue(item, from.of, of)) : value;
  }
  if (from.kind === 'enum' && to.kind === 'enum') return enumNames(from, to).get(String(value)) ?? value;
  if (from.kind !== 'object' || to.kind !== 'object' || typeof value !== 'object') return value;
  const members = new Map([...matchMembers(from, to)].map(([member, field]) => [member.name, { member, field }]));
  const entries = Object.entries(value).map(([name, item]): [string, JsonValue] => {
    const match = members.get(name);
    if (match === undefined) return [name, item];
    return [match.field.name, renameValue(item, match.member.type, match.field.type)];
  });
  return Object.fromEntries(entries);
}

type OfKind<T, K> = Extract<T, { kind: K }>;

function matchMembers(from: OfKind<StoredType, 'object'>, to: OfKind<FieldType, 'object'>) {
  const { found } = matchNames(to.fields, from.fields, {
    own: (field, member) => field.name === member.name,
    earlier: (name, member) => name === member.name,
  });
  return new Map([...found].map(([field, member]) => [member, field]));
}

/** Returns the present names of the stored enum values that have another one. */
function enumNames(from: OfKind<StoredType, 'enum'>, to: OfKind<FieldType, 'enum'>): ReadonlyMap<string, string> {
  if (to.renamedFrom === undefined) return NO_NAMES;
  const renames = to.renamedFrom;
  const wanted = to.values.map((name) => ({ name, renamedFrom: renames[name] ?? [] }));
  const { found, renamed } = matchNames(wanted, from.values, {
    own: ({ name }, value) => name === value,
    earlier: (name, value) => name === value,
  });
  return new Map([...renamed].map((one) => [found.get(one) as string, one.name]));
}

const NO_NAMES: ReadonlyMap<string, string> = new Map();
