import type { AppConfig, Limits } from '../config/config.ts';
import type { StorageHealth } from '../store/storage-health.ts';
import type { OpenAccounts } from './accounts/open-accounts.ts';
import { type AppAuth, openAuth } from './app-auth.ts';

/** One application with `auth`, with its users, keys and tickets. */
export interface AppAuthWithAccounts extends AppAuth {
  readonly local: OpenAccounts;
}

export interface OpenAppAuthOptions {
  readonly limits: Limits;
  readonly health?: StorageHealth;
  /** Faults that have no request to be told to. */
  onError(error: unknown): void;
  /** A refresh token of this user was used twice. */
  onReuse(userId: string): void;
}

/** Undefined where nobody is asked who they are. Throws StoreOpenError with a sentence for people. */
export async function openAppAuth(
  app: AppConfig,
  options: OpenAppAuthOptions,
): Promise<AppAuthWithAccounts | undefined> {
  const { auth: config } = app;
  if (typeof config !== 'object') return undefined;
  const { openAccounts } = await import('./accounts/open-accounts.ts');
  const local = await openAccounts({ app, auth: config, ...options });
  try {
    const auth = await openAuth(config, { accounts: local.accounts });
    const close = () => {
      auth.close();
      local.close();
    };
    return { ...auth, attempts: local.attempts, local, close };
  } catch (error) {
    local.close();
    throw error;
  }
}
