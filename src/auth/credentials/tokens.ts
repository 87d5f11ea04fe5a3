import { createPublicKey, createSecretKey, type KeyObject, randomUUID } from 'node:crypto';
import { type JWTPayload, type JWTVerifyGetKey, type JWTVerifyOptions, jwtVerify, SignJWT } from 'jose';
import type { JwtConfig } from '../../config/config.ts';
import { deepFreeze } from '../../config/deep-freeze.ts';
import { AppError } from '../../errors.ts';
import type { JsonValue } from '../../schema/plan.ts';
import { EXPIRED, refuseToken } from '../auth-errors.ts';
import type { Principal } from '../identity.ts';
import { makeJwks } from './jwks.ts';
import { TokenCache } from './token-cache.ts';

const MAX_TOKEN_CHARS = 8192;
const MAX_SUB_CHARS = 256;
const MAX_ROLES = 1000;
/** Last moment that a Date can represent, in seconds. */
const MAX_EXP_SECONDS = 8_640_000_000_000;

/** Subject that a token is issued for. */
export interface Subject {
  readonly sub: string;
  readonly roles: readonly string[];
  readonly claims: Readonly<Record<string, JsonValue>>;
}

export interface IssuedToken {
  readonly token: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** Moment and id of a token. Issuing with the same values for the same subject gives the same token. */
export interface TokenStamp {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** `jti` of the token. */
  readonly id: string;
}

/** Tokens (JWT, RFC 7519) of one application. */
export class Tokens {
  readonly #config: JwtConfig;
  readonly #key: KeyObject | JWTVerifyGetKey;
  readonly #options: JWTVerifyOptions;
  readonly #cache = new TokenCache();

  constructor(config: JwtConfig) {
    this.#config = config;
    this.#key = keyOf(config);
    this.#options = {
      // RFC 8725 §3.1: the algorithm that a token names does not count.
      algorithms: [config.algorithm],
      clockTolerance: config.leeway / 1000,
      requiredClaims: ['exp', 'sub'],
      ...(config.issuer === undefined ? {} : { issuer: config.issuer }),
      ...(config.audience === undefined ? {} : { audience: config.audience }),
    };
  }

  /** Returns the principal of a token. Throws UNAUTHORIZED, or KEYS_UNAVAILABLE when it cannot be checked. */
  async verify(text: string): Promise<Principal> {
    let principal = this.#cache.get(text);
    if (principal === undefined) {
      principal = await this.#check(text);
      this.#cache.set(text, principal);
    }
    // Checked at each use, not when it was cached, and exactly: a stream opened with an expired token would end at
    // once.
    if ((principal.expiresAt as number) <= Date.now()) throw refuseToken(EXPIRED);
    return principal;
  }

  /** Issues a token that is valid for `lifetime` milliseconds. Requires a configured secret. */
  async issue(
    { sub, roles, claims }: Subject,
    lifetime: number,
    { at, id }: TokenStamp = { at: Date.now(), id: randomUUID() },
  ): Promise<IssuedToken> {
    const { secret, algorithm, rolesClaim, issuer, audience } = this.#config;
    if (secret === undefined) throw new Error('tokens can be issued with a secret only');
    const iat = Math.floor(at / 1000);
    const exp = Math.floor((at + lifetime) / 1000);
    const written = isScope(rolesClaim) ? roles.join(' ') : [...roles];
    const payload = { ...claims, [rolesClaim]: written, sub, iat, exp, jti: id };
    const token = await new SignJWT({
      ...payload,
      ...(issuer === undefined ? {} : { iss: issuer }),
      ...(audience === undefined ? {} : { aud: audience }),
    })
      .setProtectedHeader({ alg: algorithm, typ: 'JWT' })
      .sign(this.#key as KeyObject);
    return { token, expiresAt: exp * 1000 };
  }

  async #check(text: string): Promise<Principal> {
    if (text.length > MAX_TOKEN_CHARS) throw refuseToken(`A token has ${MAX_TOKEN_CHARS} characters at most.`);
    try {
      // Two calls, because the types have no overload for both kinds of key.
      const { payload } =
        typeof this.#key === 'function'
          ? await jwtVerify(text, this.#key, this.#options)
          : await jwtVerify(text, this.#key, this.#options);
      return makePrincipal(payload, this.#config.rolesClaim);
    } catch (error) {
      if (error instanceof AppError) throw error;
      throw isExpiry(error) ? refuseToken(EXPIRED) : refuseToken();
    }
  }
}

function keyOf({ secret, publicKey, jwksUrl }: JwtConfig): KeyObject | JWTVerifyGetKey {
  if (secret !== undefined) return createSecretKey(Buffer.from(secret));
  if (publicKey !== undefined) return createPublicKey(publicKey);
  if (jwksUrl !== undefined) return makeJwks(jwksUrl);
  throw new Error('the configuration has no key');
}

function isExpiry(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_JWT_EXPIRED';
}

function makePrincipal(payload: JWTPayload, rolesClaim: string): Principal {
  const { sub, exp } = payload;
  if (typeof sub !== 'string' || sub === '' || sub.length > MAX_SUB_CHARS || !sub.isWellFormed()) {
    throw refuseToken('The token has no usable sub.');
  }
  if (typeof exp !== 'number' || !(exp <= MAX_EXP_SECONDS)) throw refuseToken('The token has no usable exp.');
  const roles = readRoles(findClaim(payload, rolesClaim), isScope(rolesClaim));
  const claims = { ...(payload as Record<string, JsonValue>), sub, roles };
  return deepFreeze({ type: 'principal', sub, roles, claims, expiresAt: exp * 1000 });
}

/** Returns the claim of that name, else the value at the dotted path. */
function findClaim(payload: JWTPayload, name: string): unknown {
  if (Object.hasOwn(payload, name)) return payload[name];
  let value: unknown = payload;
  for (const part of name.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  return value;
}

/** True for a claim whose text is a list separated by spaces (RFC 8693 §4.2), such as `scp` of other issuers. */
function isScope(name: string): boolean {
  return /(?:^|\.)(?:scope|scp)$/.test(name);
}

/** A string is one role; in a scope each word is a role. */
function readRoles(value: unknown, isWords: boolean): string[] {
  if (value === undefined || value === null) return [];
  const roles: unknown =
    typeof value !== 'string' ? value : isWords ? value.split(' ').filter((word) => word !== '') : [value];
  if (!Array.isArray(roles) || roles.length > MAX_ROLES || !roles.every((role) => typeof role === 'string')) {
    throw refuseToken('The roles of the token are neither a list of strings nor one string.');
  }
  return [...new Set<string>(roles)];
}
