import type { TokenAlgorithm } from '../config.ts';
import { isLoopback } from '../loopback.ts';
import { type ConfigKey, choiceKey, nameKind, type Texts } from './values.ts';

/** Bytes of a secret: as many as HS256 gives out (RFC 7518 §3.2). */
const SHORTEST_SECRET = 32;
/** Fewer different characters are a pattern that somebody typed. */
const FEWEST_CHARACTERS = 8;
const SECRET_HINT = 'give it at least 32 random bytes, for example from `openssl rand -base64 48`';
const SECRET_TYPE = 'text of at least 32 bytes';

/** What stands in manuals in place of a secret, without what is between the letters. */
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

/** What is wrong with a secret, or undefined when it can be one. */
function weakness(secret: string): string | undefined {
  const length = Buffer.byteLength(secret);
  if (length < SHORTEST_SECRET) return `expected at least ${SHORTEST_SECRET} bytes, found ${length}`;
  if (new Set(secret).size < FEWEST_CHARACTERS) return 'the same few characters again and again are no secret';
  const plain = secret.toLowerCase().replace(/[^a-z0-9]/g, '');
  const known = WELL_KNOWN.has(plain) || PLACEHOLDERS.test(plain);
  return known ? 'this is a well-known example and no secret' : undefined;
}

export function secretKey(texts: Texts): ConfigKey<string | undefined> {
  return {
    type: SECRET_TYPE,
    default: undefined,
    ...texts,
    read: (written) => {
      if (typeof written !== 'string') {
        const hint = typeof written === 'number' ? 'put it in quotes' : SECRET_HINT;
        return { message: `expected text, found ${nameKind(written)}`, hint };
      }
      const message = weakness(written);
      return message === undefined ? { value: written } : { message, hint: SECRET_HINT };
    },
  };
}

/** Keys that came over a line on which others can write would be theirs. */
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
