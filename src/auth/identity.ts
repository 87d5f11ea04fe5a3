import type { JsonValue } from '../schema/plan.ts';

/** Somebody who has shown who he is: a user with a token, or a program with an API key. */
export interface Principal {
  readonly type: 'principal';
  /** Unique in the application; `$auth.sub` of a rule. */
  readonly sub: string;
  readonly roles: readonly string[];
  /** What a rule may ask as `$auth.<name>`: the claims of a token, or the fields of an account; `sub` and `roles` are among them. */
  readonly claims: Readonly<Record<string, JsonValue>>;
  /** Milliseconds since 1970 after which nothing may be done with it any more. */
  readonly expiresAt: number | undefined;
  /** The API key that was shown, by its id. */
  readonly keyId?: string;
}

/** Who is asking: nobody in particular, code that runs in the server itself, or a principal. */
export type Identity = { readonly type: 'anonymous' } | { readonly type: 'server' } | Principal;

export const ANONYMOUS: Identity = { type: 'anonymous' };
export const SERVER: Identity = { type: 'server' };
/** Hooks: as other code in the server, but what they write is not shown to hooks before it happens. */
export const HOOK: Identity = { type: 'server' };
