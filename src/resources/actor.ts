import { HOOK, type Identity } from '../auth/identity.ts';
import type { Actor } from '../store/audit.ts';

/** Returns the caller as the audit log names it. */
export function actorOf(identity: Identity): Actor {
  if (identity === HOOK) return { type: 'hook' };
  if (identity.type !== 'principal') return { type: identity.type };
  const { type, sub, roles, keyId } = identity;
  return { type, sub, roles, ...(keyId === undefined ? {} : { key: keyId }) };
}
