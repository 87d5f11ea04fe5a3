import type { TokenAlgorithm } from '../config.ts';
import { isLoopback } from '../loopback.ts';
import { type ConfigKey, choiceKey, nameKind, type Texts } from './values.ts';

/** Bytes of a secret: the output size of HS256 (RFC 7518 §3.2). */
const MIN_SECRET_BYTES = 32;
/** Different characters of a secret; fewer are a typed pattern. */
const MIN_DISTINCT_CHARS = 8;
const SECRET_HINT = 'give it at least 32 random bytes, for example from `openssl rand -base64 48`';
const SECRET_TYPE = 'string of at least 32 bytes';

/** Placeholders for secrets in manuals, without the characters between the letters. */
const PLACEHOLDERS = /change(?:me|this|it)|replace(?:me|this)|placeholder|yoursupersecret|your256bitsecret/;
const WELL_KNOWN: ReadonlySet<string> = new Set([
  'astringsecretatleast256bitslong',
  'supersecretjwttokenwithatleast32characterslong',
  'thisisasecretkeythatisatleast32characterslong',
  '0123456789abcdef0123456789abcdef',
  '01234567890123456789012345678901',
  '12345678901234567890123456789012',
  'abcdefghijklmnopqrstuvwxyz123456',
  'abcdefghijklmnopqrstuvwxyz012345',
  'abcdefghijklmnopqrstuvwxyz0123456789',
]);

/** Returns why a secret is not accepted, or undefined when it is. */
function weakness(secret: string): string | undefined {
  const length = Buffer.byteLength(secret);
  if (length < MIN_SECRET_BYTES) return `expected at least ${MIN_SECRET_BYTES} bytes, found ${length}`;
  if (new Set(secret).size < MIN_DISTINCT_CHARS) return 'a secret must not repeat the same few characters';
  const plain = secret.toLowerCase().replace(/[^a-z0-9]/g, '');
  const known = WELL_KNOWN.has(plain) || PLACEHOLDERS.test(plain);
  return known ? 'this is a well-known example, not a secret' : undefined;
}

export function secretKey(texts: Texts): ConfigKey<string | undefined> {
  return {
    type: SECRET_TYPE,
    default: undefined,
    ...texts,
    read: (written) => {
      if (typeof written !== 'string') {
        const hint = typeof written === 'number' ? 'put it in quotes' : SECRET_HINT;
        return { message: `expected a string, found ${nameKind(written)}`, hint };
      }
      const message = weakness(written);
      return message === undefined ? { value: written } : { message, hint: SECRET_HINT };
    },
  };
}

/** Makes the key for the URL of a JWKS. It must be https: an attacker on a plain connection could replace the keys. */
export function jwksUrlKey(texts: Texts): ConfigKey<string | undefined> {
  const hint = 'write an https address, for example https://login.example.com/.well-known/jwks.json';
  return {
    type: 'https URL',
    default: undefined,
    ...texts,
    read: (written) => {
      const url = typeof written === 'string' && URL.canParse(written) ? new URL(written) : undefined;
      if (url === undefined) return { message: 'expected an address', hint };
      if (url.username !== '' || url.password !== '') return { message: 'the address may not have a password', hint };
      const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
      if (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(host))) return { value: url.href };
      return { message: 'expected https; http is for loopback only', hint };
    },
  };
}

export function algorithmKey(texts: Texts): ConfigKey<TokenAlgorithm | undefined> {
  return choiceKey(['HS256', 'RS256', 'ES256', 'EdDSA'], undefined, texts);
}
