import type { SourceLocation } from '../config/files/diagnostic.ts';

/** What a caller may want to do with a table. */
export const ACTIONS = ['read', 'create', 'update', 'delete', 'subscribe', 'publish'] as const;
export type Action = (typeof ACTIONS)[number];

export const TRANSPORTS = ['rest', 'sse', 'ws'] as const;
export type TransportName = (typeof TRANSPORTS)[number];

export type ScalarName = 'ID' | 'String' | 'Int' | 'Float' | 'Boolean' | 'Date' | 'Long' | 'JSON';

export type FieldType =
  | { readonly kind: 'scalar'; readonly name: ScalarName }
  | { readonly kind: 'enum'; readonly name: string; readonly values: readonly string[] }
  | { readonly kind: 'list'; readonly of: FieldType; readonly itemsRequired: boolean }
  | { readonly kind: 'object'; readonly name: string; readonly fields: readonly FieldPlan[] };

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };

export interface ComputedPlan {
  /** The expression, as it is written. */
  readonly from: string;
  /** Names of the fields in it, none of which is computed. */
  readonly uses: readonly string[];
  /** The expression with the kinds of those fields: when it is another one, what is stored has to be computed anew. */
  readonly signature: string;
}

export interface FieldPlan {
  readonly name: string;
  readonly type: FieldType;
  /** `!` in the SDL: never null in a stored record. */
  readonly required: boolean;
  readonly description?: string;
  readonly default?: JsonValue;
  readonly primaryKey: boolean;
  readonly indexed: boolean;
  readonly unique: boolean;
  /** `@indexed(type: "fulltext")`: an index of the words in it. */
  readonly fulltext: boolean;
  /** Set by the server at creation or at every change; a client may not send it. */
  readonly stamp?: 'created' | 'updated';
  /** `@computed`: made from other fields when the record is written; a client may not send it. Then never required. */
  readonly computed?: ComputedPlan;
  /** `@expiresAt`: the record is removed when this time has passed. */
  readonly expiresAt: boolean;
  /** `@hidden`: stored and written like any other, but never in an answer, on a channel, or named by a query. */
  readonly hidden: boolean;
  /** `@access` of the field. */
  readonly access?: FieldAccess;
  readonly at: SourceLocation;
}

/** A rule as it was written. */
export interface RuleText {
  readonly text: string;
  readonly at: SourceLocation;
}

/** Who may read or write a field; absent: whoever may read or write the record. Of the texts one has to hold. */
export interface FieldAccess {
  readonly read?: readonly RuleText[];
  readonly write?: readonly RuleText[];
}

/** `@access` and `@account` of a type. */
export interface AccessPlan {
  /** Of the texts one has to hold. */
  readonly rules: ReadonlyMap<Action, readonly RuleText[]>;
  /** The field that says whose a record is, and the claim of a caller that says which account he is of. */
  readonly account: { readonly field: FieldPlan; readonly claim: string } | undefined;
}

/** `@compositeIndex`: an index over several fields, in their order. */
export interface CompositeIndexPlan {
  readonly fields: readonly FieldPlan[];
  /** No two records have the same values in all of them; where one is null, nothing is compared. */
  readonly unique: boolean;
  readonly at: SourceLocation;
}

/** A field that is not stored: it stands for records of another table. */
export interface RelationPlan {
  readonly name: string;
  readonly description?: string;
  /** The table of those records. Tables that are related point at each other. */
  readonly target: TablePlan;
  /** A list of records, in the order of their primary keys; otherwise one record, or null. */
  readonly many: boolean;
  /** `@relationship(from:)`: the field of this table with the key of the target's record, or a list of such keys. */
  readonly from?: FieldPlan;
  /** `@relationship(to:)`: the field of the target that has this record's key, or a list with it. */
  readonly to?: FieldPlan;
  readonly at: SourceLocation;
}

export interface SwitchedOff {
  readonly transport: TransportName;
  /** What turned it off, for the start-up log: `@export(ws: false)` or `ws: false in config.yaml`. */
  readonly by: string;
}

export interface TablePlan {
  /** The GraphQL type's name. */
  readonly name: string;
  readonly description?: string;
  /** Namespace inside the one store; `data` when the SDL gives none. */
  readonly database: string;
  /** Stored name; the type's name unless `@table(table:)` says otherwise. */
  readonly table: string;
  /** Last segment of the URL, or undefined without `@export`: then the table has no endpoint and no channel. */
  readonly exportName: string | undefined;
  readonly transports: ReadonlySet<TransportName>;
  readonly switchedOff: readonly SwitchedOff[];
  /** What anybody may do. */
  readonly public: ReadonlySet<Action>;
  /** What others may do besides; absent without `@access` and `@account`. */
  readonly access?: AccessPlan;
  /** What is stored, a column each. */
  readonly fields: readonly FieldPlan[];
  readonly relations: readonly RelationPlan[];
  readonly primaryKey: FieldPlan;
  readonly compositeIndexes: readonly CompositeIndexPlan[];
  /** `@table(expiration:)` in milliseconds: a record is removed when it was last written longer ago. */
  readonly expiration?: number;
  /** `@audit`: every change of a record is kept with who made it. */
  readonly audited: boolean;
  readonly at: SourceLocation;
}

/** The frozen result of schema + config for one application. */
export interface Plan {
  readonly appId: string;
  readonly tables: readonly TablePlan[];
}

/** Whether somebody may do this: anybody, or who meets a rule. */
export function isOffered({ public: open, access }: TablePlan, action: Action): boolean {
  if (open.has(action)) return true;
  const rules = access?.rules.get(action) ?? (action === 'subscribe' ? access?.rules.get('read') : undefined);
  return rules !== undefined && rules.length > 0;
}
