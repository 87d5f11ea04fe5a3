import type { AppConfig, AuthConfig, Limits } from '../../config/config.ts';
import { loadEngine, type StoreLocation } from '../../store/index.ts';
import type { StorageHealth } from '../../store/storage-health.ts';
import type { Awaitable } from '../../store/store.ts';
import { MemoryTickets, SharedTickets } from '../credentials/tickets.ts';
import type { Tokens } from '../credentials/tokens.ts';
import { LocalAccounts } from './local-accounts.ts';
import { type LoginThrottle, MemoryThrottle, SharedThrottle } from './login-throttle.ts';
import { Logins } from './logins.ts';
import { Passwords } from './passwords.ts';

/** Milliseconds until a change by the command line is seen. */
const POLL_INTERVAL_MS = 100;
/**
 * Milliseconds for which the event loop may block for another process that writes; callers that can wait longer retry.
 */
const MAX_BLOCKED_MS = 5;

export interface OpenAccountsOptions {
  readonly app: Pick<AppConfig, 'dataDir' | 'busyTimeout'> & StoreLocation;
  readonly auth: AuthConfig;
  readonly limits: Limits;
  readonly health?: StorageHealth;
  /** Reports errors that belong to no request. */
  onError(error: unknown): void;
  /** Called when a refresh token of this user was used twice. */
  onReuse(userId: string): void;
}

/** Open accounts of one application. */
export interface OpenAccounts {
  readonly accounts: LocalAccounts;
  /** Counter of failed logins and keys, by address and name. */
  readonly attempts: LoginThrottle;
  /** Returns the logins that use these tokens; undefined when there are no built-in users. */
  logins(tokens: Pick<Tokens, 'issue'>): Logins | undefined;
  close(): Awaitable<void>;
}

/** Opens the users, keys and tickets of an application. Throws StoreOpenError with a message for operators. */
export async function openAccounts(options: OpenAccountsOptions): Promise<OpenAccounts> {
  const { app, auth, limits, health, onError, onReuse } = options;
  const store = await (await loadEngine(app)).openAccounts({
    dir: app.dataDir,
    busyTimeout: MAX_BLOCKED_MS,
    poll: POLL_INTERVAL_MS,
    health,
    onError,
  });
  const { tickets: maxTickets, ticketsPerPrincipal: maxPerPrincipal } = limits;
  const { shared } = store;
  const ticketOptions = { lifetime: auth.ticketLifetime, maxTickets, maxPerPrincipal };
  const tickets = shared ? new SharedTickets(ticketOptions, shared) : new MemoryTickets(ticketOptions);
  const throttle = (limit: number, purpose: string) =>
    shared ? new SharedThrottle(limit, shared, purpose) : new MemoryThrottle(limit);
  const accounts = new LocalAccounts({ store, tickets, users: auth.users });
  const attempts = throttle(limits.loginsPerMinute, 'failed');
  const logins = (tokens: Pick<Tokens, 'issue'>): Logins | undefined => {
    if (!auth.users) return undefined;
    const { accessTokenLifetime, refreshTokenLifetime, refreshTokenGrace } = auth;
    return new Logins({
      store,
      passwords: new Passwords(limits.loginsWaiting),
      tokens,
      attempts,
      signups: throttle(limits.signupsPerMinute, 'signup'),
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
