import type { AuthConfig, JwtConfig, TokenAlgorithm } from '../config.ts';
import { algorithmKey, jwksUrlKey, secretKey } from './auth-values.ts';
import type { Keys } from './keys.ts';
import { booleanKey, durationKey, MAX_RETENTION_MS, textKey } from './values.ts';

const LIFETIME = { min: 1000, max: MAX_RETENTION_MS };

/** Values below `auth.jwt` as written: `publicKey` is a path, and the algorithm may be missing. */
export interface JwtSettings extends Omit<JwtConfig, 'algorithm'> {
  readonly algorithm: TokenAlgorithm | undefined;
}

export interface AuthSettings extends Omit<AuthConfig, 'jwt'> {
  readonly jwt: JwtSettings;
}

/** Keys below `auth`. */
export const AUTH_KEYS: Keys<AuthSettings> = {
  jwt: {
    secret: secretKey({ what: 'Secret that tokens are signed with; at least 32 bytes', shownDefault: 'none' }),
    publicKey: textKey(undefined, {
      what: 'File with the public key (PEM) of the issuer of the tokens, relative to the application folder or absolute',
      shownDefault: 'none',
    }),
    jwksUrl: jwksUrlKey({ what: 'URL of the public keys (JWKS) of the issuer of the tokens', shownDefault: 'none' }),
    algorithm: algorithmKey({
      what: 'The only accepted signature algorithm',
      shownDefault: 'as the key; `RS256` with `jwks_url`',
    }),
    issuer: textKey(undefined, { what: 'The `iss` that tokens must have', shownDefault: 'any' }),
    audience: textKey(undefined, { what: 'The `aud` that tokens must have', shownDefault: 'any' }),
    rolesClaim: textKey('roles', {
      what: 'Claim with the roles: a list, a string, or like `scope` a string with spaces; dots select nested claims',
    }),
    leeway: durationKey(
      '5s',
      { what: 'Tolerance for clocks that differ: how early a token is accepted (`nbf`)' },
      { min: 0, max: 60_000 },
    ),
  },
  accessTokenLifetime: durationKey('1h', { what: 'Lifetime of a token that the server issues' }, LIFETIME),
  refreshTokenLifetime: durationKey(
    '30d',
    { what: 'Time for which a session can be renewed without a password' },
    LIFETIME,
  ),
  refreshTokenGrace: durationKey(
    '30s',
    { what: 'Time for which a used refresh token returns the same new tokens again; 0: not at all' },
    { min: 0, max: 300_000 },
  ),
  ticketLifetime: durationKey('60s', { what: 'Lifetime of a ticket for a stream' }, { min: 1000, max: 60_000 }),
  users: booleanKey(false, { what: 'Whether the server keeps users; it then needs `auth.jwt.secret`' }),
  signup: booleanKey(false, { what: 'Whether anyone may create an account' }),
  adminRole: textKey('admin', { what: 'Role of administrators, who may do everything' }),
  queryToken: booleanKey(false, { what: 'Whether the channels of tables also accept `?token=`' }),
};
