import type { Entry } from './order.ts';
import type { Rows } from './rows.ts';
import type { Position } from './subscription.ts';

type Id = string | number;

/** Write as it is shown before the server has confirmed it. */
export interface WriteStep {
  readonly op: 'create' | 'put' | 'patch' | 'delete';
  readonly table: string;
  /** Undefined for a create, whose key is a field of `data`. */
  readonly id?: Id | undefined;
  readonly data?: unknown;
  /** Name by which later steps of a transaction refer to the key. */
  readonly as?: string | undefined;
}

/** Query whose rows are shown with the writes that wait for their confirmation. */
export interface OverlaidQuery<R> {
  /** Order of its records. */
  readonly order: (a: Entry<R>, b: Entry<R>) => number;
  /** Number of rows of the window that is asked for; undefined when the rows are all that match. */
  readonly windowSize: number | undefined;
  /** Rows of the server at `position`. */
  readonly rows: Rows<R>;
  /** Undefined until the first state of the server is complete. */
  readonly position: Position | undefined;
  /** Called when the rows are to be shown anew. */
  changed(): void;
  /** Asks the server for its position. */
  catchUp(): void;
}

/** Records and order that a query asks for. */
export interface QueryAddress {
  readonly table: string;
  /** Record that the query is for; undefined for a list. */
  readonly id: Id | undefined;
  /** Search part with all conditions and parameters. */
  readonly search: string;
  /** The same without parameters. */
  readonly rest: string;
  /** Parameters by name. */
  readonly taken: Partial<Record<string, string>>;
}

/** Rows of one query with the writes on top. */
export interface OverlaidRows<R> {
  /** Number of writes that are shown and not confirmed for this query. */
  readonly pending: number;
  /** Returns the entries in order; the same array until something changes. */
  entries(): readonly Entry<R>[];
  get(id: Id): Entry<R> | undefined;
  /** Called when the position of the query has changed. */
  moved(): void;
  close(): void;
}

/** Writes of a client that are shown before they are confirmed: `tablecast/optimistic`. */
export interface Overlay {
  /**
   * Shows the steps, and sends them when the earlier writes to the same records have their answer. They are taken back when
   * `send` rejects. A create without a key gets one.
   */
  write<V extends { readonly position: Position }>(
    steps: readonly WriteStep[],
    send: (steps: readonly WriteStep[]) => Promise<V>,
  ): Promise<V>;
  attach<R>(query: OverlaidQuery<R>, of: QueryAddress): OverlaidRows<R>;
}
