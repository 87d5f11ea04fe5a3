import { describeConstraints, type StoredConstraints } from '../constraints/compare.ts';
import type {
  CompositeIndexPlan,
  FieldPlan,
  FieldType,
  Plan,
  Reference,
  RuleText,
  ScalarName,
  TablePlan,
} from '../plan.ts';

/** Field type as plain JSON. Names of enums and objects are left out, since renaming one changes no data. */
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
  /** Absent instead of false, as in schemas stored before this kind of index existed. */
  readonly fulltext?: true;
  /** Absent instead of false. Hidden fields are neither in responses nor in the log. */
  readonly hidden?: true;
  /** Signature of a computed field: its expression with the kinds of the fields in it. */
  readonly computed?: string;
  /** Constraints that every value meets, with those of nested types; absent without any. */
  readonly constraints?: StoredConstraints;
}

/** Names of the fields, in the index's order. */
export interface StoredIndex {
  readonly fields: readonly string[];
  readonly unique: boolean;
}

export interface StoredTable {
  /** Name of the type, for messages about a table that has left the schema. */
  readonly name: string;
  readonly database: string;
  readonly table: string;
  readonly primaryKey: string;
  readonly columns: readonly StoredColumn[];
  /** Milliseconds. Null instead of undefined, since the value is stored as JSON. */
  readonly expiration: number | null;
  readonly expiresAt: string | null;
  /** Read access as a string that is compared at the next start; absent without directives. */
  readonly rights?: string;
  /** Absent instead of empty, as in schemas stored before composite indexes existed. */
  readonly compositeIndexes?: readonly StoredIndex[];
  /** Signatures of the rules of `@check` that every record meets; absent without any. */
  readonly checks?: readonly string[];
  /** References whose keys are those of records, by `referenceKey`; absent without any. */
  readonly references?: readonly string[];
}

/** Schema that is saved in the store with the data and compared with the plan at the next start. */
export interface StoredSchema {
  readonly version: 1;
  readonly tables: readonly StoredTable[];
}

/** Returns the plan as plain JSON. Tables of `previous` that have left the schema stay in it, as their data does. */
export function describeStored(plan: Plan, previous?: StoredSchema): StoredSchema {
  const tables = plan.tables.map(describeTable);
  const present = new Set(tables.map(keyOf));
  const left = (previous?.tables ?? []).filter((table) => !present.has(keyOf(table)));
  return { version: 1, tables: [...tables, ...left.map(withoutReferences)] };
}

/** Nothing keeps the references of a table that is not served. */
function withoutReferences({ references: _, ...table }: StoredTable): StoredTable {
  return table;
}

/** Key of a table by its stored name, which is case-insensitive as in SQLite. */
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
    ...(table.checks.length === 0 ? {} : { checks: table.checks.map(({ signature }) => signature) }),
    ...(table.references.length === 0 ? {} : { references: table.references.map(referenceKey) }),
  };
}

/** Returns the field and the stored name of the table whose keys it has. What a deletion does is left out: it changes no record. */
export function referenceKey({ field, target }: Reference): string {
  return `${field.name} -> ${keyOf(target)}`;
}

/** Describes the rules for reading and subscribing. Write rules are left out: they change nothing for readers. */
function describeRights({ public: open, access, fields }: TablePlan): string | undefined {
  const ofFields = fields.flatMap(({ name, access: own }) =>
    own?.read === undefined ? [] : [[name, ruleTexts(own.read)]],
  );
  if (open.size === 0 && access === undefined && ofFields.length === 0) return undefined;
  return JSON.stringify({
    public: READ_ACTIONS.filter((action) => open.has(action)),
    rules: READ_ACTIONS.map((action) => access?.rules.get(action)).map((rules) => rules && ruleTexts(rules)),
    account: access?.account && [access.account.field.name, access.account.claim],
    fields: ofFields,
  });
}

const READ_ACTIONS = ['read', 'subscribe'] as const;

function ruleTexts(rules: readonly RuleText[]): readonly string[] {
  return rules.map(({ text }) => text);
}

function describeColumn(field: FieldPlan): StoredColumn {
  const { indexed, unique, fulltext, hidden, computed } = field;
  const hasDefault = field.default !== undefined;
  const constraints = describeConstraints(field);
  return {
    ...describeMember(field),
    indexed,
    unique,
    hasDefault,
    ...(fulltext ? { fulltext } : {}),
    ...(hidden ? { hidden } : {}),
    ...(computed === undefined ? {} : { computed: computed.signature }),
    ...(constraints === undefined ? {} : { constraints }),
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
