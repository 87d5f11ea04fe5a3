import type { Entry } from '../live/order.ts';
import type { OverlaidQuery, OverlaidRows, QueryAddress } from '../live/overlay.ts';
import type { Position } from '../live/subscription.ts';
import type { Condition } from './conditions.ts';
import { applyOperation, type Operation } from './operation.ts';

type Id = string | number;
type Json = Readonly<Record<string, unknown>>;

/** Access of a query overlay to the client's other queries and writes. */
export interface OverlayHost {
  /** Writes to a table that some query still waits for, in order. */
  operations(table: string): readonly Operation[];
  keyOf(table: string): string;
  /** Makes the condition of a search part. Until it is there, records stay where they are. */
  readonly compile: ((search: string) => Condition) | undefined;
  /** Returns a record with all its fields as another query shows it. */
  find(table: string, id: Id, besides: object): Json | undefined;
  detach(query: object): void;
  /** Called when the position of a query has changed: writes may be confirmed everywhere, and records shown elsewhere, too. */
  moved(query: object): void;
}

/** Row of the server that operations of one record are applied to. */
interface Base<R> {
  readonly entry: Entry<R> | undefined;
  readonly position: Position;
}

interface Shown<R> {
  readonly base: R | undefined;
  readonly operations: readonly Operation[];
  /** True when the record was taken over from another query. */
  readonly isForeign: boolean;
  readonly entry: Entry<R> | undefined;
}

/** Entries as they were made, and everything that they were made of. */
interface Overlaid<R> {
  readonly base: readonly Entry<R>[];
  readonly active: readonly Operation[];
  /** Record of each operation, as it was shown. */
  readonly shown: readonly (Shown<R> | undefined)[];
  readonly entries: readonly Entry<R>[];
}

/** Rows of one query with the writes on top that its rows do not contain yet. */
export class QueryOverlay<R> implements OverlaidRows<R> {
  readonly table: string;
  /** Record that the query is for; undefined for a list. */
  readonly #id: Id | undefined;
  readonly #query: OverlaidQuery<R>;
  readonly #host: OverlayHost;
  /** Undefined until there is a condition and what evaluates it is loaded. */
  #condition: Condition | undefined;
  readonly #search: string;
  /** Selected fields; undefined for all of them. */
  readonly #fields: ReadonlySet<string> | undefined;
  /** True where records before the first one of the window are not known. */
  readonly #hasBefore: boolean;
  /**
   * Bases of records with a write whose answer is awaited and whose result depends on how often it is applied: rows that
   * come meanwhile may contain it.
   */
  readonly #held = new Map<string, Base<R>>();
  readonly #shown = new Map<string, Shown<R>>();
  #last: Overlaid<R> = { base: [], active: [], shown: [], entries: [] };

  constructor(query: OverlaidQuery<R>, { table, id, search, rest, taken }: QueryAddress, host: OverlayHost) {
    const { select, cursor, offset = 0, filter } = taken;
    this.table = table;
    this.#id = id;
    this.#query = query;
    this.#host = host;
    this.#fields = select === undefined || /(?:^|,)\*/.test(select) ? undefined : fieldsOf(select);
    this.#hasBefore = cursor !== undefined || Number(offset) > 0;
    this.#search = search;
    if (rest === '' && filter === undefined) this.#condition = () => true;
  }

  /** True when its rows have all fields of their records. */
  get isWhole(): boolean {
    return this.#fields === undefined;
  }

  get pending(): number {
    return new Set(this.#active().flatMap((one) => (this.concerns(one) ? [one.write] : []))).size;
  }

  entries(): readonly Entry<R>[] {
    const base = this.#query.rows.entries();
    const active = this.#active();
    if (active.length === 0) {
      this.#shown.clear();
      return base;
    }
    const last = this.#last;
    const isSame = last.base === base && active.length === last.active.length;
    if (isSame && active.every((one, at) => one === last.active[at] && this.#isAsIn(one, last.shown[at]))) {
      return last.entries;
    }
    const entries = this.#overlay(base, active);
    this.#last = { base, active, shown: active.map(({ id }) => this.#shown.get(String(id))), entries };
    return entries;
  }

  get(id: Id): Entry<R> | undefined {
    const active = this.#activeOn(id);
    return active.length === 0 ? this.#row(id) : this.#show(id, active);
  }

  /** Returns a record of this query as it is shown, unless other queries have to be asked for it. */
  peek(id: Id): Json | undefined {
    if (this.#baseOf(id) === undefined && this.#activeOn(id)[0]?.kind === 'patch') return undefined;
    return this.get(id)?.record as Json | undefined;
  }

  changed(): void {
    this.#query.changed();
  }

  /** Decides again about records that were left where they are. */
  reconsider(): void {
    this.#shown.clear();
    this.#last = { base: [], active: [], shown: [], entries: [] };
    this.changed();
  }

  moved(): void {
    this.#host.moved(this);
  }

  /** True when a record that was taken over from another query is shown there in another way, or not any more. */
  get isStale(): boolean {
    return [...this.#shown].some(([id, shown]) => shown.isForeign && shown.base !== this.#foreign(id));
  }

  catchUp(): void {
    this.#query.catchUp();
  }

  close(): void {
    this.#host.detach(this);
  }

  /** Holds the row that a write is applied to until its answer tells which rows contain it. */
  hold({ id }: Operation): void {
    const { position } = this.#query;
    if (position !== undefined) this.#held.set(String(id), { entry: this.#row(id), position });
  }

  release({ id }: Operation): void {
    if (this.#held.delete(String(id))) this.#shown.delete(String(id));
  }

  /**
   * True for an answered write that the rows of this query do not contain yet. It matters also where the record is not
   * shown now: rows from before the write may bring it.
   */
  awaits(operation: Operation): boolean {
    if (this.#id !== undefined && String(operation.id) !== String(this.#id)) return false;
    return this.#query.position === undefined || !this.#contains(operation);
  }

  /** True when the record of a write is in the rows of the server, or shown. */
  concerns({ id }: Operation): boolean {
    return this.#row(id) !== undefined || this.get(id) !== undefined;
  }

  /** True when the rows of the server contain the write. */
  #contains({ id, write }: Operation): boolean {
    const { position } = this.#held.get(String(id)) ?? this.#query;
    return write.position !== undefined && position !== undefined && position >= write.position;
  }

  /** Returns the row of the server, also for the key of a number as text. */
  #row(id: Id): Entry<R> | undefined {
    const { rows } = this.#query;
    return rows.get(id) ?? rows.get(typeof id === 'number' ? String(id) : Number(id));
  }

  /** Returns the row that writes to the record are applied to. */
  #baseOf(id: Id): Entry<R> | undefined {
    const held = this.#held.get(String(id));
    return held === undefined ? this.#row(id) : held.entry;
  }

  #activeOn(id: Id): Operation[] {
    return this.#active().filter((one) => String(one.id) === String(id));
  }

  /** Returns the writes to show. One that counts and was sent before this query had rows may be in them already. */
  #active(): Operation[] {
    if (this.#query.position === undefined) return [];
    return this.#host.operations(this.table).filter((one) => {
      if (this.#id !== undefined && String(one.id) !== String(this.#id)) return false;
      const isUncertain = one.write.isSent && one.write.position === undefined && !one.isRepeatable;
      return !(isUncertain && !this.#held.has(String(one.id))) && !this.#contains(one);
    });
  }

  /** True when the record of an operation is shown as before, also where it was taken over from another query. */
  #isAsIn({ id }: Operation, before: Shown<R> | undefined): boolean {
    const shown = this.#shown.get(String(id));
    if (shown === undefined || shown !== before) return false;
    return !shown.isForeign || shown.base === this.#foreign(id);
  }

  #foreign(id: Id): R | undefined {
    return this.#host.find(this.table, id, this) as R | undefined;
  }

  /** Applies the writes to one record. Undefined when it is not in the list by them. */
  #show(id: Id, operations: readonly Operation[]): Entry<R> | undefined {
    const entry = this.#baseOf(id);
    const isForeign = entry === undefined && operations[0]?.kind === 'patch';
    const base = isForeign ? this.#foreign(id) : entry?.record;
    const before = this.#shown.get(String(id));
    const isSame = before?.base === base && before?.operations.length === operations.length;
    if (before !== undefined && isSame && operations.every((one, at) => one === before.operations[at])) {
      return before.entry;
    }
    // Records that another query shows have the writes already.
    const isReady = isForeign && base !== undefined;
    const record = isReady ? (base as Json) : operations.reduce(applyOperation, base as Json | undefined);
    const shown = this.#fits(record, entry !== undefined)
      ? { ...entry, id: entry?.id ?? id, record: this.#project(record as Json) as R }
      : undefined;
    this.#shown.set(String(id), { base, operations, isForeign, entry: shown });
    return shown;
  }

  /** Leaves a record where it was if only the server can tell whether it matches. */
  #fits(record: Json | undefined, wasThere: boolean): boolean {
    if (record === undefined) return false;
    if (this.#id !== undefined) return true;
    this.#condition ??= this.#host.compile?.(this.#search);
    return this.#condition?.(record) ?? wasThere;
  }

  #project(record: Json): Json {
    const fields = this.#fields;
    if (fields === undefined) return record;
    const key = this.#host.keyOf(this.table);
    return Object.fromEntries(Object.entries(record).filter(([name]) => fields.has(name) || name === key));
  }

  #overlay(base: readonly Entry<R>[], active: readonly Operation[]): readonly Entry<R>[] {
    const byId = new Map<string, Operation[]>();
    for (const one of active) byId.set(String(one.id), [...(byId.get(String(one.id)) ?? []), one]);
    const entries: Entry<R>[] = [];
    const moved: Entry<R>[] = [];
    for (const entry of base) {
      const operations = byId.get(String(entry.id));
      if (operations === undefined) {
        entries.push(entry);
        continue;
      }
      byId.delete(String(entry.id));
      const shown = this.#show(entry.id, operations);
      if (shown === undefined) continue;
      if (this.#query.order(shown, entry) === 0) entries.push(shown);
      else moved.push(shown);
    }
    for (const [, operations] of byId) {
      const shown = this.#show((operations[0] as Operation).id, operations);
      if (shown !== undefined) moved.push(shown);
    }
    for (const entry of moved) if (!this.#isOutside(base, entry)) this.#insert(entries, entry);
    return entries;
  }

  /** True for an entry whose place is among the records before or after the window, which are not known. */
  #isOutside(base: readonly Entry<R>[], entry: Entry<R>): boolean {
    const { windowSize } = this.#query;
    const [first, last] = [base[0], base.at(-1)];
    if (windowSize === undefined || first === undefined || last === undefined) return false;
    if (this.#hasBefore && this.#query.order(entry, first) < 0) return true;
    return base.length >= windowSize && this.#query.order(entry, last) > 0;
  }

  #insert(entries: Entry<R>[], entry: Entry<R>): void {
    const found = entries.findIndex((other) => this.#query.order(other, entry) > 0);
    entries.splice(found < 0 ? entries.length : found, 0, entry);
  }
}

/** Returns the fields that `select` names, without the relations. */
function fieldsOf(select: string): ReadonlySet<string> {
  let depth = 0;
  const flat = [...select].filter((character) => {
    if (character === '{') depth++;
    if (character === '}') depth--;
    return depth === 0 && character !== '}';
  });
  return new Set(flat.join('').split(','));
}
