import type { AppConfig, AuthConfig, Limits } from '../../config/config.ts';
import { loadEngine } from '../../store/index.ts';
import type { StorageHealth } from '../../store/storage-health.ts';
import { Tickets } from '../credentials/tickets.ts';
import type { Tokens } from '../credentials/tokens.ts';
import { LocalAccounts } from './local-accounts.ts';
import { LoginThrottle } from './login-throttle.ts';
import { Logins } from './logins.ts';
import { Passwords } from './passwords.ts';

/** How soon a change by the command line is seen. */
const POLL = 100;
/** How long the event loop may stand still for another process that writes; whoever can wait longer tries again. */
const BUSY_TIMEOUT = 5;

export interface OpenAccountsOptions {
  readonly app: Pick<AppConfig, 'dataDir' | 'busyTimeout'>;
  readonly auth: AuthConfig;
  readonly limits: Limits;
  readonly health?: StorageHealth;
  /** Faults that have no request to be told to. */
  onError(error: unknown): void;
  /** A refresh token of this user was used twice. */
  onReuse(userId: string): void;
}

/** The accounts of one application at work. */
export interface OpenAccounts {
  readonly accounts: LocalAccounts;
  /** Failed logins and keys, by address and name. */
  readonly attempts: LoginThrottle;
  /** Logins with tokens that these issue; undefined when there are no built-in users. */
  logins(tokens: Pick<Tokens, 'issue'>): Logins | undefined;
  close(): void;
}

/** Opens users, keys and tickets of an application. Throws StoreOpenError with a sentence for people. */
export async function openAccounts(options: OpenAccountsOptions): Promise<OpenAccounts> {
  const { app, auth, limits, health, onError, onReuse } = options;
  const store = await (await loadEngine()).openAccounts({
    dir: app.dataDir,
    busyTimeout: BUSY_TIMEOUT,
    poll: POLL,
    health,
    onError,
  });
  const { tickets: most, ticketsPerPrincipal: mostOfOne } = limits;
  const tickets = new Tickets({ lifetime: auth.ticketLifetime, most, mostOfOne });
  const accounts = new LocalAccounts({ store, tickets, users: auth.users });
  const attempts = new LoginThrottle(limits.loginsPerMinute);
  const logins = (tokens: Pick<Tokens, 'issue'>): Logins | undefined => {
    if (!auth.users) return undefined;
    const { accessTokenLifetime, refreshTokenLifetime, refreshTokenGrace } = auth;
    return new Logins({
      store,
      passwords: new Passwords(limits.loginsWaiting),
      tokens,
      attempts,
      signups: new LoginThrottle(limits.signupsPerMinute),
      accessTokenLifetime,
      refreshTokenLifetime,
      refreshTokenGrace,
      sessionsPerUser: limits.sessionsPerUser,
      busyTimeout: app.busyTimeout,
      onReuse,
    });
  };
  return { accounts, attempts, logins, close: () => store.close() };
}
