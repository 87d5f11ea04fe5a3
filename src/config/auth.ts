import { createPublicKey, type KeyObject } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { AuthConfig, JwtConfig, TokenAlgorithm } from './config.ts';
import type { ConfigFile } from './files/config-file.ts';
import type { AuthSettings, JwtSettings } from './keys/auth-keys.ts';
import type { Wrong } from './keys/units.ts';

/** Describes the authentication of an application for the log; contains no secret. */
export function describeAuth({ jwt, users }: AuthConfig): string {
  const key = jwt.secret !== undefined ? 'a secret' : jwt.publicKey !== undefined ? 'a public key' : jwt.jwksUrl;
  return `${jwt.algorithm} tokens by ${key}${users ? ', built-in users' : ''}`;
}

const SOURCES = ['secret', 'public_key', 'jwks_url'] as const;
type KeySource = (typeof SOURCES)[number];

const MAX_KEY_FILE_BYTES = 64 * 1024;
const MIN_RSA_BITS = 2048;

/** Returns `none`, the configuration below `auth`, or undefined when `auth` is missing or wrong. */
export function loadAuth(folder: string, auth: AuthSettings, settings: ConfigFile): AuthConfig | 'none' | undefined {
  if (settings.has('auth')) return 'none';
  if (!settings.isSection('auth')) return undefined;
  const jwt = loadJwt(folder, auth.jwt, settings);
  if (auth.users && settings.isWritten('auth.jwt') && !settings.isWritten('auth.jwt.secret')) {
    const message = 'users need tokens that the server signs, and so auth.jwt.secret';
    settings.wrong('auth.users', { message, hint: 'write `secret:` below `jwt:`, or `users: false`' });
  }
  if (auth.signup && !auth.users) {
    settings.wrong('auth.signup', { message: 'signup is for built-in users', hint: 'write `users: true` as well' });
  }
  return jwt === undefined ? undefined : { ...auth, jwt };
}

function loadJwt(folder: string, jwt: JwtSettings, settings: ConfigFile): JwtConfig | undefined {
  const written = SOURCES.filter((name) => settings.isWritten(`auth.jwt.${name}`));
  const [source, second] = written;
  if (source === undefined) {
    settings.wrong(settings.isWritten('auth.jwt') ? 'auth.jwt' : 'auth', {
      message: 'auth needs a key that tokens are checked with',
      hint: 'write secret, public_key or jwks_url below `jwt:`, or `auth: none`',
    });
    return undefined;
  }
  if (second !== undefined) {
    settings.wrong(`auth.jwt.${second}`, { message: `${source} and ${second} are both given`, hint: 'remove one' });
    return undefined;
  }
  // Its value is wrong, which has been reported.
  if (!settings.has(`auth.jwt.${source}`)) return undefined;
  return source === 'public_key' ? loadPublicKey(folder, jwt, settings) : withAlgorithm(source, jwt, settings);
}

/** Chooses the default algorithm for a secret or a JWKS URL, or checks the written one. */
function withAlgorithm(source: Exclude<KeySource, 'public_key'>, jwt: JwtSettings, settings: ConfigFile): JwtConfig {
  const algorithm = jwt.algorithm ?? (source === 'secret' ? 'HS256' : 'RS256');
  if ((algorithm === 'HS256') !== (source === 'secret')) refuseAlgorithm(algorithm, source, settings);
  return { ...jwt, algorithm };
}

function loadPublicKey(folder: string, jwt: JwtSettings, settings: ConfigFile): JwtConfig | undefined {
  const refuse = (wrong: Wrong) => void settings.wrong('auth.jwt.public_key', wrong);
  const pem = readKeyFile(resolve(folder, jwt.publicKey ?? ''));
  if (typeof pem !== 'string') return refuse(pem);
  if (pem.includes('PRIVATE KEY')) {
    return refuse({ message: 'this is a private key', hint: 'give its public part: openssl pkey -in … -pubout' });
  }
  const key = parseKey(pem);
  const fitting = key === undefined ? undefined : algorithmOf(key);
  if (fitting === undefined) {
    return refuse({ message: 'this is not a public key of RSA (2048 bits or more), P-256 or Ed25519 in PEM' });
  }
  const algorithm = jwt.algorithm ?? fitting;
  if (algorithm !== fitting) refuseAlgorithm(algorithm, 'public_key', settings);
  return { ...jwt, publicKey: pem, algorithm };
}

function refuseAlgorithm(algorithm: TokenAlgorithm, source: KeySource, settings: ConfigFile): void {
  const message = `${algorithm} does not fit ${source}`;
  settings.wrong('auth.jwt.algorithm', { message, hint: 'remove the line: the algorithm follows from the key' });
}

function readKeyFile(path: string): string | Wrong {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return { message: 'the file does not exist' };
  if (!stat.isFile() || stat.size > MAX_KEY_FILE_BYTES) return { message: 'this is not a file with a key' };
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return { message: 'the file cannot be read' };
  }
}

function parseKey(pem: string): KeyObject | undefined {
  try {
    return createPublicKey(pem);
  } catch {
    return undefined;
  }
}

function algorithmOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): TokenAlgorithm | undefined {
  if (asymmetricKeyType === 'ed25519') return 'EdDSA';
  if (asymmetricKeyType === 'ec') return asymmetricKeyDetails?.namedCurve === 'prime256v1' ? 'ES256' : undefined;
  if (asymmetricKeyType !== 'rsa') return undefined;
  return (asymmetricKeyDetails?.modulusLength ?? 0) >= MIN_RSA_BITS ? 'RS256' : undefined;
}
