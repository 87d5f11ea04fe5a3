import type { RouteContext, RouteHooks } from './define.ts';
import { toRefusal } from './failures.ts';

/** Runs the hooks around one request, stream or socket. */
export class RouteHookRun {
  readonly #hooks: readonly RouteHooks[];
  readonly #context: RouteContext;
  readonly #onError: (error: unknown) => void;
  #needsCleanup = false;

  constructor(hooks: readonly RouteHooks[], context: RouteContext, onError: (error: unknown) => void) {
    this.#hooks = hooks;
    this.#context = context;
    this.#onError = onError;
  }

  /** Throws the error of a hook, or the AppError of a refusal that it returns, after `cleanup` has run. */
  async before(): Promise<void> {
    this.#needsCleanup = true;
    try {
      for (const hook of this.#all('before')) {
        const returned = await hook(this.#context);
        if (returned !== undefined) throw toRefusal(returned);
      }
    } catch (error) {
      await this.cleanup();
      throw error;
    }
  }

  async after(result: unknown): Promise<void> {
    for (const hook of this.#all('after')) await hook(this.#context, result);
  }

  /** Calls the cleanup hooks once, in reverse order; the others still run when one fails. */
  async cleanup(): Promise<void> {
    if (!this.#needsCleanup) return;
    this.#needsCleanup = false;
    for (const hook of this.#all('cleanup').toReversed()) {
      try {
        await hook(this.#context);
      } catch (error) {
        this.#onError(error);
      }
    }
  }

  #all<Name extends keyof RouteHooks>(
    name: Name,
  ): Extract<NonNullable<RouteHooks[Name]>, (...args: never) => unknown>[] {
    return this.#hooks.flatMap((hooks) => hooks[name] ?? []) as never;
  }
}
