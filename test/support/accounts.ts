import type { Account, Accounts } from '../../src/auth/accounts/accounts.ts';
import type { Principal } from '../../src/auth/identity.ts';

/** Whom the key `tck_abcdefgh_secret` stands for. */
export const ROBOT: Principal = {
  type: 'principal',
  sub: 'robot',
  roles: ['writer'],
  claims: { sub: 'robot', roles: ['writer'] },
  expiresAt: undefined,
  keyId: 'abcdefgh',
};

/** Accounts in memory, as a store of them answers. */
export class MemoryAccounts implements Accounts {
  readonly users = new Map<string, Account>();
  readonly keys = new Map<string, Principal>([['abcdefgh', ROBOT]]);
  readonly tickets = new Map<string, Principal>();
  readonly #listeners = new Set<() => void>();

  account(sub: string) {
    return this.users.get(sub);
  }
  key(text: string) {
    return text === 'tck_abcdefgh_secret' ? this.keys.get('abcdefgh') : undefined;
  }
  keyById(id: string) {
    return this.keys.get(id);
  }
  redeemTicket(text: string) {
    const principal = this.tickets.get(text);
    this.tickets.delete(text);
    return principal;
  }
  onChange(listener: () => void) {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
  changed() {
    for (const listener of this.#listeners) listener();
  }
}
