import type { JsonValue } from '../schema/plan.ts';

/** Authenticated caller: a user with a token, or a program with an API key. */
export interface Principal {
  readonly type: 'principal';
  /** Subject, unique in the application; `$auth.sub` of a rule. */
  readonly sub: string;
  readonly roles: readonly string[];
  /**
   * Values that a rule reads as `$auth.<name>`: claims of the token or fields of the account, with `sub` and `roles`.
   */
  readonly claims: Readonly<Record<string, JsonValue>>;
  /** Milliseconds since 1970 at which the credential expires; undefined when it does not. */
  readonly expiresAt: number | undefined;
  /** Id of the API key that was presented. */
  readonly keyId?: string;
  /** True for an administrator who reads as this caller with a view token: every write is refused. */
  readonly isView?: true;
}

/** Caller: anonymous, code that runs in the server, or a principal. */
export type Identity = { readonly type: 'anonymous' } | { readonly type: 'server' } | Principal;

export const ANONYMOUS: Identity = { type: 'anonymous' };
export const SERVER: Identity = { type: 'server' };
/** Identity of hooks: like other code in the server, but its writes do not run before-hooks. */
export const HOOK: Identity = { type: 'server' };
