import type { LiveList, LiveOptions } from '../live/live-list.ts';
import type { Position } from '../live/subscription.ts';
import type { QueryOf, Table } from '../table.ts';
import type { TransactionOptions, TransactionResult } from '../transaction.ts';

type Id = string | number;
type Operation = 'insert' | 'update' | 'delete';

/** Part of a client that a collection uses. */
interface ClientLike {
  readonly tables: object;
  transaction(steps: readonly never[], options?: TransactionOptions): Promise<TransactionResult>;
}
type TableIn<C extends ClientLike, Name> = Name extends keyof C['tables'] ? C['tables'][Name] : never;
/** Record of a table of the client. */
type RecordIn<C extends ClientLike, Name> = TableIn<C, Name> extends Table<infer _T, infer R> ? R & object : never;
type QueryIn<C extends ClientLike, Name> = TableIn<C, Name> extends Table<infer T> ? QueryOf<T, string> : never;

export interface CollectionConfig<C extends ClientLike, Name extends keyof C['tables'] & string> {
  /** Client without the option `optimistic`: the collection shows writes before they are confirmed. */
  readonly client: C;
  /** Export name of the table. */
  readonly table: Name;
  /** Records to sync, as of `live`; all of them by default. */
  readonly query?: QueryIn<C, Name>;
  /** Name of the primary key; `id` by default. */
  readonly key?: string;
  /** Id of the collection; name and query of the table by default. */
  readonly id?: string;
}

/** Functions of a sync run that the collection passes in. */
interface SyncRun<R extends object> {
  begin(): void;
  write(message: { type: 'insert' | 'update'; value: R } | { type: 'delete'; key: Id }): void;
  commit(): unknown;
  markReady(): void;
  markError(error?: unknown): void;
}

interface Mutation {
  readonly type: Operation;
  readonly key: unknown;
  readonly modified: object;
  readonly changes: object;
  readonly collection: { readonly utils: object };
}
interface MutationParams {
  readonly transaction: { readonly mutations: readonly Mutation[] };
}
type Write = (params: MutationParams) => Promise<void>;

/** Functions of a collection, as `collection.utils`. */
export type TablecastUtils = {
  readonly table: string;
  /** Resolves when the collection has the state at this position, that of a write for instance. */
  reached(position: Position): Promise<void>;
};

/** Options for `createCollection` of TanStack DB. */
export interface CollectionOptions<R extends object> {
  readonly id: string;
  readonly getKey: (record: R) => Id;
  readonly sync: { readonly sync: (run: SyncRun<R>) => () => void; readonly rowUpdateMode: 'full' };
  readonly onInsert: Write;
  readonly onUpdate: Write;
  readonly onDelete: Write;
  readonly utils: TablecastUtils;
}

/**
 * Makes the options of a collection of TanStack DB that is a live list. Inserts, updates and deletes of the collection are
 * written to the server, those of one call all or none, and stay optimistic until the list has them.
 *
 * @param config client, table and query
 */
export function tablecastCollectionOptions<C extends ClientLike, Name extends keyof C['tables'] & string>(
  config: CollectionConfig<C, Name>,
): CollectionOptions<RecordIn<C, Name>> {
  const { client, table, query = '', key = 'id' } = config;
  type R = RecordIn<C, Name>;
  const sync = new CollectionSync<R>((options) => {
    const tables = client.tables as Readonly<Record<string, Table<unknown>>>;
    return (tables[table] as Table<unknown>).live(query as never, options as never) as unknown as LiveList<R>;
  }, key);
  const write = tablecastMutationFn(client);
  return {
    id: config.id ?? `tablecast:${JSON.stringify([table, query])}`,
    getKey: (record) => (record as Readonly<Record<string, Id>>)[key] as Id,
    sync: { sync: (run) => sync.start(run), rowUpdateMode: 'full' },
    onInsert: write,
    onUpdate: write,
    onDelete: write,
    utils: { table, reached: (position) => sync.reached(position) },
  };
}

/**
 * Makes the `mutationFn` of a transaction of TanStack DB over several collections of one client: the server writes all of it
 * or nothing.
 */
export function tablecastMutationFn(client: ClientLike): Write {
  return async ({ transaction: { mutations } }) => {
    const utils = mutations.map(({ collection }) => collection.utils as TablecastUtils);
    const steps = mutations.map((mutation, at) => stepOf((utils[at] as TablecastUtils).table, mutation));
    const { position } = await client.transaction(steps as never, { optimistic: false });
    await Promise.all([...new Set(utils)].map((one) => one.reached(position)));
  };
}

function stepOf(table: string, { type, key, modified, changes }: Mutation): object {
  if (type === 'insert') return { op: 'create', table, data: modified };
  return type === 'update' ? { op: 'patch', table, id: key, data: changes } : { op: 'delete', table, id: key };
}

/** Hands the changes of a live list to a collection. */
class CollectionSync<R extends object> {
  readonly #open: (options: LiveOptions<R>) => LiveList<R>;
  readonly #key: string;
  /** Records as the collection has them. */
  readonly #known = new Map<Id, R>();
  readonly #waiting = new Map<() => void, Position>();
  #list: LiveList<R> | undefined;
  #position = 0;

  constructor(open: (options: LiveOptions<R>) => LiveList<R>, key: string) {
    this.#open = open;
    this.#key = key;
  }

  start(run: SyncRun<R>): () => void {
    let isReady = false;
    this.#position = 0;
    const list = this.#open({
      onChange: (records) => {
        this.#apply(records, run);
        if (!isReady) run.markReady();
        isReady = true;
        this.#position = list.position ?? 0;
        this.#settle(this.#position);
      },
      // After a first state the collection keeps it.
      onError: (error) => void (isReady || run.markError(error)),
    });
    this.#list = list;
    const settle = () => this.#settle(Number.POSITIVE_INFINITY);
    list.ended.then(settle, settle);
    return () => {
      list.close();
      if (this.#list === list) this.#list = undefined;
      this.#known.clear();
    };
  }

  /** Resolves when the collection has the state at this position; at once while it follows no list. */
  async reached(position: Position): Promise<void> {
    const list = this.#list;
    if (list === undefined || list.status === 'closed' || this.#position >= position) return;
    // The list asks the server for its position where no change tells it.
    list.reached(position).catch(() => {});
    await new Promise<void>((resolve) => this.#waiting.set(resolve, position));
  }

  /** Writes what is different: records that did not change are the same objects. */
  #apply(records: readonly R[], { begin, write, commit }: SyncRun<R>): void {
    const before = new Map(this.#known);
    const messages: Parameters<typeof write>[0][] = [];
    for (const value of records) {
      const id = (value as Readonly<Record<string, Id>>)[this.#key] as Id;
      const known = before.get(id);
      before.delete(id);
      if (known === value) continue;
      this.#known.set(id, value);
      messages.push({ type: known === undefined ? 'insert' : 'update', value });
    }
    for (const key of before.keys()) {
      this.#known.delete(key);
      messages.push({ type: 'delete', key });
    }
    if (messages.length === 0) return;
    begin();
    for (const message of messages) write(message);
    commit();
  }

  #settle(position: Position): void {
    for (const [resolve, wanted] of [...this.#waiting]) {
      if (wanted > position) continue;
      this.#waiting.delete(resolve);
      resolve();
    }
  }
}
