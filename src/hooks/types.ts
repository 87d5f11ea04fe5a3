import type { Identity } from '../auth/identity.ts';
import type { NamedTables, TableName } from '../resources/tables.ts';
import type { RecordKey } from '../store/store.ts';

type JsonObject = Readonly<Record<string, unknown>>;
type Awaitable<T> = T | Promise<T>;

/** What every hook is given besides. */
export interface HookContext {
  /** The tables of the application by their export names, without access rules; writes run no before-hooks. */
  readonly tables: NamedTables;
}

/** A client that is connected. */
export interface RealtimeEvent extends HookContext {
  /** Unique; the same in all events of one connection. */
  readonly connectionId: string;
  /** `sub` of the caller; null where nobody has said who he is. */
  readonly userId: string | null;
  /** The caller's account: the claim of `@account`, else `accountId`; null without one. */
  readonly accountId: string | number | null;
  /** The same three under their names in snake case. */
  readonly connection_id: string;
  readonly user_id: string | null;
  readonly account_id: string | number | null;
  readonly identity: Identity;
  /** `ws`, `sse`, or the name of another realtime door. */
  readonly transport: string;
  /** Export name of the table; null where a connection is not one to a table. */
  readonly collection: string | null;
}

export interface RealtimeSubscriptionEvent extends RealtimeEvent {
  readonly collection: string;
  /** The record of a record channel; null for the whole table. */
  readonly id: RecordKey | null;
}

export interface RealtimeMessageEvent extends RealtimeEvent {
  /** The message as it was sent, parsed; a copy. */
  readonly message: JsonObject;
}

/** Throwing or false refuses. */
export type Refusable = Awaitable<unknown>;

/** Before-hooks of tables: what is returned is written; without a return the record as the hook has left it. */
export type BeforeResult = Awaitable<JsonObject | false | undefined> | Awaitable<void>;

export interface CreateEvent extends HookContext {
  readonly table: string;
  readonly identity: Identity;
  /** Undefined where the server will make the id. */
  readonly id: RecordKey | undefined;
  /** What was sent; may be changed. */
  // biome-ignore lint/suspicious/noExplicitAny: fields are what the schema says
  readonly record: Record<string, any>;
}

export interface UpdateEvent extends CreateEvent {
  readonly id: RecordKey;
  /** True when `record` has only the fields that are to be replaced (PATCH). */
  readonly partial: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: fields are what the schema says
  readonly previous: Readonly<Record<string, any>>;
}

export interface DeleteEvent extends HookContext {
  readonly table: string;
  readonly identity: Identity;
  readonly id: RecordKey;
  // biome-ignore lint/suspicious/noExplicitAny: fields are what the schema says
  readonly previous: Readonly<Record<string, any>>;
}

/** One committed change. */
export interface ChangeEvent extends HookContext {
  readonly table: string;
  readonly op: 'create' | 'update' | 'delete';
  readonly id: RecordKey;
  readonly seq: number;
  /** The record after the change; null after a delete. */
  // biome-ignore lint/suspicious/noExplicitAny: fields are what the schema says
  readonly record: Readonly<Record<string, any>> | null;
  /** Of an update the previous values of what changed, of a delete the whole record, else null. */
  // biome-ignore lint/suspicious/noExplicitAny: fields are what the schema says
  readonly before: Readonly<Record<string, any>> | null;
}

type SnakeCase<Name extends string> = Name extends `${infer First}${infer Rest}`
  ? `${First extends Lowercase<First> ? First : `_${Lowercase<First>}`}${SnakeCase<Rest>}`
  : Name;

/** Each member may also be written in snake case. */
type WithAliases<T> = T & { readonly [Name in keyof T & string as SnakeCase<Name>]?: T[Name] };

interface NamedTableHooks {
  readonly beforeCreate?: (event: CreateEvent) => BeforeResult;
  readonly beforeUpdate?: (event: UpdateEvent) => BeforeResult;
  readonly beforeDelete?: (event: DeleteEvent) => Refusable;
  readonly afterChange?: (event: ChangeEvent) => unknown;
}

export type TableHooks = WithAliases<NamedTableHooks>;

interface NamedHooks {
  readonly onRealtimeConnect?: (event: RealtimeEvent) => Refusable;
  readonly onRealtimeDisconnect?: (event: RealtimeEvent) => unknown;
  readonly onRealtimeSubscribe?: (event: RealtimeSubscriptionEvent) => Refusable;
  readonly onRealtimeUnsubscribe?: (event: RealtimeSubscriptionEvent) => unknown;
  readonly onRealtimeMessage?: (event: RealtimeMessageEvent) => Refusable;
  /** By export name. */
  readonly tables?: { readonly [Name in TableName]?: TableHooks };
}

/** What a module that config.yaml names under `hooks` may export, by name or as the members of its default export. */
export type Hooks = WithAliases<NamedHooks>;
