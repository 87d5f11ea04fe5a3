import type { FieldPlan, TablePlan } from '../../../schema/plan.ts';
import { type Row, RowLayout } from '../../rows/row.ts';
import type { Cell, RecordKey } from '../../store.ts';
import { quote, recordsName, wordsColumn } from '../sql/names.ts';
import type { PgStatement } from '../sql/params.ts';
import { type Param, type SqlType, sqlType, toArray, toParam, wordsOfCell } from '../sql/types.ts';
import type { KeptRow } from './overlay.ts';

/** Column of a table with the values that a row has for it. */
interface WrittenColumn {
  readonly name: string;
  /** Type of the array of its values. */
  readonly type: SqlType;
  /** Expression of the value in the column's type. */
  readonly expression: (value: string) => string;
  readonly paramOf: (kept: KeptRow) => Param;
}

const plainly = (value: string) => value;

/** Statements of one table. */
export class PgTable extends RowLayout {
  readonly keyType: SqlType;
  /** Selects the cells of a row, its seq, and with expiry its time of expiry. */
  readonly columns: string;
  readonly #key: string;
  readonly #from: string;
  readonly #written: readonly WrittenColumn[];
  readonly #insert: string;
  readonly #update: string;
  readonly #delete: string;

  /** `from`: quoted name of the SQL table. */
  constructor(plan: TablePlan, from = recordsName(plan)) {
    super(plan);
    const { primaryKey, fields } = plan;
    this.keyType = sqlType(primaryKey.type);
    this.#key = quote(primaryKey.name);
    this.#from = from;
    this.columns = [...fields.map(({ name }) => quote(name)), '_seq', ...(this.expires ? ['_expires'] : [])].join(', ');
    this.#written = [
      ...fields.map((field, place) => cellColumn(field, place)),
      ...fields.filter(({ fulltext }) => fulltext).map((field) => wordsOf(field, fields.indexOf(field))),
      ...(this.expires ? [expiryColumn()] : []),
      seqColumn(fields.length),
    ];
    const names = this.#written.map(({ name }) => quote(name));
    const arrays = this.#written.map(({ type }, index) => `$${index + 1}::${type}[]`);
    const cells = this.#written.map((_, index) => `c${index}`);
    const values = this.#written.map(({ expression }, index) => expression(`u.c${index}`));
    const rows = `unnest(${arrays.join(', ')}) AS u(${cells.join(', ')})`;
    this.#insert = `INSERT INTO ${this.#from} (${names.join(', ')}) SELECT ${values.join(', ')} FROM ${rows}`;
    const keyValue = `u.c${this.keyIndex}`;
    const set = names.map((name, index) => `${name} = ${values[index]}`).filter((_, index) => index !== this.keyIndex);
    this.#update = `UPDATE ${this.#from} AS t SET ${set.join(', ')} FROM ${rows} WHERE t.${this.#key} = ${keyValue}`;
    this.#delete = `DELETE FROM ${this.#from} WHERE ${this.#key} = ANY($1::${this.keyType}[])`;
  }

  get(id: RecordKey): PgStatement {
    return {
      sql: `SELECT ${this.columns} FROM ${this.#from} WHERE ${this.#key} = $1::${this.keyType}`,
      params: [toParam(id, this.keyType)],
    };
  }

  page(after: RecordKey | undefined, limit: number): PgStatement {
    const where = after === undefined ? '' : ` WHERE ${this.#key} > $2::${this.keyType}`;
    return {
      sql: `SELECT ${this.columns} FROM ${this.#from}${where} ORDER BY ${this.#key} LIMIT $1`,
      params: [limit, ...(after === undefined ? [] : [toParam(after, this.keyType)])],
    };
  }

  /** Reads rows and locks them until the end of the transaction, in the order of the keys, so that no two wait for each other. */
  lock(ids: readonly RecordKey[]): PgStatement {
    return {
      sql: `SELECT ${this.columns} FROM ${this.#from} WHERE ${this.#key} = ANY($1::${this.keyType}[]) ORDER BY ${this.#key} FOR UPDATE`,
      params: [this.#keys(ids)],
    };
  }

  /** Reads rows and keeps others from deleting them until the end of the transaction. */
  share(ids: readonly RecordKey[]): PgStatement {
    return {
      sql: `SELECT ${this.columns} FROM ${this.#from} WHERE ${this.#key} = ANY($1::${this.keyType}[]) ORDER BY ${this.#key} FOR KEY SHARE`,
      params: [this.#keys(ids)],
    };
  }

  /** Reads and locks the first rows that have one of these keys in a field. */
  lockReferring({ name, type }: FieldPlan, keys: readonly RecordKey[], limit: number): PgStatement {
    const own = sqlType(type);
    return {
      sql: `SELECT ${this.columns} FROM ${this.#from} WHERE ${quote(name)} = ANY($1::${own}[]) ORDER BY ${this.#key} LIMIT $2 FOR UPDATE`,
      params: [toArray(keys.map((key) => toParam(key, own))), limit],
    };
  }

  /** Reads and locks the rows that have one of the values of a unique index. */
  lockHolders(fields: readonly FieldPlan[], values: readonly (readonly Cell[])[]): PgStatement {
    const types = fields.map(({ type }) => sqlType(type));
    const columns = fields.map(({ name }) => quote(name)).join(', ');
    const arrays = types.map((type, index) => `$${index + 1}::${type}[]`).join(', ');
    return {
      sql: `SELECT ${this.columns} FROM ${this.#from} WHERE (${columns}) IN (SELECT * FROM unnest(${arrays})) ORDER BY ${this.#key} FOR UPDATE`,
      params: types.map((type, index) => toArray(values.map((row) => toParam(row[index] ?? null, type)))),
    };
  }

  expired(now: number, limit: number): PgStatement {
    return {
      sql: `SELECT ${this.#key} FROM ${this.#from} WHERE _expires <= $1 ORDER BY _expires LIMIT $2`,
      params: [now, limit],
    };
  }

  insert(rows: readonly KeptRow[]): PgStatement {
    return { sql: this.#insert, params: this.#arraysOf(rows) };
  }

  update(rows: readonly KeptRow[]): PgStatement {
    return { sql: this.#update, params: this.#arraysOf(rows) };
  }

  delete(keys: readonly Cell[]): PgStatement {
    return { sql: this.#delete, params: [this.#keys(keys)] };
  }

  /** Returns a row that was read with `columns`. */
  keep(cells: readonly unknown[]): KeptRow {
    if (!this.expires) return { row: cells as Row, expires: null };
    return { row: cells.slice(0, -1) as Row, expires: cells.at(-1) as number | null };
  }

  #keys(keys: readonly Cell[]): string {
    return toArray(keys.map((key) => toParam(key, this.keyType)));
  }

  #arraysOf(rows: readonly KeptRow[]): Param[] {
    return this.#written.map(({ paramOf }) => toArray(rows.map(paramOf)));
  }
}

function cellColumn({ name, type }: FieldPlan, place: number): WrittenColumn {
  const own = sqlType(type);
  return { name, type: own, expression: plainly, paramOf: ({ row }) => toParam(row[place] ?? null, own) };
}

/** Returns the column of a field's words, which are sent as the text of an array. */
function wordsOf(field: FieldPlan, place: number): WrittenColumn {
  return {
    name: wordsColumn(field),
    type: 'text',
    expression: (value) => `array_to_tsvector(${value}::text[])`,
    paramOf: ({ row }) => {
      const words = wordsOfCell(row[place] ?? null, field);
      return words === undefined ? null : toArray(words);
    },
  };
}

function expiryColumn(): WrittenColumn {
  return { name: '_expires', type: 'bigint', expression: plainly, paramOf: ({ expires }) => expires };
}

/** Returns the column of the seq: in an open commit a negative number counts from the position before it. */
function seqColumn(place: number): WrittenColumn {
  return {
    name: '_seq',
    type: 'bigint',
    expression: finalSeq,
    paramOf: ({ row }) => row[place] as number,
  };
}

/** Returns the expression of a seq: a negative number counts from the position that `take` has returned. */
export function finalSeq(value: string): string {
  return `CASE WHEN ${value} < 0 THEN coalesce(nullif(current_setting('tablecast.base', true), ''), '0')::bigint - ${value} ELSE ${value} END`;
}
