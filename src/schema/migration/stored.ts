import type { CompositeIndexPlan, FieldPlan, FieldType, Plan, RuleText, ScalarName, TablePlan } from '../plan.ts';

/** A field type as plain JSON. Names of enums and objects are left out: renaming one changes no data. */
export type StoredType =
  | { readonly kind: 'scalar'; readonly name: ScalarName }
  | { readonly kind: 'enum'; readonly values: readonly string[] }
  | { readonly kind: 'list'; readonly of: StoredType; readonly itemsRequired: boolean }
  | { readonly kind: 'object'; readonly fields: readonly StoredMember[] };

export interface StoredMember {
  readonly name: string;
  readonly type: StoredType;
  readonly required: boolean;
}

export interface StoredColumn extends StoredMember {
  readonly indexed: boolean;
  readonly unique: boolean;
  readonly hasDefault: boolean;
  /** Missing where it is false, as in what was stored before there was such an index. */
  readonly fulltext?: true;
  /** Missing where it is false, too: such a field is not in what is given out, nor in the log. */
  readonly hidden?: true;
  /** Of a computed field: its expression, with the kinds of the fields in it. */
  readonly computed?: string;
}

/** Names of the fields, in the index's order. */
export interface StoredIndex {
  readonly fields: readonly string[];
  readonly unique: boolean;
}

export interface StoredTable {
  /** The type's name, for messages about a table that has left the schema. */
  readonly name: string;
  readonly database: string;
  readonly table: string;
  readonly primaryKey: string;
  readonly columns: readonly StoredColumn[];
  /** Null, not missing: the value goes through JSON. */
  readonly expiration: number | null;
  readonly expiresAt: string | null;
  /** Who sees which records and fields, to be compared; missing where no directive says so. */
  readonly rights?: string;
  /** Missing where there are none, as in what was stored before there could be any. */
  readonly compositeIndexes?: readonly StoredIndex[];
}

/** What is saved in the store beside the data, to be compared with the plan at the next start. */
export interface StoredSchema {
  readonly version: 1;
  readonly tables: readonly StoredTable[];
}

/** The plan as plain JSON. Tables of `previous` that have left the schema stay in it, because their data stays too. */
export function describeStored(plan: Plan, previous?: StoredSchema): StoredSchema {
  const tables = plan.tables.map(describeTable);
  const present = new Set(tables.map(keyOf));
  return { version: 1, tables: [...tables, ...(previous?.tables ?? []).filter((table) => !present.has(keyOf(table)))] };
}

/** Stored names are compared without case, as SQLite does. */
export function keyOf({ database, table }: Pick<StoredTable, 'database' | 'table'>): string {
  return `${database}.${table}`.toLowerCase();
}

export function describeTable(table: TablePlan): StoredTable {
  const rights = describeRights(table);
  return {
    name: table.name,
    database: table.database,
    table: table.table,
    primaryKey: table.primaryKey.name,
    columns: table.fields.map(describeColumn),
    expiration: table.expiration ?? null,
    expiresAt: table.fields.find(({ expiresAt }) => expiresAt)?.name ?? null,
    ...(rights === undefined ? {} : { rights }),
    ...(table.compositeIndexes.length === 0 ? {} : { compositeIndexes: table.compositeIndexes.map(describeIndex) }),
  };
}

/** What decides about reading and hearing; who may write changes nothing for those who read. */
function describeRights({ public: open, access, fields }: TablePlan): string | undefined {
  const ofFields = fields.flatMap(({ name, access: own }) =>
    own?.read === undefined ? [] : [[name, textsOf(own.read)]],
  );
  if (open.size === 0 && access === undefined && ofFields.length === 0) return undefined;
  return JSON.stringify({
    public: SEEING.filter((action) => open.has(action)),
    rules: SEEING.map((action) => access?.rules.get(action)).map((rules) => rules && textsOf(rules)),
    account: access?.account && [access.account.field.name, access.account.claim],
    fields: ofFields,
  });
}

const SEEING = ['read', 'subscribe'] as const;

function textsOf(rules: readonly RuleText[]): readonly string[] {
  return rules.map(({ text }) => text);
}

function describeColumn(field: FieldPlan): StoredColumn {
  const { indexed, unique, fulltext, hidden, computed } = field;
  const hasDefault = field.default !== undefined;
  return {
    ...describeMember(field),
    indexed,
    unique,
    hasDefault,
    ...(fulltext ? { fulltext } : {}),
    ...(hidden ? { hidden } : {}),
    ...(computed === undefined ? {} : { computed: computed.signature }),
  };
}

function describeIndex({ fields, unique }: CompositeIndexPlan): StoredIndex {
  return { fields: fields.map(({ name }) => name), unique };
}

function describeMember({ name, type, required }: FieldPlan): StoredMember {
  return { name, type: describeType(type), required };
}

export function describeType(type: FieldType): StoredType {
  switch (type.kind) {
    case 'scalar':
      return { kind: 'scalar', name: type.name };
    case 'enum':
      return { kind: 'enum', values: type.values };
    case 'list':
      return { kind: 'list', of: describeType(type.of), itemsRequired: type.itemsRequired };
    case 'object':
      return { kind: 'object', fields: type.fields.map(describeMember) };
  }
}
