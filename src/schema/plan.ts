import type { SourceLocation } from '../config/files/diagnostic.ts';

/** Actions that access rules allow or deny. */
export const ACTIONS = ['read', 'create', 'update', 'delete', 'subscribe', 'publish'] as const;
export type Action = (typeof ACTIONS)[number];

export const TRANSPORTS = ['rest', 'sse', 'ws'] as const;
export type TransportName = (typeof TRANSPORTS)[number];

export type ScalarName = 'ID' | 'String' | 'Int' | 'Float' | 'Boolean' | 'Date' | 'Long' | 'JSON';

export type FieldType =
  | { readonly kind: 'scalar'; readonly name: ScalarName }
  | {
      readonly kind: 'enum';
      readonly name: string;
      readonly values: readonly string[];
      readonly renamedFrom?: EnumRenames;
    }
  | { readonly kind: 'list'; readonly of: FieldType; readonly itemsRequired: boolean }
  | { readonly kind: 'object'; readonly name: string; readonly fields: readonly FieldPlan[] };

/** Earlier names of the values of an enum that have some, the latest first. */
export type EnumRenames = Readonly<Record<string, readonly string[]>>;

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };

export interface ComputedPlan {
  /** Expression as it is written. */
  readonly from: string;
  /** Names of the fields in the expression, none of which is computed. */
  readonly uses: readonly string[];
  /** Expression with the kinds of its fields: when it differs from the stored one, every value is computed again. */
  readonly signature: string;
}

/**
 * `@constraint`, with the meaning of JSON Schema. Words about single values hold for the items of a list. Numbers are decimal
 * text, since a Long does not fit a double.
 */
export interface Constraints {
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly format?: string;
  readonly min?: string;
  readonly max?: string;
  readonly exclusiveMin?: string;
  readonly exclusiveMax?: string;
  readonly multipleOf?: string;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: true;
}

/** `@check`: a condition on the fields of a record that has to hold after every write. */
export interface CheckPlan {
  /** Expression as it is written. */
  readonly rule: string;
  /** Sentence for clients in place of the rule. */
  readonly message?: string;
  /** Names of the fields in the expression. */
  readonly uses: readonly string[];
  /** Expression with the kinds of its fields: stored records have been checked against the stored one. */
  readonly signature: string;
  readonly at: SourceLocation;
}

export interface FieldPlan {
  readonly name: string;
  /** `@renamedFrom`: earlier names, under which its values may be stored. */
  readonly renamedFrom?: readonly string[];
  readonly type: FieldType;
  /** `!` in the SDL: never null in a stored record. */
  readonly required: boolean;
  readonly description?: string;
  readonly default?: JsonValue;
  readonly constraints?: Constraints;
  /** `@default(value: "$auth.sub")`: claim of the creator, which the server sets; other values are refused. */
  readonly defaultClaim?: string;
  readonly primaryKey: boolean;
  /** Name of the type whose records' keys it has, where these are checked: `@relationship(from:, onDelete:)`. */
  readonly keyOf?: string;
  readonly indexed: boolean;
  readonly unique: boolean;
  /** `@indexed(type: "fulltext")`: an index of the words in the value. */
  readonly fulltext: boolean;
  /** Set by the server at creation or at every change; clients may not send it. */
  readonly stamp?: 'created' | 'updated';
  /** `@computed`: computed from other fields on every write; clients may not send it, and it is never required. */
  readonly computed?: ComputedPlan;
  /** `@expiresAt`: the record is removed after this time. */
  readonly expiresAt: boolean;
  /** `@hidden`: stored and written like any other, but never in a response or on a channel, and unknown to queries. */
  readonly hidden: boolean;
  /** `@access` of the field. */
  readonly access?: FieldAccess;
  readonly at: SourceLocation;
}

/** Access rule as it is written. */
export interface RuleText {
  readonly text: string;
  readonly at: SourceLocation;
}

/** Rules of a field, one of which has to hold. Without a list, the access of the record decides. */
export interface FieldAccess {
  readonly read?: readonly RuleText[];
  readonly write?: readonly RuleText[];
}

/** `@access` and `@account` of a type. */
export interface AccessPlan {
  /** Rules of each action, one of which has to hold. */
  readonly rules: ReadonlyMap<Action, readonly RuleText[]>;
  /** Field with the account that owns a record, and the claim with the account of the caller. */
  readonly account: { readonly field: FieldPlan; readonly claim: string } | undefined;
}

/** `@compositeIndex`: an index over several fields, in this order. */
export interface CompositeIndexPlan {
  readonly fields: readonly FieldPlan[];
  /** No two records may have the same values in all of them; a record with a null among them is not compared. */
  readonly unique: boolean;
  readonly at: SourceLocation;
}

/** Field that is not stored and stands for records of another table. */
export interface RelationPlan {
  readonly name: string;
  readonly description?: string;
  /** Table of those records. Related tables may refer to each other. */
  readonly target: TablePlan;
  /** True for a list of records in the order of their primary keys; false for one record or null. */
  readonly many: boolean;
  /** `@relationship(from:)`: field of this table with the key of the target's record, or a list of such keys. */
  readonly from?: FieldPlan;
  /** `@relationship(to:)`: field of the target with this record's key, or a list with it. */
  readonly to?: FieldPlan;
  readonly at: SourceLocation;
}

/** Actions on the records that refer to a deleted record. */
export const ON_DELETE = ['CASCADE', 'SET_NULL', 'RESTRICT'] as const;
export type OnDelete = (typeof ON_DELETE)[number];

/** Reference that is kept whole, `@relationship(from:, onDelete:)`: the field is null or the key of a record that is there. */
export interface Reference {
  /** Table with the key in a field. */
  readonly table: TablePlan;
  readonly field: FieldPlan;
  readonly target: TablePlan;
  readonly onDelete: OnDelete;
}

export interface SwitchedOff {
  readonly transport: TransportName;
  /** Setting that turned it off, for the start-up log: `@export(ws: false)` or `ws: false in config.yaml`. */
  readonly by: string;
}

export interface TablePlan {
  /** Name of the GraphQL type. */
  readonly name: string;
  /** `@renamedFrom`: earlier names, under which its records may be stored. */
  readonly renamedFrom?: readonly string[];
  readonly description?: string;
  /** Namespace inside the store; `data` unless `@table(database:)` says otherwise. */
  readonly database: string;
  /** Stored name; the type's name unless `@table(table:)` says otherwise. */
  readonly table: string;
  /** Last segment of the URL. Undefined without `@export`: the table then has no endpoint and no channel. */
  readonly exportName: string | undefined;
  readonly transports: ReadonlySet<TransportName>;
  readonly switchedOff: readonly SwitchedOff[];
  /** Actions that are allowed to every caller, anonymous ones included. */
  readonly public: ReadonlySet<Action>;
  /** Rules for the other actions; absent without `@access` and `@account`. */
  readonly access?: AccessPlan;
  /** Stored fields, a column each. */
  readonly fields: readonly FieldPlan[];
  /** Fields that are sent to clients and that a query may name: all but the hidden ones. */
  readonly visibleFields: readonly FieldPlan[];
  readonly relations: readonly RelationPlan[];
  /** Fields of this table with keys that are checked. */
  readonly references: readonly Reference[];
  /** Fields of all tables with checked keys of this one, in the order of `ON_DELETE`. */
  readonly referrers: readonly Reference[];
  readonly primaryKey: FieldPlan;
  readonly compositeIndexes: readonly CompositeIndexPlan[];
  readonly checks: readonly CheckPlan[];
  /** `@table(expiration:)` in milliseconds: a record is removed this long after its last write. */
  readonly expiration?: number;
  /** `@audit`: every change of a record is logged with its actor. */
  readonly audited: boolean;
  readonly at: SourceLocation;
}

/** Frozen result of schema and config for one application. */
export interface Plan {
  readonly appId: string;
  readonly tables: readonly TablePlan[];
}

/** True when the action is allowed to some callers: to all of them, or by a rule. */
export function isOffered({ public: open, access }: TablePlan, action: Action): boolean {
  if (open.has(action)) return true;
  const rules = access?.rules.get(action) ?? (action === 'subscribe' ? access?.rules.get('read') : undefined);
  return rules !== undefined && rules.length > 0;
}

/** True when writes to the table may make entries in the audit log: of its records, or of those that are deleted or changed with them. */
export function namesActors(table: TablePlan): boolean {
  // Each table once: the ways through a schema whose tables refer to each other are beyond counting.
  const reached = new Set([table]);
  for (const { audited, referrers } of reached) {
    if (audited) return true;
    for (const { table: other, onDelete } of referrers) if (onDelete !== 'RESTRICT') reached.add(other);
  }
  return false;
}
