import { join } from 'node:path';
import type { ServerConfig } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import type { Application } from '../../resources/application.ts';
import { type ImportBatch, type ImportOutcome, TableImporter } from '../../resources/transfer/importer.ts';
import type { TablePlan } from '../../schema/plan.ts';

/** Writes of the commands `import` and `seed` to one application. */
export interface Transfer {
  /** True when a running server makes the writes, so that they arrive on its channels. */
  readonly isLive: boolean;
  importBatch(table: TablePlan, batch: ImportBatch): Promise<ImportOutcome>;
  /** Removes every record of the table; returns their number. */
  reset(table: TablePlan): Promise<number>;
  close(): Promise<void>;
}

/** Writes through an application of this process. */
export class LocalTransfer implements Transfer {
  readonly isLive = false;
  readonly #application: Application;
  readonly #importers = new Map<string, TableImporter>();

  constructor(application: Application, { limits }: Pick<ServerConfig, 'limits'>) {
    this.#application = application;
    const { commits, records } = application;
    for (const table of application.plan.tables) {
      this.#importers.set(table.name, new TableImporter(table, { limits, commits, records }));
    }
  }

  importBatch({ name }: Pick<TablePlan, 'name'>, batch: ImportBatch): Promise<ImportOutcome> {
    return this.#of(name).write(batch);
  }

  reset({ name }: Pick<TablePlan, 'name'>): Promise<number> {
    return this.#of(name).reset();
  }

  close(): Promise<void> {
    return this.#application.close();
  }

  #of(name: string): TableImporter {
    const importer = this.#importers.get(name);
    if (importer !== undefined) return importer;
    throw new AppError('NOT_FOUND', `The running server has no table ${name}: its schema is another one. Restart it.`);
  }
}

/** File in a data directory by which the commands find the running server, readable by its owner only. */
export interface ControlFile {
  readonly pid: number;
  readonly port: number;
  /** Random text that every request has. */
  readonly token: string;
  readonly app: string;
}

/** Request of a command to the running server. */
export type ControlRequest = { readonly app: string; readonly table: string } & (
  | { readonly type: 'import'; readonly batch: ImportBatch }
  | { readonly type: 'reset' }
);

export const CONTROL_HOST = '127.0.0.1';
export const CONTROL_PATH = '/control';
/** Bytes of one request: a batch of records. */
export const MAX_CONTROL_BYTES = 64 * 1024 ** 2;

export function controlFileOf(dataDir: string): string {
  return join(dataDir, 'control.json');
}
