import { readFileSync } from 'node:fs';
import type { ServerConfig } from '../../config/config.ts';
import { AppError, type ErrorCode } from '../../errors.ts';
import type { ImportBatch, ImportOutcome } from '../../resources/transfer/importer.ts';
import type { TablePlan } from '../../schema/plan.ts';
import type { ProjectApp } from '../../schema/project-app.ts';
import { openApplication } from '../application.ts';
import {
  CONTROL_HOST,
  CONTROL_PATH,
  type ControlFile,
  type ControlRequest,
  controlFileOf,
  LocalTransfer,
  type Transfer,
} from './transfer.ts';

/**
 * Opens the way by which commands write: through the running server, so that live channels have the changes, else
 * through the store, which no other process may open meanwhile. Throws StoreOpenError.
 */
export async function openTransfer(app: ProjectApp, server: ServerConfig): Promise<Transfer> {
  const control = readControlFile(app);
  if (control !== undefined && (await isAnswering(control))) return new RemoteTransfer(control);
  const { config, plan } = app;
  const onError = (error: unknown) => {
    throw error;
  };
  const application = await openApplication({ app: config, server, plan, allowDestructive: false, onError });
  return new LocalTransfer(application, server);
}

function readControlFile({ config: { dataDir } }: ProjectApp): ControlFile | undefined {
  try {
    return JSON.parse(readFileSync(controlFileOf(dataDir), 'utf8')) as ControlFile;
  } catch {
    // None, or one that is being written: then the lock of the store tells.
    return undefined;
  }
}

/** False for a file that a killed server has left. */
async function isAnswering(control: ControlFile): Promise<boolean> {
  try {
    const { status } = await send(control, '{}', '/');
    return status === 404;
  } catch {
    return false;
  }
}

function send({ port, token }: ControlFile, body: string, path: string = CONTROL_PATH): Promise<Response> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  return fetch(`http://${CONTROL_HOST}:${port}${path}`, { method: 'POST', headers, body });
}

/** Writes through the running server. */
class RemoteTransfer implements Transfer {
  readonly isLive = true;
  readonly #control: ControlFile;

  constructor(control: ControlFile) {
    this.#control = control;
  }

  importBatch({ name: table }: TablePlan, batch: ImportBatch): Promise<ImportOutcome> {
    return this.#ask({ type: 'import', app: this.#control.app, table, batch });
  }

  reset({ name: table }: TablePlan): Promise<number> {
    return this.#ask({ type: 'reset', app: this.#control.app, table });
  }

  async close(): Promise<void> {}

  async #ask<T>(request: ControlRequest): Promise<T> {
    const response = await send(this.#control, JSON.stringify(request));
    const { result, error } = (await response.json()) as {
      readonly result: T;
      readonly error?: { readonly code: string; readonly message: string };
    };
    if (error !== undefined) throw new AppError(error.code as ErrorCode, error.message);
    return result;
  }
}
