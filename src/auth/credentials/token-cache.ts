import type { Principal } from '../identity.ts';

/** Milliseconds: a key that its owner has withdrawn stays valid for this long at most. */
const MAX_AGE_MS = 60_000;
const MAX_TOKENS = 10_000;
const MAX_CHARS = 16 * 1024 * 1024;

interface CachedToken {
  readonly principal: Principal;
  readonly until: number;
}

/** Tokens whose signature was checked recently; the oldest are dropped. The caller checks whether they have expired. */
export class TokenCache {
  readonly #entries = new Map<string, CachedToken>();
  #characters = 0;

  get(text: string): Principal | undefined {
    const entry = this.#entries.get(text);
    if (entry === undefined) return undefined;
    if (performance.now() < entry.until) return entry.principal;
    this.#remove(text);
    return undefined;
  }

  set(text: string, principal: Principal): void {
    this.#remove(text);
    this.#entries.set(text, { principal, until: performance.now() + MAX_AGE_MS });
    this.#characters += text.length;
    while (this.#entries.size > MAX_TOKENS || this.#characters > MAX_CHARS) {
      this.#remove(this.#entries.keys().next().value as string);
    }
  }

  #remove(text: string): void {
    if (this.#entries.delete(text)) this.#characters -= text.length;
  }
}
