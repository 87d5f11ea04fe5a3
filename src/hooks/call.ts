import { AppError, ERRORS, type ErrorCode } from '../errors.ts';

export interface CallOptions {
  /** Milliseconds; what comes later is not waited for. */
  readonly timeout: number;
  /** Mistakes in the application's code, for the log. */
  onError(error: unknown): void;
}

/** One function that the application has exported under a name. */
export interface NamedHook {
  /** As people know it: `beforeCreate of Message`. */
  readonly name: string;
  readonly call: (event: object) => unknown;
}

/** The application's own mistakes: their texts are about its code, and nothing for its callers. */
const BUGS = [TypeError, ReferenceError, RangeError, SyntaxError, EvalError, URIError] as const;

/**
 * Asks a hook that may refuse. Throws HOOK_REFUSED with its message when it throws or gives false, the code that the
 * error itself has when that is one of a refusal, and HOOK_FAILED, after telling `onError`, when it is broken or late.
 */
export async function askHook(hook: NamedHook, event: object, options: CallOptions): Promise<unknown> {
  let answer: unknown;
  try {
    answer = await inTime(hook, event, options.timeout);
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal !== undefined) throw refusal;
    options.onError(faultOf(hook, error));
    throw new AppError('HOOK_FAILED', `The hook ${hook.name} has failed; it has been logged.`);
  }
  if (answer === false) throw new AppError('HOOK_REFUSED', `The hook ${hook.name} has refused.`);
  return answer;
}

/** Tells a hook what has happened; whatever it throws is only logged. */
export async function tellHook(hook: NamedHook, event: object, options: CallOptions): Promise<void> {
  try {
    await inTime(hook, event, options.timeout);
  } catch (error) {
    options.onError(faultOf(hook, error));
  }
}

async function inTime(hook: NamedHook, event: object, timeout: number): Promise<unknown> {
  const answer = hook.call(event);
  if (!isThenable(answer)) return answer;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new HookTimeout(`no answer within hook_timeout (${timeout} ms)`)), timeout);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

class HookTimeout extends Error {}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

/** What the caller is told; undefined when it is a fault. The errors of tables may come from another copy of the program. */
function refusalOf(error: unknown): AppError | undefined {
  if (!(error instanceof Error)) return new AppError('HOOK_REFUSED', String(error).slice(0, 1000));
  if (error instanceof HookTimeout || BUGS.some((bug) => error instanceof bug)) return undefined;
  const { code, errors } = error as Error & { code?: unknown; errors?: AppError['errors'] };
  if (!isCode(code)) return code === undefined ? new AppError('HOOK_REFUSED', error.message) : undefined;
  if (ERRORS[code].status >= 500) return undefined;
  return new AppError(code, error.message, Array.isArray(errors) ? { errors, cause: error } : { cause: error });
}

function isCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERRORS, code);
}

function faultOf({ name }: NamedHook, error: unknown): Error {
  return new Error(`hook ${name}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
}
