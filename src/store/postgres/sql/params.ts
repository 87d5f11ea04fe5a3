import type { Cell } from '../../store.ts';
import { type Param, type SqlType, toArray, toParam } from './types.ts';

/** Statement with its parameters. */
export interface PgStatement {
  readonly sql: string;
  readonly params: readonly Param[];
}

/** Parameters of a statement that is being written. */
export class Params {
  readonly values: Param[] = [];

  /** Adds a parameter; returns its placeholder with its type, without which an index may not be used. */
  bind(value: Cell | boolean, type: SqlType): string {
    this.values.push(toParam(value, type));
    return `$${this.values.length}::${type}`;
  }

  /** Adds many values as one parameter; returns its placeholder. */
  bindAll(values: readonly (Cell | boolean)[], type: SqlType): string {
    this.values.push(toArray(values.map((value) => toParam(value, type))));
    return `$${this.values.length}::${type}[]`;
  }

  /** Reserves a place for a value that is given with each call; returns its placeholder. */
  reserve(type: SqlType): string {
    this.values.push(null);
    return `$${this.values.length}::${type}`;
  }
}
