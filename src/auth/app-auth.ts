import type { AuthConfig } from '../config/config.ts';
import type { Accounts } from './accounts/accounts.ts';
import type { LoginThrottle } from './accounts/login-throttle.ts';
import { ConnectionRegistry } from './connections.ts';
import type { Authenticator } from './credentials/authenticator.ts';
import { TokenAuthenticator } from './credentials/token-authenticator.ts';
import type { Tokens } from './credentials/tokens.ts';
import { ViewTokens } from './credentials/view-tokens.ts';

/** Authentication of one application with `auth`. */
export interface AppAuth {
  readonly config: AuthConfig;
  readonly tokens: Tokens;
  readonly authenticator: Authenticator;
  readonly connections: ConnectionRegistry;
  /** Tokens of administrators who read as others. */
  readonly views: ViewTokens;
  /** Counter of wrong API keys, by address and id; undefined when they are not counted. */
  readonly attempts?: LoginThrottle;
  close(): void;
}

export interface OpenAuthOptions {
  /** Users, keys and tickets; undefined when the application has none. */
  readonly accounts?: Accounts | undefined;
}

/** Opens authentication. Imports the library that checks signatures here: most applications never need it. */
export async function openAuth(config: AuthConfig, { accounts }: OpenAuthOptions = {}): Promise<AppAuth> {
  const { Tokens } = await import('./credentials/tokens.ts');
  const tokens = new Tokens(config.jwt);
  const views = new ViewTokens();
  const authenticator = new TokenAuthenticator({ tokens, accounts, users: config.users, views });
  const connections = new ConnectionRegistry(authenticator);
  return { config, tokens, authenticator, connections, views, close: () => connections.stop() };
}
