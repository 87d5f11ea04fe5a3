import type { Principal } from '../identity.ts';
import { hashSecret, randomText } from './secrets.ts';

/** Prefix of every view token. */
export const VIEW_PREFIX = 'tcv_';
/** Milliseconds for which a view token is valid. */
export const VIEW_LIFETIME_MS = 15 * 60_000;
const RANDOM_CHARS = 32;
/** Tokens of one application; one more ends the oldest. */
const MAX_VIEWS = 100;

interface IssuedView {
  readonly id: string;
  readonly principal: Principal;
}

/**
 * Tokens with which an administrator reads as another caller would. They are in memory only, and never valid longer than the
 * credential of the administrator.
 */
export class ViewTokens {
  /** Views by the hash of their tokens, oldest first. */
  readonly #views = new Map<string, IssuedView>();
  readonly #viewers = new WeakMap<Principal, Principal>();

  /** Returns a new token for the viewer, and when it expires in milliseconds since 1970. */
  issue(
    viewer: Principal,
    { sub, roles, claims }: Pick<Principal, 'sub' | 'roles' | 'claims'>,
  ): { readonly text: string; readonly expiresAt: number } {
    const [oldest] = this.#views.keys();
    if (oldest !== undefined && this.#views.size >= MAX_VIEWS) this.#views.delete(oldest);
    const expiresAt = Math.min(Date.now() + VIEW_LIFETIME_MS, viewer.expiresAt ?? Number.POSITIVE_INFINITY);
    const text = VIEW_PREFIX + randomText(RANDOM_CHARS);
    const principal: Principal = { type: 'principal', sub, roles, claims, expiresAt, isView: true };
    const id = idOf(text);
    this.#views.set(id, { id, principal });
    this.#viewers.set(principal, viewer);
    return { text, expiresAt };
  }

  /** Returns the principal of a token; undefined when it is unknown or has expired. */
  find(text: string): Principal | undefined {
    const view = this.#views.get(idOf(text));
    if (view === undefined) return undefined;
    if ((view.principal.expiresAt ?? 0) > Date.now()) return view.principal;
    this.#views.delete(view.id);
    return undefined;
  }

  /** Returns the administrator who reads as this principal; undefined for one that is no view. */
  viewerOf(principal: Principal): Principal | undefined {
    return this.#viewers.get(principal);
  }
}

/** Key of a token: a hash, so that the time of a look-up reveals nothing about existing tokens. */
function idOf(text: string): string {
  return hashSecret(text).toString('base64');
}
