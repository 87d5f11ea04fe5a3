import type { RecordKey } from '../../store/store.ts';
import type { JsonObject, TableFrame } from './frames.ts';
import type { SubscribeOptions } from './streams.ts';

/**
 * Tables of an application by their export names, for the compiler. `tablecast types` writes them, as `declare module
 * 'tablecast' { interface Tables { … } }`.
 */
// biome-ignore lint/suspicious/noEmptyInterface: a declaration of the application fills it.
export interface Tables {}

/** Export names; any string, where nothing is declared. */
export type TableName = keyof Tables extends never ? string : keyof Tables;

/** Exported tables as code receives them. */
export type NamedTables = keyof Tables extends never ? Readonly<Record<string, TableHandle>> : Readonly<Tables>;

/** Number of records that a filter matched, and of those that changed. */
export interface BulkResult {
  readonly matched: number;
  readonly changed: number;
}

/**
 * Changes of a table, one after the other. `return`, or leaving a `for await`, ends the subscription.
 *
 * @example
 * ```ts
 * // my-app/routes/open-tasks.ts
 * import { defineRoute } from 'tablecast';
 *
 * export const routes = {
 *   'open-tasks': defineRoute({
 *     kind: 'sse',
 *     handler: async function* ({ tables, signal }) {
 *       for await (const frame of tables.Task.subscribe('done==false', { signal })) {
 *         if ('id' in frame) yield { type: frame.message_type, id: frame.id };
 *       }
 *     },
 *   }),
 * };
 * ```
 */
export interface TableSubscription<Shown = JsonObject, Id extends RecordKey = RecordKey>
  extends AsyncIterableIterator<TableFrame<Shown, Id>, undefined> {
  return(): Promise<IteratorResult<TableFrame<Shown, Id>, undefined>>;
}

/**
 * Table for code that runs in the server, with the validation of REST and the rights of one identity. `Shown` is a record as
 * it is read, `New` a new record, `Changes` some fields, `Whole` a record without its key.
 *
 * @example
 * ```ts
 * // my-app/routes/cleanup.ts
 * import { defineRoute } from 'tablecast';
 *
 * export const routes = {
 *   cleanup: defineRoute({
 *     method: 'POST',
 *     handler: async ({ tables }) => {
 *       const { changed } = await tables.Task.deleteMany('done==true');
 *       const open = await tables.Task.find('sort=title&limit=10');
 *       return { removed: changed, open: open.map(({ title }) => title) };
 *     },
 *   }),
 * };
 * ```
 */
export interface TableHandle<
  Shown = JsonObject,
  New = JsonObject,
  Changes = JsonObject,
  Id extends RecordKey = RecordKey,
  Whole = New,
> {
  /** Returns the record, or undefined. */
  get(id: Id): Promise<Shown | undefined>;
  /** Returns records by a query as in the URL of a list: `title==A*&limit=10`. Throws AppError INVALID_QUERY. */
  find<Selected = Shown>(query?: string): Promise<readonly Selected[]>;
  /** Stores a new record and returns it as stored. Throws AppError VALIDATION_ERROR or CONFLICT. */
  create(record: New): Promise<Shown>;
  /** Creates or replaces a record. Throws AppError VALIDATION_ERROR or CONFLICT. */
  put(id: Id, record: Whole): Promise<Shown>;
  /** Replaces the given fields. Throws AppError NOT_FOUND. */
  patch(id: Id, fields: Changes): Promise<Shown>;
  /** Removes a record. Throws AppError NOT_FOUND. */
  delete(id: Id): Promise<void>;
  /**
   * Replaces the given fields of every record that the filter matches (`status==open`; `all=true` for all), all or
   * none. Throws AppError INVALID_QUERY without a filter, CONFLICT, BAD_REQUEST beyond `limits.bulk`.
   */
  updateMany(filter: string, fields: Changes): Promise<BulkResult>;
  /** Removes every record that the filter matches. Throws as `updateMany`. */
  deleteMany(filter: string): Promise<BulkResult>;
  /** Sends a message to the record's and the table's channel (with null to the table's alone); nothing is stored. */
  publish(id: Id | null, data: unknown): Promise<{ seq: number; delivered: number }>;
  /**
   * Subscribes to the same frames as a WebSocket on the table, from now on, by a query as in its URL:
   * `roomId==1&delta=true`. It ends with `signal`, with `return`, and when the server stops; it throws AppError
   * UNAUTHORIZED when the handle's identity has expired, and FORBIDDEN when its rights have ended. A slow reader loses
   * nothing: frames beyond `channels.client_buffer` are read from the log. Throws AppError INVALID_QUERY,
   * INVALID_POSITION or FORBIDDEN at once.
   */
  subscribe<Selected = Shown>(query?: string, options?: SubscribeOptions<Id>): TableSubscription<Selected, Id>;
}
