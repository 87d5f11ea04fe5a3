import pg from 'pg';
import type { PgStatement } from '../sql/params.ts';
import type { Param } from '../sql/types.ts';

/** Answer to one statement. */
export interface PgResult {
  /** Rows as arrays of cells. */
  readonly rows: PgRows;
  /** Number of rows that were written. */
  readonly count: number;
  /** First word of the server's answer: a COMMIT of a failed transaction is answered with ROLLBACK. */
  readonly command: string;
}

/** Rows as arrays of cells. */
export type PgRows = readonly (readonly unknown[])[];

type Parser = (text: string) => unknown;

export interface NamedStatement extends PgStatement {
  /** Name under which it is prepared; undefined where it is not. */
  readonly name: string | undefined;
}

/** Connection of the driver: its messages to the server, and the statements that are prepared on it, by name. */
interface DriverConnection {
  readonly stream: { cork(): void; uncork(): void };
  readonly parsedStatements: Record<string, string>;
  readonly submittedNamedStatements: Record<string, string>;
  parse(message: { readonly text: string; readonly name: string | undefined }): void;
  bind(message: { readonly statement: string | undefined; readonly values: readonly (string | null)[] }): void;
  describe(message: { readonly type: 'P' }): void;
  close(message: { readonly type: 'S'; readonly name: string }): void;
  execute(message: object): void;
  sync(): void;
}

/** Query as the driver calls it back while it reads the answers. */
interface DriverQuery {
  submit(connection: DriverConnection): null;
  handleRowDescription(message: { readonly fields: readonly { readonly dataTypeID: number }[] }): void;
  handleDataRow(message: { readonly fields: readonly (string | null)[] }): void;
  handleCommandComplete(message: { readonly text: string }): void;
  handleError(error: unknown): void;
  handleReadyForQuery(): void;
}

// With pipelining, the driver takes queries of its own class only.
const Query = pg.Query as unknown as new (text: string) => DriverQuery;

export interface BurstAnswer {
  parserOf(type: number): Parser;
  /** Called with the results of all statements. */
  resolve(results: readonly PgResult[]): void;
  /** Called with the error of the first statement that has failed: the server skips those after it. */
  reject(error: unknown): void;
}

/**
 * Statements that the server executes one after the other and answers together: the driver's own queries end with a message
 * each that makes the server send what it has, so that both processes wake up once for every statement.
 */
export class BurstQuery extends Query {
  readonly #statements: readonly NamedStatement[];
  readonly #answer: BurstAnswer;
  readonly #results: PgResult[] = [];
  /** Statements that this burst prepares, with their places in it. */
  readonly #prepared: { readonly name: string; readonly sql: string; readonly place: number }[] = [];
  #connection: DriverConnection | undefined;
  #parsers: readonly Parser[] = [];
  #rows: unknown[][] = [];

  constructor(statements: readonly NamedStatement[], answer: BurstAnswer) {
    super('');
    this.#statements = statements;
    this.#answer = answer;
  }

  override submit(connection: DriverConnection): null {
    this.#connection = connection;
    connection.stream.cork();
    for (const [place, { name, sql, params }] of this.#statements.entries()) {
      if (name === undefined) connection.parse({ text: sql, name });
      else if (!isPrepared(connection, name)) {
        // After a burst that has failed, the name may be that of a statement.
        connection.close({ type: 'S', name });
        connection.parse({ text: sql, name });
        connection.submittedNamedStatements[name] = sql;
        this.#prepared.push({ name, sql, place });
      }
      connection.bind({ statement: name, values: params.map(textOf) });
      connection.describe({ type: 'P' });
      connection.execute({});
    }
    connection.sync();
    connection.stream.uncork();
    return null;
  }

  override handleRowDescription({ fields }: Parameters<DriverQuery['handleRowDescription']>[0]): void {
    this.#parsers = fields.map(({ dataTypeID }) => this.#answer.parserOf(dataTypeID));
  }

  override handleDataRow({ fields }: Parameters<DriverQuery['handleDataRow']>[0]): void {
    const row = new Array<unknown>(fields.length);
    for (let place = 0; place < fields.length; place++) {
      const text = fields[place] ?? null;
      row[place] = text === null ? null : (this.#parsers[place] as Parser)(text);
    }
    this.#rows.push(row);
  }

  override handleCommandComplete({ text }: Parameters<DriverQuery['handleCommandComplete']>[0]): void {
    const command = /^\w+/.exec(text)?.[0] ?? '';
    this.#results.push({ rows: this.#rows, count: Number(/\d+$/.exec(text)?.[0] ?? 0), command });
    this.#rows = [];
  }

  override handleError(error: unknown): void {
    this.#keepPrepared();
    this.#answer.reject(error);
  }

  override handleReadyForQuery(): void {
    this.#keepPrepared();
    this.#answer.resolve(this.#results);
  }

  /** Tells the driver which statements are prepared: those that were executed. */
  #keepPrepared(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    for (const { name, sql, place } of this.#prepared) {
      delete connection.submittedNamedStatements[name];
      if (place < this.#results.length) connection.parsedStatements[name] = sql;
    }
  }
}

function isPrepared({ parsedStatements, submittedNamedStatements }: DriverConnection, name: string): boolean {
  return parsedStatements[name] !== undefined || submittedNamedStatements[name] !== undefined;
}

function textOf(param: Param): string | null {
  return param === null ? null : String(param);
}
