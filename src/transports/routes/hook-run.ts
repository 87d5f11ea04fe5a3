import type { RouteContext, RouteHooks } from './define.ts';
import { toRefusal } from './failures.ts';

/** The hooks around one request, stream or socket. */
export class RouteHookRun {
  readonly #hooks: readonly RouteHooks[];
  readonly #context: RouteContext;
  readonly #onError: (error: unknown) => void;
  #toClean = false;

  constructor(hooks: readonly RouteHooks[], context: RouteContext, onError: (error: unknown) => void) {
    this.#hooks = hooks;
    this.#context = context;
    this.#onError = onError;
  }

  /** Throws what a hook throws, or the AppError of the refusal that it returns; then everything is cleaned up. */
  async before(): Promise<void> {
    this.#toClean = true;
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

  /** Once, in the reverse order; one that fails does not keep the others from running. */
  async cleanup(): Promise<void> {
    if (!this.#toClean) return;
    this.#toClean = false;
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
