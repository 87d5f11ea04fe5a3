import { type Identity, SERVER } from '../../auth/identity.ts';
import type { NamedTables, TableHandle } from '../table/handle.ts';
import { makeHandles } from '../table/make-handle.ts';
import type { TableResource } from '../table/resource.ts';
import { OpenTransaction } from './open-transaction.ts';
import { isRetried, keepsChanging, type Transactions } from './transactions.ts';

/** Attempts of a transaction by code whose reads are out of date when it commits. */
const MAX_ATTEMPTS = 10;

/**
 * Table in a transaction by code. Reads see what was committed before; writes are checked at once and happen together, at
 * the end of the callback.
 */
export interface TransactionTable<Handle extends TableHandle = TableHandle> {
  /**
   * Returns the record, or undefined. The transaction commits only when it has not changed since. Throws Error for a
   * record that the transaction has written.
   */
  get: Handle['get'];
  /**
   * Returns records by a query as in the URL of a list. The transaction commits only when no record of their tables has
   * changed since. Throws AppError INVALID_QUERY, and Error for a table that the transaction has written to.
   */
  find: Handle['find'];
  /** Adds a new record. Resolves with its key. Throws AppError VALIDATION_ERROR. */
  create(record: Parameters<Handle['create']>[0]): Promise<Parameters<Handle['get']>[0]>;
  /** Creates or replaces a record. Throws AppError VALIDATION_ERROR. */
  put(...parameters: Parameters<Handle['put']>): Promise<void>;
  /** Replaces the given fields. Throws AppError VALIDATION_ERROR. */
  patch(...parameters: Parameters<Handle['patch']>): Promise<void>;
  /** Removes a record. */
  delete(...parameters: Parameters<Handle['delete']>): Promise<void>;
  /** Sends a message to the record's and the table's channel, with null to the table's alone. */
  publish(...parameters: Parameters<Handle['publish']>): Promise<void>;
}

/** Tables in a transaction by code, by export name. */
export type TransactionTables = {
  readonly [Name in keyof NamedTables]: NamedTables[Name] extends TableHandle
    ? TransactionTable<NamedTables[Name]>
    : TransactionTable<NamedTables[Name] & TableHandle>;
};

/** Tables of an application for code, with their transactions. */
export type CodeTables = NamedTables & {
  /**
   * Runs `work`, and commits what it has written: all or nothing. When a record that it has read changes before the
   * commit, `work` runs again, up to 10 times: it must not do anything besides that cannot be repeated. Throws AppError
   * CONFLICT when the records keep changing, and what `work` throws; then nothing was written.
   */
  transaction<Result>(work: (tx: TransactionTables) => Promise<Result> | Result): Promise<Result>;
};

/** Parts of an application that transactions by code need. */
export interface TransactionScope {
  /** Resources by export name. */
  readonly resources: ReadonlyMap<string, TableResource>;
  readonly transactions: Transactions;
}

/** Makes the tables of an application for code with the rights of an identity. */
export function makeCodeTables(scope: TransactionScope, identity: Identity = SERVER): CodeTables {
  const { resources, transactions } = scope;
  const transaction = <Result>(work: (tx: TransactionTables) => Promise<Result> | Result) =>
    runByCode({ resources, transactions, identity }, work);
  // Without a prototype: any name that is not a table is undefined.
  const tables = Object.assign(Object.create(null), Object.fromEntries(makeHandles(resources, identity)));
  return Object.freeze(Object.assign(tables, { transaction }));
}

async function runByCode<Result>(
  { resources, transactions, identity }: TransactionScope & { readonly identity: Identity },
  work: (tx: TransactionTables) => Promise<Result> | Result,
): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    const open = new OpenTransaction(resources, identity, transactions.maxSteps);
    const result = await open.collect(work);
    const steps = open.steps;
    if (steps.length === 0) return result;
    try {
      const outcomes = await transactions.commit(steps);
      await open.finish(outcomes);
      return result;
    } catch (error) {
      if (!isRetried(steps, error)) throw error;
      if (attempt === MAX_ATTEMPTS) throw keepsChanging();
    }
  }
}
