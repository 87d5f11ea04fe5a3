import type { IncomingHttpHeaders } from 'node:http';
import type { Identity } from '../auth/identity.ts';
import type { JsonObject } from '../resources/table/frames.ts';
import type { TableName } from '../resources/table/handle.ts';
import type { CodeTables } from '../resources/transactions/code.ts';
import type { Awaitable, RecordKey } from '../store/store.ts';

/** Part of every hook's event. */
export interface HookContext {
  /** Tables of the application by their export names, without access rules; writes run no before-hooks. */
  readonly tables: CodeTables;
  /** The same by the name that routes have for it. */
  readonly system: { readonly tables: CodeTables };
}

/** Event of a connected client. */
export interface RealtimeEvent extends HookContext {
  /** Unique; the same in all events of one connection. */
  readonly connectionId: string;
  /** `sub` of the caller; null for an anonymous one. */
  readonly userId: string | null;
  /** Account of the caller: the claim of `@account`, else `accountId`; null without one. */
  readonly accountId: string | number | null;
  /** The same three under their names in snake case. */
  readonly connection_id: string;
  readonly user_id: string | null;
  readonly account_id: string | number | null;
  readonly identity: Identity;
  /** `ws`, `sse`, or the name of another realtime transport. */
  readonly transport: string;
  /** Export name of the table; null where a connection is not one to a table. */
  readonly collection: string | null;
}

export interface RealtimeSubscriptionEvent extends RealtimeEvent {
  readonly collection: string;
  /** Record of a record channel; null for the whole table. */
  readonly id: RecordKey | null;
}

export interface RealtimeMessageEvent extends RealtimeEvent {
  /** Copy of the parsed message. */
  readonly message: JsonObject;
}

/** Event of a room of a connector. */
export interface RoomEvent extends HookContext {
  readonly room: string;
  /** Name of the connector in config.yaml. */
  readonly connector: string;
  readonly identity: Identity;
  /** User of the connection, or `sub` of the caller; null for an anonymous one. */
  readonly userId: string | null;
  readonly user_id: string | null;
}

export interface RoomSendEvent extends RoomEvent {
  /** Copy of what is sent. */
  readonly data: unknown;
}

/** Request of a route in code. */
export interface RouteRequestEvent extends HookContext {
  readonly method: string;
  /** Path without the query string. */
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
  /** As the schema of the route has made it. */
  readonly query: unknown;
  readonly headers: IncomingHttpHeaders;
  readonly ip: string;
  readonly identity: Identity;
  readonly userId: string | null;
  readonly user_id: string | null;
}

/** Result of a hook that may refuse: by an error, or by false. */
export type Refusable = Awaitable<unknown>;

/** Result of a before-hook of a table: the record to write; without one, the record of the event with its changes. */
export type BeforeResult = Awaitable<JsonObject | false | undefined> | Awaitable<void>;

export interface CreateEvent extends HookContext {
  readonly table: string;
  readonly identity: Identity;
  /** Undefined where the server will generate the id. */
  readonly id: RecordKey | undefined;
  /** Record in the request; may be changed. */
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

/** Committed change. */
export interface ChangeEvent extends HookContext {
  readonly table: string;
  readonly op: 'create' | 'update' | 'delete';
  readonly id: RecordKey;
  readonly seq: number;
  /** Record after the change; null after a delete. */
  // biome-ignore lint/suspicious/noExplicitAny: fields are what the schema says
  readonly record: Readonly<Record<string, any>> | null;
  /** Previous values: of an update those of the changed fields, of a delete the whole record, else null. */
  // biome-ignore lint/suspicious/noExplicitAny: fields are what the schema says
  readonly before: Readonly<Record<string, any>> | null;
}

type SnakeCase<Name extends string> = Name extends `${infer First}${infer Rest}`
  ? `${First extends Lowercase<First> ? First : `_${Lowercase<First>}`}${SnakeCase<Rest>}`
  : Name;

/** Adds names in snake case to the members. */
type WithAliases<T> = T & { readonly [Name in keyof T & string as SnakeCase<Name>]?: T[Name] };

interface NamedTableHooks {
  readonly beforeCreate?: (event: CreateEvent) => BeforeResult;
  readonly beforeUpdate?: (event: UpdateEvent) => BeforeResult;
  readonly beforeDelete?: (event: DeleteEvent) => Refusable;
  readonly afterChange?: (event: ChangeEvent) => unknown;
}

/**
 * Hooks of one table. A before-hook changes the record or throws to refuse the write; `afterChange` runs after the commit.
 *
 * @example
 * ```ts
 * // my-app/hooks/tasks.ts
 * import type { Hooks, TableHooks } from 'tablecast';
 *
 * const task: TableHooks = {
 *   beforeCreate({ record }) {
 *     record.title = String(record.title).trim();
 *     if (record.title === '') throw new Error('A task needs a title.');
 *   },
 * };
 *
 * export const tables: Hooks['tables'] = { Task: task };
 * ```
 */
export type TableHooks = WithAliases<NamedTableHooks>;

interface NamedHooks {
  readonly onRealtimeConnect?: (event: RealtimeEvent) => Refusable;
  readonly onRealtimeDisconnect?: (event: RealtimeEvent) => unknown;
  readonly onRealtimeSubscribe?: (event: RealtimeSubscriptionEvent) => Refusable;
  readonly onRealtimeUnsubscribe?: (event: RealtimeSubscriptionEvent) => unknown;
  readonly onRealtimeMessage?: (event: RealtimeMessageEvent) => Refusable;
  readonly onRoomJoin?: (event: RoomEvent) => Refusable;
  readonly onRoomSend?: (event: RoomSendEvent) => Refusable;
  readonly onRouteRequest?: (event: RouteRequestEvent) => Refusable;
  /** Hooks of tables by export name. */
  readonly tables?: { readonly [Name in TableName]?: TableHooks };
}

/**
 * Exports of a module that `hooks` of config.yaml names, by name or as the properties of its default export.
 *
 * @example
 * ```ts
 * // my-app/hooks/activity.ts
 * import type { Hooks } from 'tablecast';
 *
 * export const onRealtimeConnect: Hooks['onRealtimeConnect'] = ({ userId }) => {
 *   if (userId === 'mallory') throw new Error('This account is blocked.');
 * };
 *
 * export const tables: Hooks['tables'] = {
 *   Task: {
 *     async afterChange({ op, id, tables }) {
 *       await tables.Activity.create({ text: `${op} ${id}` });
 *     },
 *   },
 * };
 * ```
 */
export type Hooks = WithAliases<NamedHooks>;
