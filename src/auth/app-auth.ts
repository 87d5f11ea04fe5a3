import type { AuthConfig } from '../config/config.ts';
import type { Accounts } from './accounts/accounts.ts';
import type { LoginThrottle } from './accounts/login-throttle.ts';
import { ConnectionRegistry } from './connections.ts';
import type { Authenticator } from './credentials/authenticator.ts';
import { TokenAuthenticator } from './credentials/token-authenticator.ts';
import type { Tokens } from './credentials/tokens.ts';

/** What one application with `auth` knows of who is asking. */
export interface AppAuth {
  readonly config: AuthConfig;
  readonly tokens: Tokens;
  readonly authenticator: Authenticator;
  readonly connections: ConnectionRegistry;
  /** API keys that were wrong, by address and id; without it they are not counted. */
  readonly attempts?: LoginThrottle;
  close(): void;
}

export interface OpenAuthOptions {
  /** Users, keys and tickets, where there are any. */
  readonly accounts?: Accounts | undefined;
}

/** The library that checks signatures is loaded only here: most of the time there is nothing to check. */
export async function openAuth(config: AuthConfig, { accounts }: OpenAuthOptions = {}): Promise<AppAuth> {
  const { Tokens } = await import('./credentials/tokens.ts');
  const tokens = new Tokens(config.jwt);
  const authenticator = new TokenAuthenticator({ tokens, accounts, users: config.users });
  const connections = new ConnectionRegistry(authenticator);
  return { config, tokens, authenticator, connections, close: () => connections.stop() };
}
