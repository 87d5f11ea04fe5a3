import type { FieldPlan, TablePlan } from '../../../schema/plan.ts';
import { defaultCell } from '../../migration/cell-conversion.ts';
import { encoderOf } from '../../rows/codec.ts';
import { OPS } from '../../rows/row.ts';
import type { Cell } from '../../store.ts';
import type { Readers } from '../database/readers.ts';
import { quote, recordsName } from '../sql/names.ts';
import { sqlType, toArray } from '../sql/types.ts';

/** Entry of the log, as it is read. */
export type LogRow = readonly [
  seq: number,
  op: number,
  id: string | null,
  data: string | null,
  before: string | null,
  tx: number | null,
  version: number | null,
];

const PUBLISH = OPS.indexOf('publish') + 1;
const DELETE = OPS.indexOf('delete') + 1;

/**
 * Completes entries of servers with an earlier schema, which lack fields of this one. Such a server does not change these
 * fields, so an entry gets their values of the record as it is stored, and the entry of a deletion those of the last entry
 * before it that has them.
 */
export class EntryCompletion {
  readonly #plan: TablePlan;
  readonly #id: number;
  readonly #grown: number;
  readonly #readers: Pick<Readers, 'send'>;

  constructor(
    plan: TablePlan,
    { id, grown }: { readonly id: number; readonly grown: number },
    readers: Pick<Readers, 'send'>,
  ) {
    this.#plan = plan;
    this.#id = id;
    this.#grown = grown;
    this.#readers = readers;
  }

  async complete(rows: readonly LogRow[]): Promise<readonly LogRow[]> {
    if (this.#grown === 0 || !rows.some((row) => this.#isEarlier(row))) return rows;
    const incomplete = rows.filter((row) => this.#isEarlier(row) && this.#missing(row).length > 0);
    const stored = await this.#stored(incomplete);
    const completed = new Map<LogRow, LogRow>();
    for (const row of incomplete) {
      const [seq, op, id, data, before, tx, version] = row;
      const values = (op === DELETE ? undefined : stored.get(id ?? '')) ?? (await this.#lastKnown(row));
      const text = this.#missing(row)
        .map((field) => `,${JSON.stringify(field.name)}:${values.get(field) ?? encode(field, defaultCell(field))}`)
        .join('');
      const add = (json: string | null) => json && `${json.slice(0, -1)}${text}}`;
      // `before` of an update has only the fields that were changed.
      completed.set(row, [seq, op, id, add(data), op === DELETE ? add(before) : before, tx, version]);
    }
    return rows.map((row) => completed.get(row) ?? row);
  }

  #isEarlier([, op, , , , , version]: LogRow): boolean {
    return op !== PUBLISH && (version ?? 0) < this.#grown;
  }

  /** Returns the fields that the record in an entry does not have. */
  #missing([, , , data, before]: LogRow): readonly FieldPlan[] {
    const text = data ?? before;
    if (text === null) return [];
    const record = JSON.parse(text) as object;
    return this.#plan.fields.filter(({ name, hidden }) => !hidden && !Object.hasOwn(record, name));
  }

  /** Reads the fields of the records, as JSON texts, by the records' keys. */
  async #stored(rows: readonly LogRow[]): Promise<ReadonlyMap<string, ReadonlyMap<FieldPlan, string>>> {
    const ids = [...new Set(rows.map(([, , id]) => id))];
    if (ids.length === 0) return new Map();
    const { primaryKey, fields } = this.#plan;
    const type = sqlType(primaryKey.type);
    const columns = fields.map(({ name }) => quote(name)).join(', ');
    const found = await this.#readers.send(
      `SELECT ${quote(primaryKey.name)}::text, ${columns} FROM ${recordsName(this.#plan)} WHERE ${quote(primaryKey.name)} = ANY($1::${type}[])`,
      [toArray(ids)],
    );
    return new Map(
      found.rows.map(([key, ...cells]) => [
        key as string,
        new Map(fields.map((field, index) => [field, encode(field, cells[index] as Cell)])),
      ]),
    );
  }

  /** Reads the fields of a record from the newest entry before that has them. */
  async #lastKnown([seq, , id]: LogRow): Promise<ReadonlyMap<FieldPlan, string>> {
    const { rows } = await this.#readers.send(
      'SELECT data FROM log WHERE tbl = $1 AND seq < $2 AND id = $3 AND version >= $4 AND data IS NOT NULL AND op <> $5 ORDER BY seq DESC LIMIT 1',
      [this.#id, seq, id, this.#grown, PUBLISH],
    );
    const text = rows[0]?.[0] as string | undefined;
    if (text === undefined) return new Map();
    const record = JSON.parse(text) as Readonly<Record<string, unknown>>;
    return new Map(
      this.#plan.fields.flatMap((field) => {
        const value = record[field.name];
        return value === undefined ? [] : [[field, JSON.stringify(value)] as const];
      }),
    );
  }
}

function encode({ type }: FieldPlan, cell: Cell): string {
  return encoderOf(type)(cell);
}
