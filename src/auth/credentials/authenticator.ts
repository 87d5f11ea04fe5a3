import type { Awaitable } from '../../store/store.ts';
import type { Principal } from '../identity.ts';

/** Credential that a client presents. A bearer token is a JWT or an API key; its form tells which. */
export interface Credential {
  readonly type: 'bearer' | 'ticket';
  readonly text: string;
}

export interface AuthenticateOptions {
  /** True where an administrator may read as another caller. Elsewhere a view token is refused. */
  readonly acceptsViews?: boolean;
}

/** Authenticates callers; one for each application that has `auth` configured. */
export interface Authenticator {
  /** Returns the principal of a credential. Throws UNAUTHORIZED, with no more reason than one sentence. */
  authenticate(credential: Credential, options?: AuthenticateOptions): Promise<Principal>;
  /** Returns the principal as it is now, perhaps with other roles; undefined when it has no rights any more. */
  refresh(principal: Principal): Awaitable<Principal | undefined>;
  /** Calls `listener` when `refresh` may answer differently than before; returns the function that ends that. */
  onChange(listener: () => void): () => void;
}
