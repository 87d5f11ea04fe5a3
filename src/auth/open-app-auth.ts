import type { AppConfig, Limits } from '../config/config.ts';
import type { StorageHealth } from '../store/storage-health.ts';
import type { OpenAccounts } from './accounts/open-accounts.ts';
import { type AppAuth, openAuth } from './app-auth.ts';

/** Authentication of one application, with its users, keys and tickets. */
export interface AppAuthWithAccounts extends AppAuth {
  readonly local: OpenAccounts;
}

export interface OpenAppAuthOptions {
  readonly limits: Limits;
  readonly health?: StorageHealth;
  /** Reports errors that belong to no request. */
  onError(error: unknown): void;
  /** Called when a refresh token of this user was used twice. */
  onReuse(userId: string): void;
}

/** Opens authentication; undefined where it is off. Throws StoreOpenError with a message for operators. */
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
