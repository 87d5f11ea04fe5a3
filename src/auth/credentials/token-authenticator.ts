import { isDeepStrictEqual } from 'node:util';
import { thenOrNow } from '../../runtime/event-loop.ts';
import type { Awaitable } from '../../store/store.ts';
import type { Account, Accounts } from '../accounts/accounts.ts';
import { refuseToken } from '../auth-errors.ts';
import type { Principal } from '../identity.ts';
import type { AuthenticateOptions, Authenticator, Credential } from './authenticator.ts';
import type { Tokens } from './tokens.ts';
import { VIEW_PREFIX, type ViewTokens } from './view-tokens.ts';

export interface TokenAuthenticatorOptions {
  readonly tokens: Pick<Tokens, 'verify'>;
  /** Keys, tickets and users; without it only tokens are accepted. */
  readonly accounts?: Accounts | undefined;
  /** True when each token must belong to a built-in user. */
  readonly users: boolean;
  /** Tokens of administrators who read as others; without it none is accepted. */
  readonly views?: Pick<ViewTokens, 'find' | 'viewerOf'>;
}

/** Authenticates a caller by a token, an API key or a ticket. */
export class TokenAuthenticator implements Authenticator {
  readonly #tokens: Pick<Tokens, 'verify'>;
  readonly #accounts: Accounts | undefined;
  readonly #users: boolean;
  readonly #views: TokenAuthenticatorOptions['views'];

  constructor({ tokens, accounts, users, views }: TokenAuthenticatorOptions) {
    this.#tokens = tokens;
    this.#accounts = accounts;
    this.#users = users;
    this.#views = views;
  }

  async authenticate({ type, text }: Credential, options: AuthenticateOptions = {}): Promise<Principal> {
    if (text.startsWith(VIEW_PREFIX) && options.acceptsViews !== true) {
      throw refuseToken('A view token is for reading tables, and not for this.');
    }
    const principal = await this.#find(type, text);
    if (principal === undefined) throw refuseToken(`The ${type === 'ticket' ? 'ticket' : 'key'} is not valid.`);
    const current = await this.refresh(principal);
    if (current === undefined) throw refuseToken('The account no longer exists, or is disabled.');
    return current;
  }

  refresh(principal: Principal): Awaitable<Principal | undefined> {
    if (principal.isView === true) return this.#refreshView(principal);
    const accounts = this.#accounts;
    if (principal.keyId !== undefined) {
      return thenOrNow(accounts?.keyById(principal.keyId), (current) => same(principal, current));
    }
    if (!this.#users || accounts === undefined) return principal;
    // The token holds the account as it was when the token was issued.
    return thenOrNow(accounts.account(principal.sub), (account) =>
      same(principal, account === undefined ? undefined : makePrincipal(account, principal)),
    );
  }

  onChange(listener: () => void): () => void {
    return this.#accounts?.onChange(listener) ?? (() => {});
  }

  /** A view ends when anything about its administrator has changed. */
  #refreshView(principal: Principal): Awaitable<Principal | undefined> {
    const viewer = this.#views?.viewerOf(principal);
    if (viewer === undefined) return undefined;
    return thenOrNow(this.refresh(viewer), (current) => (current === viewer ? principal : undefined));
  }

  async #find(type: Credential['type'], text: string): Promise<Principal | undefined> {
    if (type === 'ticket') return this.#accounts?.redeemTicket(text);
    if (text.startsWith(VIEW_PREFIX)) return this.#views?.find(text);
    return text.startsWith(KEY_PREFIX) ? this.#accounts?.key(text) : this.#tokens.verify(text);
  }
}

function makePrincipal({ sub, name, roles, claims }: Account, { expiresAt }: Principal): Principal {
  return { type: 'principal', sub, roles, claims: { ...claims, name, sub, roles: [...roles] }, expiresAt };
}

/** Returns the known object when nothing has changed, so that callers can compare by identity. */
function same(known: Principal, current: Principal | undefined): Principal | undefined {
  return isDeepStrictEqual(known, current) ? known : current;
}

/** Prefix of every API key; no JWT begins with it. */
export const KEY_PREFIX = 'tck_';
