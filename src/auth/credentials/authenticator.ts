import type { Principal } from '../identity.ts';

/** What a client shows to say who it is. A bearer token is a JWT or an API key; its form tells which. */
export interface Credential {
  readonly type: 'bearer' | 'ticket';
  readonly text: string;
}

/** Who somebody is; one for each application that has `auth` configured. */
export interface Authenticator {
  /** Whose credential this is. Throws UNAUTHORIZED, and never says why in more than a sentence. */
  authenticate(credential: Credential): Promise<Principal>;
  /** The same principal as he is now: with other roles perhaps, or undefined when he may do nothing any more. */
  refresh(principal: Principal): Principal | undefined;
  /** Calls back when `refresh` may answer differently than before; what it returns ends that. */
  onChange(listener: () => void): () => void;
}
