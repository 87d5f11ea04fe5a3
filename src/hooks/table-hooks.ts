import { AppError } from '../errors.ts';
import type { JsonObject } from '../resources/table/frames.ts';
import type { PendingRecord, PendingWrite, WriteHooks } from '../resources/write-hooks.ts';
import { askHook, type CallOptions, type NamedHook } from './call.ts';
import type { TableHookName } from './exports.ts';
import type { HookContext } from './types.ts';

export interface TableHookOptions extends CallOptions {
  /** Export name. */
  readonly table: string;
  readonly hooks: ReadonlyMap<TableHookName, readonly NamedHook[]>;
  readonly context: HookContext;
}

/** Returns the before-hooks of one table; undefined when it has none. */
export function makeWriteHooks(options: TableHookOptions): WriteHooks | undefined {
  const { hooks } = options;
  const create = hooks.get('beforeCreate');
  const update = hooks.get('beforeUpdate');
  const remove = hooks.get('beforeDelete');
  if (create === undefined && update === undefined && remove === undefined) return undefined;
  return {
    ...(create && { beforeCreate: (write) => change(create, write, options) }),
    ...(update && { beforeUpdate: (write) => change(update, write, options) }),
    ...(remove && { beforeDelete: (write) => ask(remove, write, options) }),
  };
}

/** Calls the hooks in order; each receives the record that the one before it returned. */
async function change(
  hooks: readonly NamedHook[],
  write: PendingRecord,
  options: TableHookOptions,
): Promise<JsonObject> {
  const { table, context } = options;
  let { record } = write;
  for (const hook of hooks) {
    const answer = await askHook(hook, { ...write, record, table, ...context }, options);
    if (answer === undefined) continue;
    if (!isRecord(answer)) {
      options.onError(new Error(`hook ${hook.name}: must return a record or nothing`));
      throw new AppError('HOOK_FAILED', `The hook ${hook.name} has failed; it has been logged.`);
    }
    record = answer;
  }
  return record;
}

async function ask(hooks: readonly NamedHook[], write: PendingWrite, options: TableHookOptions): Promise<void> {
  const { table, context } = options;
  for (const hook of hooks) await askHook(hook, { ...write, table, ...context }, options);
}

function isRecord(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
