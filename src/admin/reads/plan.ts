import { relative } from 'node:path';
import type { FastifyRequest } from 'fastify';
import { checkRules } from '../../auth/policy/access.ts';
import { StartError } from '../../config/files/diagnostic.ts';
import { AppError } from '../../errors.ts';
import type { Plan } from '../../schema/plan.ts';
import { loadPlan, makePlan, type SchemaSource } from '../../schema/sdl/build.ts';
import { loadEngine } from '../../store/index.ts';
import { StoreOpenError } from '../../store/open-errors.ts';
import type { AdminApp } from '../admin-hooks.ts';
import { readParameters } from '../parameters.ts';

const MAX_FILES = 100;

/**
 * Answers what the next start would do to the store with the schema files as they are on the disk now. Changes nothing.
 * Errors in the files are part of the answer.
 */
export function planFiles(request: FastifyRequest, app: AdminApp): Promise<object> {
  readParameters(request, []);
  const { config } = app;
  return describePlan(app, () => loadPlan(config, config.dir, checkRules));
}

/** Answers as `planFiles` for the files of the body, `{"files": [{"path", "text"}]}`. Throws BAD_REQUEST. */
export function planGiven(request: FastifyRequest, app: AdminApp): Promise<object> {
  readParameters(request, []);
  const sources = readFiles(request.body);
  return describePlan(app, () => makePlan(sources, app.config, checkRules));
}

async function describePlan(app: AdminApp, make: () => Plan): Promise<object> {
  let plan: Plan;
  try {
    plan = make();
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    return { valid: false, errors: error.diagnostics.map((one) => describeError(one, app.config.dir)) };
  }
  const engine = await loadEngine(app.config);
  try {
    const preview = await engine.previewMigration(plan, { dir: app.config.dataDir, allowed: [] });
    const { pending = true, impossible = false, losing = [], steps = [] } = preview ?? {};
    return { valid: true, errors: [], stored: preview !== undefined, pending, impossible, losing, steps };
  } catch (error) {
    if (!(error instanceof StoreOpenError)) throw error;
    throw new AppError('NOT_FOUND', `There is no plan: ${error.message}`);
  }
}

function describeError({ at, message, hint }: StartError['diagnostics'][number], dir: string): object {
  const path = at.file.startsWith('/') ? relative(dir, at.file) : at.file;
  return { path, line: at.line, column: at.column, message, ...(hint !== undefined && { hint }) };
}

function readFiles(body: unknown): readonly SchemaSource[] {
  const { files } = (body ?? {}) as { readonly files?: unknown };
  if (!Array.isArray(files) || files.length === 0 || files.length > MAX_FILES) {
    throw new AppError('BAD_REQUEST', `The body has files, a list of 1 to ${MAX_FILES} objects with path and text.`);
  }
  return files.map((file: unknown) => {
    const { path, text } = (file ?? {}) as { readonly path?: unknown; readonly text?: unknown };
    if (typeof path === 'string' && typeof text === 'string') return { file: path.slice(0, 200), text };
    throw new AppError('BAD_REQUEST', 'Each of files has path and text, which are strings.');
  });
}
