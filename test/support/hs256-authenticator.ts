import { jwtVerify, SignJWT } from 'jose';
import type { Authenticator, Credential } from '../../src/auth/credentials/authenticator.ts';
import type { Principal } from '../../src/auth/identity.ts';
import { AppError } from '../../src/errors.ts';

const SECRET = new TextEncoder().encode('a secret of thirty-two bytes or more');

/** Signs a token that is valid for so many seconds, for an `Hs256Authenticator`. */
export function signToken(sub: string, seconds: number, secret: Uint8Array = SECRET): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({})
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(sub)
    .setExpirationTime(now + seconds)
    .sign(secret);
}

/** Verifies tokens (HS256, `exp` required) and takes each ticket once. Subjects can be disabled. */
export class Hs256Authenticator implements Authenticator {
  readonly tickets = new Set<string>();
  readonly #disabled = new Set<string>();
  readonly #listeners = new Set<() => void>();

  async authenticate({ type, text }: Credential): Promise<Principal> {
    if (type === 'ticket' && this.tickets.delete(text)) return principalOf('by ticket', Date.now() + 600_000);
    const verified = await jwtVerify(text, SECRET, { algorithms: ['HS256'], requiredClaims: ['exp', 'sub'] }).catch(
      () => undefined,
    );
    const { sub, exp } = verified?.payload ?? {};
    if (sub === undefined || exp === undefined) throw new AppError('UNAUTHORIZED', 'The token is not valid.');
    const principal = this.refresh(principalOf(sub, exp * 1000));
    if (principal === undefined) throw new AppError('UNAUTHORIZED', 'The account is disabled.');
    return principal;
  }

  refresh(principal: Principal): Principal | undefined {
    return this.#disabled.has(principal.sub) ? undefined : principal;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  disable(sub: string): void {
    this.#disabled.add(sub);
    for (const listener of this.#listeners) listener();
  }
}

function principalOf(sub: string, expiresAt: number): Principal {
  return { type: 'principal', sub, roles: [], claims: { sub, roles: [] }, expiresAt };
}
