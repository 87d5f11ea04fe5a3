import { AppError, ERRORS, type ErrorCode } from '../errors.ts';

export interface CallOptions {
  /** Milliseconds after which a hook has failed. */
  readonly timeout: number;
  /** Reports errors in the application's code, for the log. */
  onError(error: unknown): void;
}

/** Function that the application has exported under a name. */
export interface NamedHook {
  /** Name in messages: `beforeCreate of Message`. */
  readonly name: string;
  readonly call: (event: object) => unknown;
}

/** Bugs of the application: their messages are about its code and must not reach clients. */
const BUG_TYPES = [TypeError, ReferenceError, RangeError, SyntaxError, EvalError, URIError] as const;

/**
 * Calls a hook that may refuse. Throws HOOK_REFUSED with its message when it throws or returns false, the code of the
 * error itself when that is a client error, and HOOK_FAILED, after a call of `onError`, when it is broken or late.
 */
export async function askHook(hook: NamedHook, event: object, options: CallOptions): Promise<unknown> {
  let answer: unknown;
  try {
    answer = await inTime(hook, event, options.timeout);
  } catch (error) {
    const refusal = toRefusal(error);
    if (refusal !== undefined) throw refusal;
    options.onError(toLogged(hook, error));
    throw new AppError('HOOK_FAILED', `The hook ${hook.name} has failed; it has been logged.`);
  }
  if (answer === false) throw new AppError('HOOK_REFUSED', `The hook ${hook.name} has refused.`);
  return answer;
}

/** Calls a hook after the event; an error is only logged. */
export async function tellHook(hook: NamedHook, event: object, options: CallOptions): Promise<void> {
  try {
    await inTime(hook, event, options.timeout);
  } catch (error) {
    options.onError(toLogged(hook, error));
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

/**
 * Returns the error for the client; undefined for a bug. Errors of tables may come from another copy of the package.
 */
function toRefusal(error: unknown): AppError | undefined {
  if (!(error instanceof Error)) return new AppError('HOOK_REFUSED', String(error).slice(0, 1000));
  if (error instanceof HookTimeout || BUG_TYPES.some((bug) => error instanceof bug)) return undefined;
  const { code, errors } = error as Error & { code?: unknown; errors?: AppError['errors'] };
  if (!isCode(code)) return code === undefined ? new AppError('HOOK_REFUSED', error.message) : undefined;
  if (ERRORS[code].status >= 500) return undefined;
  return new AppError(code, error.message, Array.isArray(errors) ? { errors, cause: error } : { cause: error });
}

function isCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERRORS, code);
}

function toLogged({ name }: NamedHook, error: unknown): Error {
  return new Error(`hook ${name}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
}
