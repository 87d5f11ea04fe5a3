import type { TablecastError } from '../state/http.ts';
import type { Table } from '../state/schema.ts';
import type { GridQuery } from './query.ts';
import type { Id, Row } from './segment.ts';

export type LiveStatus = 'loading' | 'live' | 'waiting' | 'off' | 'failed';

export interface RowsHost {
  /** Called at most once per frame, with what changed: fields by key, null for a row that came. */
  changed(flashes: ReadonlyMap<Id, readonly string[] | null>, above: number): void;
  /** Rows that are in sight. */
  sight(): { readonly first: number; readonly last: number };
}

/** Query of a table in the grid of an application. */
export interface RowsOptions {
  readonly app: string;
  readonly table: Table;
  readonly query: GridQuery;
  readonly host: RowsHost;
}

/** Rows of a query that stay as they are in the database, in the part that is loaded. */
export abstract class GridRows {
  total: number | undefined;
  /** The count was given up: there are more than are loaded. */
  isUncounted = false;
  status: LiveStatus = 'loading';
  error: TablecastError | undefined;
  /** Milliseconds until the first rows were there. */
  took = 0;
  position = 0;
  /** Fields that are not asked for, since their values are large. */
  leftOut: ReadonlySet<string> = new Set();
  protected readonly app: string;
  protected readonly table: Table;
  protected readonly query: GridQuery;
  protected readonly host: RowsHost;
  readonly #frozen = new Set<string>();

  constructor({ app, table, query, host }: RowsOptions) {
    this.app = app;
    this.table = table;
    this.query = query;
    this.host = host;
  }

  /** Rows that are loaded, the first of them at index `start`. */
  abstract get loaded(): readonly Row[];
  abstract get start(): number;
  /** Whether the loaded rows are all from `start` on. */
  abstract get isLast(): boolean;
  /** Number of changes that wait while rows must not move. */
  abstract get held(): number;
  /** Reads the rows again, where they are. */
  abstract reload(): Promise<void>;
  abstract close(): void;
  /** Takes in what has waited. */
  protected abstract thaw(): void;

  /** Rows that the grid has room for: those that are known to be there, and one behind them when there are more. */
  get size(): number {
    const end = this.start + this.loaded.length;
    return this.isLast ? end : Math.max(this.total ?? 0, end + (this.status === 'failed' ? 0 : 1));
  }

  get isFrozen(): boolean {
    return this.#frozen.size > 0;
  }

  row(index: number): Row | undefined {
    return this.loaded[index - this.start];
  }

  /** Keeps rows where they are for a reason, until it is taken back. */
  freeze(reason: string): void {
    this.#frozen.add(reason);
  }

  unfreeze(reason: string): void {
    if (this.#frozen.delete(reason) && this.#frozen.size === 0) this.thaw();
  }

  /** Asks for what is in sight and not there. */
  need(_first: number, _last: number): void {}

  protected setStatus(status: LiveStatus): void {
    if (this.status === status) return;
    this.status = status;
    this.host.changed(new Map(), 0);
  }
}
